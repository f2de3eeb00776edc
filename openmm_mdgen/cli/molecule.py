"""``openmm-mdgen train --molecule``: a surrogate of one molecule, from its MD to a page that judges it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.train.molecule import LONGEST, MoleculePlan, plan_molecule, stage

if TYPE_CHECKING:
    from openmm_mdgen.evaluation.fold import FoldScores

_PATIENCE = 6  # validations without a lower loss
_MOST_TOKENS = 4096
_LONGEST_BY_TORSIONS = 8  # residues; behind more of them, small errors of torsions add up to a lost fold
_WIDTH, _DEPTH = 96, 3  # of a published network of one molecule


@dataclass(frozen=True)
class Run:
    """What the user says of the run itself, see ``openmm-mdgen train --help``."""

    out: Path
    init: str | None = None
    network: str | None = None
    minutes: float | None = None
    steps: int = 10_000
    every: int = 250
    name: str = "model"
    accelerator: str = "auto"
    devices: str = "auto"
    precision: str = "auto"
    seed: int = 0


def train_molecule(data: tuple[Path, ...], run: Run, *, temperature: float | None, dt: float | None) -> Path:
    """Plan, train, generate as much as was held out, and judge; prints what it chooses and finds."""
    plan = plan_molecule(data, temperature=temperature, dt=dt)
    network = run.network or choose_network(plan, run.init)
    for line in plan.lines():
        click.echo(line)
    limit = "no limit of time" if run.minutes is None else f"at most {run.minutes:g} minutes"
    click.echo(f"steps        up to {run.steps}, {limit}; ends after {_PATIENCE} checks without progress")
    folders = stage(plan, run.out)
    if network == "mdgen":
        weights = _train_rigids(plan, folders, run)
    else:
        weights = _train_tokens(plan, folders, run, with_places=network == "places")
    judge(plan, weights, folders, run.out, run.seed)
    return weights


def choose_network(plan: MoleculePlan, init: str | None) -> str:
    """'peptide', whose tokens are torsions, for short chains; 'places', which hold a fold too, for longer ones.

    Weights of the published network, or of a molecule with places, go on as what they are.
    """
    if init is not None:
        from openmm_mdgen.published.file import is_published
        from openmm_mdgen.weights.checkpoint import load_weights

        if is_published(init):
            return "mdgen"
        if load_weights(init).config.places:
            return "places"
    return "places" if len(plan.sequence) > _LONGEST_BY_TORSIONS else "peptide"


def _train_tokens(plan: MoleculePlan, folders: tuple[Path, Path], run: Run, *, with_places: bool) -> Path:
    """The network of the bundled models, from bundled weights, with places of residues or with torsions alone."""
    from openmm_mdgen.train.places import PlacesConfig
    from openmm_mdgen.train.run import TrainConfig, train
    from openmm_mdgen.train.windows import WindowConfig
    from openmm_mdgen.weights.checkpoint import load_weights

    start = load_weights(run.init or "peptide")
    kind = "torsions and places" if with_places else "torsions"
    click.echo(f"network      {kind}, from {start.name}: {start.config.width} channels, {start.config.depth} blocks")
    windows = (PlacesConfig if with_places else WindowConfig)(
        n_frames=plan.n_frames,
        n_tokens=min(_MOST_TOKENS, 64 * plan.n_frames) * (2 if with_places else 1),
        intervals=tuple(plan.interval * k for k in (1.0, 2.0, 5.0)),
        interval_weights=(0.6, 0.15, 0.25) if with_places else (0.8, 0.1, 0.1),
        residues=0.1 if start.config.inpaints and not with_places else 0.0,
    )
    config = TrainConfig(
        windows=windows,
        n_steps=run.steps,
        minutes=run.minutes,
        every=run.every,
        muon_rate=2e-3 if with_places else 1e-3,
        adamw_rate=1e-3 if with_places else 5e-4,
        patience=_PATIENCE,
        accelerator=run.accelerator,
        devices=run.devices,
        precision=run.precision,
        name=run.name,
        seed=run.seed,
    )
    return train([folders[0]], [folders[1]], run.out, config, init=run.init or "peptide")


def _train_rigids(plan: MoleculePlan, folders: tuple[Path, Path], run: Run) -> Path:
    """A small published network, from scratch where no weights are given."""
    from openmm_mdgen.published.config import PublishedConfig
    from openmm_mdgen.train.protein_run import ProteinTrainConfig, train_proteins
    from openmm_mdgen.train.protein_windows import ProteinWindowConfig

    start = "scratch" if run.init is None else run.init
    click.echo(f"network      rigids and torsions, from {start}: {_WIDTH} channels, {_DEPTH} blocks")
    config = ProteinTrainConfig(
        network=PublishedConfig(width=_WIDTH, n_layers=_DEPTH, n_heads=6, ipa_channels=16, n_positions=0),
        windows=ProteinWindowConfig(plan.n_frames, plan.interval, LONGEST, batch=8),
        n_steps=run.steps,
        minutes=run.minutes,
        every=run.every,
        patience=_PATIENCE,
        decay=0.4,
        rate=1e-3,
        ema=0.995,
        accelerator=run.accelerator,
        devices=run.devices,
        precision=run.precision,
        temperature=plan.temperature,
        seed=run.seed,
    )
    return train_proteins([folders[0]], [folders[1]], run.out, config, init=run.init)


def judge(plan: MoleculePlan, weights: Path, folders: tuple[Path, Path], out: Path, seed: int) -> None:
    """Trajectories as the held-out ones, a page against them, and one line."""
    from openmm_mdgen.evaluation.fold import score_fold

    topology = folders[1] / "molecule.pdb"
    held, trained = (sorted(folder.glob("*.dcd")) for folder in folders[::-1])
    began, made = time.monotonic(), []
    (out / "generated").mkdir(exist_ok=True)
    for k, path in enumerate(held):
        made.append(_generate(plan, weights, topology, path, out / "generated" / f"g{k:02d}.dcd", seed + k))
    seconds = time.monotonic() - began
    lines = _page(plan, topology, (held, made, trained), out / "report")
    sides = [_alphas(topology, paths) for paths in (made, held, trained)]
    native = sides[2][0][0]
    scores = [score_fold(x, sides[1], native) for x in (sides[0], sides[1])]
    ns = sum(len(x) for x in sides[0]) * plan.interval / 1000
    for word, text in [("speed", f"{ns:g} ns in {seconds:.0f} s"), *lines]:
        click.echo(f"{word:12s} {text}")
    click.echo(verdict(*scores))


def _page(
    plan: MoleculePlan, topology: Path, files: tuple[list[Path], list[Path], list[Path]], target: Path
) -> list[tuple[str, str]]:
    """What a page of held-out, generated and trained-on trajectories says, and where it is, or why there is none."""
    import openmm_mdgen

    held, made, trained = ([str(path) for path in paths] for paths in files)
    try:
        result = openmm_mdgen.evaluate(
            held, made, str(topology), replicate=trained, lag=10 * plan.interval, n_energies=0
        )
    except MDGenError as error:  # little MD held out is no reason to lose what was trained on the rest
        return [("report", f"none: {error}")]
    return [*result.verdicts.items(), ("report", str(result.write(target)))]


def verdict(made: FoldScores, held: FoldScores) -> str:
    """One line: does the surrogate move and fold as the MD that it has not seen?"""
    wide = made.pairwise_rmsd / max(held.pairwise_rmsd, 1e-6)
    words = f"RMSF r = {made.rmsf_r:.2f}, spread {wide:.2f} of MD's"
    if np.isfinite(made.contacts):
        words += f", native contacts {made.contacts:.0%} (MD {held.contacts:.0%})"
    good = made.rmsf_r > 0.8 and 0.75 < wide < 1.33 and not made.contacts < held.contacts - 0.1
    return f"verdict      {'usable' if good else 'not yet like the MD: train for longer, or on more of it'}: {words}"


def _generate(plan: MoleculePlan, weights: Path, topology: Path, like: Path, target: Path, seed: int) -> Path:
    """A trajectory as long as ``like``, from its first frame."""
    from MDAnalysis import Universe, Writer

    import openmm_mdgen

    universe = Universe(str(topology), str(like))
    n_frames = universe.trajectory.n_frames
    universe.trajectory[0]
    generated = openmm_mdgen.simulate(
        universe, (n_frames - 1) * plan.interval, plan.interval, str(weights), seed, temperature=plan.temperature
    )
    with replacing(target) as part, Writer(str(part), len(generated.atoms), dt=plan.interval) as writer:
        for _ in generated.trajectory[:n_frames]:
            writer.write(generated.atoms)
    return target


def _alphas(topology: Path, paths: list[Path]) -> np.ndarray:
    """C-alphas (R, F, n, 3) in Å, cut to the shortest; R, F of what is there."""
    from MDAnalysis import Universe

    found = []
    for path in paths:
        universe = Universe(str(topology), str(path))
        atoms = universe.select_atoms("name CA")
        found.append(np.array([atoms.positions.copy() for _ in universe.trajectory]))
    shortest = min(map(len, found))
    return np.stack([x[:shortest] for x in found])

"""A surrogate of one molecule against its MD, beside 40 random halvings of the MD, as a markdown table.

    openmm-mdgen train md/ --molecule --temperature 300 -o run
    python benchmarks/molecule.py ../shared/proteins/chignolin300 --weights run/model.safetensors --temperature 300

Replicas 0 to 7 are what may be trained on, 8 to 15 (--against) what is compared with. Native is the first frame of the
first replica, or --native. Without --weights the MD's own rows are printed. Each weights file generates as many
trajectories from the first frames of what it is compared with.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
from MDAnalysis import Universe
from upsampling import metrics_module

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.evaluation.atlas import wasserstein_of_gaussians
from openmm_mdgen.evaluation.fold import Band, band, halvings, score_fold
from openmm_mdgen.evaluation.structure import check_structure
from openmm_mdgen.evaluation.topology import Topology, topology_of
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.tasks.chain import Link, chain_blocks
from openmm_mdgen.tasks.protocols import bind_simulator
from openmm_mdgen.weights.roles import as_simulator, tuned

NAMES = ("RMSF r", "RMSF, Å", "pairwise RMSD, Å", "native contacts", "folded frames")
FLOORS = ("torsion JSD", "C-alpha W2, Å")  # of which multiples of the floor are printed
ERRORS = ("broken bonds", "clashes")


@dataclass(frozen=True)
class Molecule:
    """What is needed to judge frames of one molecule.

    Attributes
    ----------
    native : numpy.ndarray
        (N, 3) Å.
    alphas, quads : numpy.ndarray
        Indices of C-alphas, (T, 4) of torsions.
    topology : Topology
        For broken bonds and clashes.
    metrics : module
        The torsion scores of the shared data.
    """

    native: np.ndarray
    alphas: np.ndarray
    quads: np.ndarray
    topology: Topology
    metrics: Any

    @classmethod
    def from_universe(cls, universe: Universe, native: np.ndarray, shared: Path) -> Molecule:
        """The heavy atoms of a universe."""
        metrics = metrics_module(shared)
        quads = np.array([quad for _, quad in metrics.quadruples(universe)])
        alphas = np.flatnonzero(universe.atoms.names == "CA")
        return cls(native, alphas, quads, topology_of(universe.atoms, native), metrics)


def load(folder: Path, replicas: list[int]) -> tuple[Universe, np.ndarray]:
    """Heavy atoms (R, F, N, 3) in Å."""
    universe, frames = Universe(str(folder / "heavy.pdb")), []
    for k in replicas:
        universe.load_new(str(folder / f"r{k:02d}.xtc"))
        frames.append(np.array([ts.positions.copy() for ts in universe.trajectory]))
    return universe, np.stack(frames)


def generate(
    universe: Universe, starts: np.ndarray, weights: str, n_frames: int, temperature: float, steps: int | None = None
) -> np.ndarray:
    """(R, F, N, 3) Å, a replica from each start (R, N, 3), which is its first frame."""
    universe = universe.copy()
    universe.load_new(starts[:1])
    task = tuned(as_simulator(weights), steps)
    propagator = bind_simulator(task, atomgroup_to_structure(universe.atoms), 10.0, temperature=temperature)
    blocks = chain_blocks(propagator, starts.astype(np.float64), [Link(seed) for seed in range(len(starts))])
    made = [starts[:, None], *islice(blocks, -(-(n_frames - 1) // propagator.n_frames))]
    return np.concatenate(made, 1)[:, :n_frames].astype(np.float32)


def measures(judged: np.ndarray, reference: np.ndarray, molecule: Molecule) -> dict[str, float]:
    """One row; frames are (R, F, N, 3) in Å."""
    alphas, quads, metrics = molecule.alphas, molecule.quads, molecule.metrics
    native = molecule.native[alphas].astype(np.float64)
    fold = asdict(score_fold(judged[:, :, alphas], reference[:, :, alphas], native))
    row = dict(zip(NAMES, fold.values(), strict=True))
    angles, others = (np.stack([torsions(x, quads) for x in side]) for side in (judged, reference))
    row[FLOORS[0]] = float(
        np.mean([metrics.jsd(angles[..., k].ravel(), others[..., k].ravel()) for k in range(len(quads))])
    )
    laid = [
        superpose(x[:, :, alphas].reshape(-1, len(alphas), 3).astype(np.float64), native) for x in (judged, reference)
    ]
    parts = wasserstein_of_gaussians(*laid)
    row[FLOORS[1]] = float(np.sqrt(sum((part**2).mean() for part in parts)))
    for lag in (1, 10):
        row[f"autocorrelation, {10 * lag} ps"] = float(np.mean(metrics.autocorrelation(angles, lag)))
    return row


def errors(judged: np.ndarray, topology: Topology) -> dict[str, float]:
    """Shares of frames (R, F, N, 3) that are no sound molecule."""
    shares = check_structure(judged, topology).shares()
    return {ERRORS[0]: shares["broken_bond"], ERRORS[1]: shares["clash"]}


def torsions(frames: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """(F, N, 3) Å -> (F, T) radians."""
    from MDAnalysis.lib.distances import calc_dihedrals

    corners = (frames[:, quads[:, k]].reshape(-1, 3).astype(np.float32) for k in range(4))
    return calc_dihedrals(*corners).reshape(len(frames), -1)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--weights", multiple=True, help="Weights files, a column each.")
@click.option("--replicas", default=8, show_default=True, help="Trajectories to generate.")
@click.option("--frames", default=400, show_default=True)
@click.option("--temperature", default=300.0, show_default=True)
@click.option("--steps", type=int, help="Of the solver, if not the weights' own.")
@click.option("--against", default="8-15", show_default=True, help="Replicas of the MD to compare with.")
@click.option("--native", type=click.Path(path_type=Path), help="PDB file of the native structure, heavy atoms alike.")
@click.option("--keep", type=click.Path(path_type=Path, exists=True), help="Folder for what is generated.")
@click.option("--shared", type=click.Path(path_type=Path), default=Path("../shared"), show_default=True)
def main(
    folder: Path,
    weights: tuple[str, ...],
    replicas: int,
    frames: int,
    temperature: float,
    steps: int | None,
    against: str,
    native: Path | None,
    keep: Path | None,
    shared: Path,
) -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    universe, md = load(folder, list(range(16)))
    start = md[0, 0] if native is None else Universe(str(native)).atoms.positions
    molecule = Molecule.from_universe(universe, start, shared)
    first, last = (int(x) for x in against.split("-"))
    held = md[first : last + 1]
    found = [measures(md[a], md[b], molecule) for a, b in halvings(16)]
    bands: dict[str, Band] = {name: band([one[name] for one in found]) for name in found[0]}
    columns = {"MD 0-7": measures(md[:8], held, molecule)}
    broken = {"MD 0-7": errors(md[:8], molecule.topology)}
    for path in weights:
        began = time.perf_counter()
        made = generate(universe, held[np.arange(replicas) % len(held), 0], path, frames, temperature, steps)
        seconds = time.perf_counter() - began
        columns[path], broken[path] = measures(made, held, molecule), errors(made, molecule.topology)
        click.echo(f"{path}: {replicas * frames / 100:g} ns in {seconds:.0f} s")
        if keep is not None:
            np.save(keep / f"{Path(path).parent.name}.npy", made)
    click.echo("\n".join("| " + " | ".join(line) + " |" for line in table(bands, columns, broken, against)))


def table(
    bands: dict[str, Band], columns: dict[str, dict[str, float]], broken: dict[str, dict[str, float]], against: str
) -> list[list[str]]:
    """Lines of cells: bands, then a column for each set of trajectories, the MD's first."""
    lines = [[f"against MD {against}", "5th to 95th percentile of halvings", *columns]]
    lines.append(["---"] * len(lines[0]))
    floor = next(iter(columns.values()))
    for name, limits in bands.items():
        cells = []
        for one in columns.values():
            cell = f"{one[name]:.3f}"
            if name in FLOORS:
                cell += f" ({one[name] / floor[name]:.2f} x the floor)" if one is not floor else ""
            elif not limits.low <= one[name] <= limits.high:
                cell += " (outside)"
            cells.append(cell)
        lines.append([name, f"{limits.low:.3f} to {limits.high:.3f}", *cells])
    for name in ERRORS:
        lines.append([name, "", *(f"{one[name]:.2%}" for one in broken.values())])
    return lines


if __name__ == "__main__":
    main()

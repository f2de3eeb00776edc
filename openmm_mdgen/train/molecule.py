"""The recipe for one molecule: what is in the user's MD, how it is split, and what a run is given of it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.train.cache import find_trajectories, temperature_of

if TYPE_CHECKING:
    from MDAnalysis import AtomGroup, Universe

PROTEIN = "protein or resname ACE NME NMA NH2 NHE"
LONGEST = 60  # residues
_SHARE = 0.2  # of the MD that is held out
_LEAST = 40  # frames of a replica
_TARGET = 10.0  # ps between frames, where the MD is that fine
_WINDOW = 64  # frames, as the bundled weights


@dataclass(frozen=True)
class Replica:
    """One trajectory of the molecule.

    Attributes
    ----------
    topology, trajectory : Path
    n_frames : int
    interval : float
        ps between frames, as stored.
    temperature : float
        K.
    """

    topology: Path
    trajectory: Path
    n_frames: int
    interval: float
    temperature: float


@dataclass(frozen=True)
class MoleculePlan:
    """What was found, and what was chosen.

    Attributes
    ----------
    sequence : str
        One-letter codes.
    stride : int
        Every how many frames are kept.
    interval : float
        ps between the frames that are learned.
    n_frames : int
        Of a window.
    temperature : float
        K.
    train, validation : list of (Replica, slice)
        Which frames of which trajectory.
    n_left_out : int
        Atoms that are no peptide, such as water.
    by_replica : bool
        Whether whole replicas are held out, not their last parts.
    is_capped : bool
        Whether an end has a cap.
    """

    sequence: str
    stride: int
    interval: float
    n_frames: int
    temperature: float
    train: list[tuple[Replica, slice]]
    validation: list[tuple[Replica, slice]]
    n_left_out: int
    by_replica: bool
    is_capped: bool = False

    def lines(self) -> list[str]:
        """The choices, in words."""
        n_train, n_held = (
            sum(len(range(*s.indices(r.n_frames))[:: self.stride]) for r, s in part)
            for part in (self.train, self.validation)
        )
        split = "whole replicas" if self.by_replica else "the last part of each"
        out = [
            f"molecule     {self.sequence}, {len(self.sequence)} residues, {self.temperature:g} K",
            f"interval     {self.interval:g} ps, every {_ordinal(self.stride)} frame",
            f"training     {n_train} frames, {n_train * self.interval / 1000:g} ns of {len(self.train)} trajectories",
            f"held out     {n_held} frames, {n_held * self.interval / 1000:g} ns: {split}",
            f"window       {self.n_frames} frames, {self.n_frames * self.interval / 1000:g} ns",
        ]
        if self.n_left_out:
            out.append(f"left out     {self.n_left_out} atoms that are no peptide (solvent, ions)")
        return out


def _ordinal(n: int) -> str:
    return {1: "single", 2: "second", 3: "third"}.get(n, f"{n}th")


def plan_molecule(
    folders: Sequence[Path], *, temperature: float | None = None, dt: float | None = None
) -> MoleculePlan:
    """Look at the MD of one molecule and choose.

    Parameters
    ----------
    folders : sequence of Path
        Searched recursively; every trajectory beside a topology with its atoms.
    temperature : float, optional
        K, where no ``temperatures.csv`` says it.
    dt : float, optional
        ps between frames, where the trajectories do not say.

    Raises
    ------
    MDGenError
        For several molecules or chains, more than 60 residues, trajectories without times, or too little of it.
    """
    replicas, peptides, left_out = [], [], 0
    for topologies, trajectory in find_trajectories(folders):
        universe, topology = _open(topologies, trajectory)
        atoms = peptide_atoms(universe)
        left_out = max(left_out, len(universe.atoms) - len(atoms))
        peptides.append((trajectory, _peptide(atoms, trajectory)))
        interval = dt or _interval(universe, trajectory)
        kelvin = temperature_of(trajectory, temperature)
        replicas.append(Replica(topology, trajectory, universe.trajectory.n_frames, interval, kelvin))
    if not replicas:
        where = ", ".join(map(str, folders))
        raise MDGenError(f"no trajectories found under {where}; put each beside a topology file with the same atoms")
    _check_alike(peptides, replicas)
    interval = replicas[0].interval
    stride = max(1, round(_TARGET / interval))
    train, validation, by_replica = split(replicas, stride)
    longest = [max(len(range(*s.indices(r.n_frames))[::stride]) for r, s in part) for part in (train, validation)]
    return MoleculePlan(
        sequence=peptides[0][1].sequence,
        stride=stride,
        interval=round(interval * stride, 6),
        n_frames=min(_WINDOW, longest[0] // 2, longest[1]),
        temperature=replicas[0].temperature,
        train=train,
        validation=validation,
        n_left_out=left_out,
        by_replica=by_replica,
        is_capped=len(peptides[0][1].residue_types) > peptides[0][1].n_residues,
    )


def split(
    replicas: Sequence[Replica], stride: int
) -> tuple[list[tuple[Replica, slice]], list[tuple[Replica, slice]], bool]:
    """A fifth is held out, 40 frames at least: the last part of each replica, so that events of one alone are learned.

    Where that part is shorter than a window and there are five replicas or more, whole ones are held out.

    Raises
    ------
    MDGenError
        Where too few frames are left.
    """
    whole = [(replica, slice(0, replica.n_frames)) for replica in replicas]
    shortest = min(replica.n_frames for replica in replicas)
    by_replica = len(replicas) >= 5 and _SHARE * shortest < _WINDOW * stride
    if by_replica:
        n = max(1, round(_SHARE * len(replicas)))
        parts = whole[:-n], whole[-n:]
    else:
        least = -(-_LEAST // len(replicas)) * stride
        cuts = [replica.n_frames - max(round(_SHARE * replica.n_frames), least) for replica in replicas]
        parts = (
            [(replica, slice(0, max(0, cut))) for replica, cut in zip(replicas, cuts, strict=True)],
            [(replica, slice(cut, replica.n_frames)) for replica, cut in zip(replicas, cuts, strict=True)],
        )
    most = max(len(range(*s.indices(r.n_frames))[::stride]) for r, s in parts[0])
    if most < _LEAST:
        raise MDGenError(
            f"the longest trajectory has {most} frames to train on, {_LEAST} are needed for a window; write frames "
            "more often, or simulate for longer"
        )
    return *parts, by_replica


def stage(plan: MoleculePlan, out: Path) -> tuple[Path, Path]:
    """Folders of training and held-out trajectories: the peptide alone, at the interval chosen, with its temperature.

    Returns
    -------
    (Path, Path)
        ``train`` and ``validation``, each with ``molecule.pdb`` and a DCD file a part; as they are if both are there.
    """
    folders = (out / "data" / "train", out / "data" / "validation")
    for folder, parts in zip(folders, (plan.train, plan.validation), strict=True):
        if (folder / "temperatures.csv").exists():
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        names = [_write(plan, replica, part, folder, k) for k, (replica, part) in enumerate(parts)]
        rows = "".join(f"{name},{plan.temperature:g}\n" for name in names)
        with replacing(folder / "temperatures.csv") as unfinished:  # last: says that the folder is whole
            unfinished.write_text("trajectory,temperature_K\n" + rows, encoding="utf-8")
    return folders


def _write(plan: MoleculePlan, replica: Replica, part: slice, folder: Path, number: int) -> str:
    from MDAnalysis import Universe, Writer

    name = f"r{number:02d}.dcd"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = Universe(str(replica.topology), str(replica.trajectory))
        atoms = peptide_atoms(universe)
        if number == 0:
            atoms.write(str(folder / "molecule.pdb"))
        with Writer(str(folder / name), len(atoms), dt=plan.interval) as writer:
            for _ in universe.trajectory[part.start : part.stop : plan.stride]:
                universe.dimensions = None
                writer.write(atoms)
    return name


def peptide_atoms(universe: Universe) -> AtomGroup:
    """What is peptide of a system; all of it where nothing is."""
    from openmm_mdgen.convert.locations import one_location

    found = universe.select_atoms(PROTEIN)
    return one_location(found if len(found) else universe.atoms, tell=False)


def _open(topologies: Sequence[Path], trajectory: Path) -> tuple[Universe, Path]:
    from MDAnalysis import Universe

    reason = "no topology beside it has its atoms"
    for topology in topologies:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return Universe(str(topology), str(trajectory)), topology
        except Exception as error:  # readers raise anything; the user needs one line
            if "same number of atoms" not in str(error):
                reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise MDGenError(f"{trajectory} cannot be read ({reason}); put its topology beside it, or take it away")


def _peptide(atoms: AtomGroup, trajectory: Path) -> Peptide:
    from openmm_mdgen.convert.structures import atomgroup_to_structure

    try:
        peptide = Peptide.from_structure(atomgroup_to_structure(atoms))
    except MDGenError as error:
        raise MDGenError(f"{trajectory.name}: {error}") from error
    if peptide.n_residues > LONGEST:
        raise MDGenError(
            f"{trajectory.name} has {peptide.n_residues} residues, a model of one molecule takes up to {LONGEST}; "
            "train with --network mdgen"
        )
    return peptide


def _interval(universe: Universe, trajectory: Path) -> float:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        interval = float(universe.trajectory.dt)
    if any("no dt information" in str(warning.message) for warning in caught) or not interval > 0:
        raise MDGenError(f"{trajectory.name} does not say the time between its frames; give it with --dt, in ps")
    return interval


def _check_alike(peptides: Sequence[tuple[Path, Peptide]], replicas: Sequence[Replica]) -> None:
    first_path, first = peptides[0]
    for path, peptide in peptides[1:]:
        if peptide.residue_types != first.residue_types:
            raise MDGenError(
                f"{path.name} is of {peptide.sequence}, {first_path.name} of {first.sequence}: one molecule is wanted; "
                "leave out --molecule to train on several"
            )
    by_unit = {
        "ps between frames": {round(replica.interval, 4) for replica in replicas},
        "K": {round(replica.temperature, 4) for replica in replicas},
    }
    for unit, found in by_unit.items():
        values = sorted(found)
        if not np.allclose(values, values[0], rtol=1e-3):
            raise MDGenError(
                f"the trajectories have {', '.join(f'{v:g}' for v in values)} {unit}: one value is wanted; "
                "name a folder with trajectories that are alike"
            )

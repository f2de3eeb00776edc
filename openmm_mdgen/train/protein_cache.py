"""A folder of protein MD to heavy atoms in slots, a memory-mapped file a trajectory, for the published network.

``index.json`` says what each file holds. ATLAS' layout (NAME/NAME.pdb, NAME/NAME_R1.xtc ...) and any other is read: a
trajectory belongs to the topology beside it that has its atoms.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.files.arrays import map_array
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.published.atoms import PublishedAtoms
from openmm_mdgen.published.residues import N_SLOTS
from openmm_mdgen.train.cache import check_source, describe_source, find_trajectories

if TYPE_CHECKING:
    from MDAnalysis import AtomGroup

VERSION = 1
_BLOCK = 256  # frames that are read at a time


@dataclass(frozen=True)
class ProteinSegment:
    """One trajectory.

    Attributes
    ----------
    name : str
        Path of the trajectory.
    file : str
        Name in the cache.
    residues : tuple of int
        Residue indices of the published tables.
    interval : float
        ps between frames.
    n_frames : int
    """

    name: str
    file: str
    residues: tuple[int, ...]
    interval: float
    n_frames: int


class ProteinCache:
    """An opened cache.

    Examples
    --------
    >>> cache = open_protein_cache([Path("atlas")], Path("run/cache"))
    >>> cache.frames(cache.segments[0]).shape                                   # (n_frames, L, 14, 3), Å
    """

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if index["version"] != VERSION:
            raise MDGenError(f"cache {folder} has version {index['version']}, not {VERSION}; delete it and train again")
        self.folder = folder
        self.segments = [ProteinSegment(**{**s, "residues": tuple(s["residues"])}) for s in index["segments"]]

    def frames(self, segment: ProteinSegment) -> np.ndarray:
        """(n_frames, L, 14, 3) in Å, memory-mapped; slots that do not exist are 0."""
        return map_array(self.folder / segment.file)


def open_protein_cache(folders: Sequence[Path], out: Path, *, stride: int = 1) -> ProteinCache:
    """The cache in ``out``, built first where it is not there.

    Parameters
    ----------
    folders : sequence of Path
        Searched recursively.
    out : Path
    stride : int
        Keep every stride-th frame.

    Raises
    ------
    MDGenError
        When nothing can be read, or the cache was built from other files.
    """
    if (out / "index.json").exists():
        check_source(out, folders, stride=stride)
        return ProteinCache(out)
    out.mkdir(parents=True, exist_ok=True)
    segments: list[ProteinSegment] = []
    for topologies, trajectory in find_trajectories(folders):
        segment = _read(topologies, trajectory, out, len(segments), stride)
        if segment is not None:
            segments.append(segment)
    if not segments:
        where = ", ".join(map(str, folders))
        raise MDGenError(f"no trajectories of proteins found under {where}; put each beside a topology with its atoms")
    index = {
        "version": VERSION,
        "source": describe_source(folders, stride, None),
        "segments": [asdict(segment) for segment in segments],
    }
    with replacing(out / "index.json") as unfinished:
        unfinished.write_text(json.dumps(index), encoding="utf-8")
    return ProteinCache(out)


def _read(topologies: Sequence[Path], trajectory: Path, out: Path, number: int, stride: int) -> ProteinSegment | None:
    """The segment that the first topology which fits makes of a trajectory; None, and a warning, where none does."""
    from MDAnalysis import Universe

    reason = "no topology beside it has its atoms"
    for topology in topologies:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                universe = Universe(str(topology), str(trajectory))
                return _write(_protein(universe.atoms), str(trajectory), out / f"{number:05d}.npy", stride)
        except Exception as error:  # readers raise anything, and one file must not stop the others
            if "same number of atoms" not in str(error):
                reason = (str(error).splitlines() or [type(error).__name__])[0]
    warnings.warn(f"{trajectory} left out: {reason}", MDGenWarning, stacklevel=3)
    return None


def _protein(atoms: AtomGroup) -> AtomGroup:
    """The protein, one location of each of its atoms; all atoms where nothing is protein."""
    from openmm_mdgen.convert.locations import one_location
    from openmm_mdgen.convert.selection import peptide_atoms

    protein = peptide_atoms(atoms)
    return one_location(protein if len(protein) else atoms, tell=False)


def _write(atoms: AtomGroup, name: str, path: Path, stride: int) -> ProteinSegment:
    from openmm_mdgen.convert.structures import atomgroup_to_structure
    from openmm_mdgen.convert.trajectories import stored_interval

    slots = PublishedAtoms(atomgroup_to_structure(atoms))
    frames = atoms.universe.trajectory
    interval = round(stored_interval(frames, "it") * stride, 6)
    numbers = range(0, frames.n_frames, stride)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (len(numbers), slots.n_residues, N_SLOTS, 3))
    for start in range(0, len(numbers), _BLOCK):
        block = numbers[start : start + _BLOCK]
        positions = np.stack([atoms.positions for _ in frames[block.start : block.stop : stride]])
        out[start : start + len(block)] = slots.to_atom14(torch.from_numpy(positions))
    out.flush()
    return ProteinSegment(name, path.name, tuple(slots.residues.tolist()), interval, len(numbers))

"""A trajectory told as the recipe that makes it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.matching import match_atoms
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.hydrogens import checked_hydrogens
from openmm_mdgen.tasks.protocols import ModelLike

_TASKS = ("simulate",)


@dataclass(frozen=True)
class Origin:
    """Where a recipe's frames were first made; empty strings where that is not known.

    Attributes
    ----------
    model_hash, structure_hash, start_hash
        Contents of the model, the structure file and the start file; they must agree when the recipe is read.
    first_block
        SHA-256 of the first block of frames; where it differs a reader warns.
    device, precision, versions
        For the record.
    """

    model_hash: str = ""
    structure_hash: str = ""
    start_hash: str = ""
    first_block: str = ""
    device: str = ""
    precision: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Recipe:
    """What to generate, and from what.

    Attributes
    ----------
    model
        Bundled or registered name, path of a ``.safetensors`` file, or an object with ``next_block`` or ``bind``.
    structure
        Path of a structure file, or the structure itself.
    n_frames
        Frames of the trajectory.
    interval
        Picoseconds between frames. Frame 0 is the first *generated* frame, at ``time = interval``, as in a file that an
        OpenMM reporter writes; the start is not repeated.
    start
        Path of a file with starting coordinates of the same atoms, or (N, 3) Å; None takes the structure's own.
    seed, replica
        The same recipe with another seed or replica number is another trajectory.
    skip
        Frames generated before frame 0 and left out (equilibration).
    hydrogens
        ``"moving"``, ``"thermal"`` or ``"quiet"``, where the model knows of it; ``"moving-1"`` for recipes of when
        "moving" were hydrogens alone.
    temperature
        K, of the ensemble, for models that learned several; None takes the model's own.
    task
        ``"simulate"``.
    origin
        See `Origin`.

    Examples
    --------
    >>> recipe = Recipe(model="peptide", structure=Path("pep.pdb"), n_frames=1000, interval=10.0)
    >>> universe = mda.Universe("pep.pdb", recipe)
    """

    model: ModelLike
    structure: Path | Structure
    n_frames: int
    interval: float
    start: Path | np.ndarray | None = None
    seed: int = 0
    replica: int = 0
    skip: int = 0
    hydrogens: str = "moving"
    temperature: float | None = None
    task: str = "simulate"
    origin: Origin = Origin()

    def __post_init__(self) -> None:
        _check_count("n_frames", self.n_frames, least=1)
        for name, count in (("seed", self.seed), ("replica", self.replica), ("skip", self.skip)):
            _check_count(name, count, least=0)
        if isinstance(self.interval, bool) or not isinstance(self.interval, int | float):
            raise MDGenError(f"interval {self.interval!r} is no number; give picoseconds, such as 10.0")
        if not (math.isfinite(self.interval) and self.interval > 0):
            raise MDGenError(f"interval {self.interval} ps must be above 0; give picoseconds, such as 10.0")
        checked_hydrogens(self.hydrogens)
        if self.task not in _TASKS:
            raise MDGenError(
                f"task {self.task!r} is unknown to this version (known: {', '.join(_TASKS)}); upgrade openmm-mdgen"
            )

    def load_structure(self) -> Structure:
        """Structure of the recipe.

        Raises
        ------
        MDGenError
            If its file is missing or has changed since the recipe was written.
        """
        if isinstance(self.structure, Structure):
            return self.structure
        self.with_structure_hash()
        return load_structure(self.structure)

    def with_structure_hash(self) -> Recipe:
        """This recipe with the hash of its structure's file.

        Raises
        ------
        MDGenError
            If the file is missing or has changed since the recipe was written.
        """
        if isinstance(self.structure, Structure):
            return self
        found = _checked_hash(self.structure, self.origin.structure_hash, "structure")
        return replace(self, origin=replace(self.origin, structure_hash=found))

    def load_start(self, structure: Structure) -> np.ndarray:
        """(N, 3) float64 Å: starting coordinates.

        Raises
        ------
        MDGenError
            If their file is missing or has changed, or they are not one finite position per atom of the structure.
        """
        if self.start is None:
            start = structure.positions
        elif isinstance(self.start, Path):
            _checked_hash(self.start, self.origin.start_hash, "start")
            start = self._start_of_file(self.start, structure)
        else:
            start = self.start
        start = np.array(start, dtype=np.float64)
        if start.shape != structure.positions.shape:
            raise MDGenError(
                f"starting coordinates have shape {start.shape}, the structure has {len(structure.names)} atoms; give "
                "one position per atom, in the structure's order"
            )
        n_bad = int(np.count_nonzero(~np.isfinite(start).all(axis=-1)))
        if n_bad:
            raise MDGenError(f"{n_bad} of {len(start)} starting positions are NaN or infinite; set all positions first")
        return start

    def _start_of_file(self, path: Path, structure: Structure) -> np.ndarray:
        """(N, 3) Å in the structure's atom order; as the file has them where the number of atoms differs."""
        found = load_structure(path)
        if len(found.names) != len(structure.names):
            return found.positions
        remedy = "give starting coordinates of the recipe's own molecule"
        start: np.ndarray = found.positions[match_atoms(structure, found, f"start file {str(path)!r}", remedy)]
        return start

    def with_hashes(self) -> Recipe:
        """This recipe with its files' hashes noted, so that a later change of a file is an error."""
        origin = replace(
            self.origin,
            structure_hash=_file_hash(self.structure, "structure") if isinstance(self.structure, Path) else "",
            start_hash=_file_hash(self.start, "start") if isinstance(self.start, Path) else "",
        )
        return replace(self, origin=origin)


def _check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise MDGenError(f"{name} {value!r} is no whole number; give {least} or more")
    if value < least:
        raise MDGenError(f"{name} {value} is below {least}; give {least} or more")


def _checked_hash(path: Path, expected: str, role: str) -> str:
    found = _file_hash(path, role)
    if expected and found != expected:
        raise MDGenError(
            f"{role} file {str(path)!r} has changed since the recipe was written (SHA-256 {found[:12]}, expected "
            f"{expected[:12]}); restore it or write the recipe again"
        )
    return found


def _file_hash(path: Path, role: str) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise MDGenError(
            f"{role} file {str(path)!r} of the recipe cannot be read ({error.strerror}); put it back or write the "
            "recipe again"
        ) from error

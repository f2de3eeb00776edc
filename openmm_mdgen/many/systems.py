"""Which systems there are: structure files and lists of sequences become named systems; broken ones are set apart."""

from __future__ import annotations

import csv
import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from openmm_mdgen.convert.locations import one_location
from openmm_mdgen.convert.structures import Source, file_atoms_to_structure, file_to_atoms, load_structure
from openmm_mdgen.convert.trajectories import select_atoms
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.files.names import is_device
from openmm_mdgen.forcefield.build import sequence_to_residues
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure

_SEQUENCE_COLUMNS = ("sequence", "seqres")
_NAME_COLUMNS = ("name", "id")
_FORBIDDEN = '/\\:*?"<>|'


@dataclass(frozen=True)
class System:
    """One system of many.

    Attributes
    ----------
    name
        Stem of its output files.
    origin
        Where it came from, as the user would say it.
    n_residues
        Residues and caps: systems of equal number share network calls.
    structure
        The start; None where it is built from `sequence` by the worker.
    sequence
        Empty where a structure is given.
    writes_topology
        Whether a topology must be written beside the output, since no file has these atoms.
    """

    name: str
    origin: str
    n_residues: int
    structure: Structure | None = None
    sequence: str = ""
    writes_topology: bool = False

    def content(self) -> str:
        """SHA-256 of what its frames depend on."""
        if self.structure is None:
            return hashlib.sha256(self.sequence.encode()).hexdigest()
        s = self.structure
        text = repr((s.names, s.resnames, s.residues.tolist(), s.chains.tolist(), s.elements, s.bonds))
        return hashlib.sha256(text.encode() + np.ascontiguousarray(s.positions).tobytes()).hexdigest()


@dataclass(frozen=True)
class Broken:
    """An input that cannot be used, and why."""

    name: str
    origin: str
    error: str


@dataclass(frozen=True)
class _Input:
    name: str
    origin: str
    identity: object  # equal for inputs that are the same
    load: Callable[[str, str], System]


def find_systems(
    structures: Sequence[Source] | Mapping[str, Source] = (),
    sequences: str | PathLike[str] | Iterable[str] | Mapping[str, str] = (),
    select: str | None = None,
) -> tuple[list[System], list[Broken]]:
    """The systems that can be used, and the inputs that cannot.

    Parameters
    ----------
    structures
        Paths, whose stems are the names; or by name anything that `load_structure` takes.
    sequences
        Sequences such as ``"STHK"`` or ``"ACE-A-NME"``; or by name; or the path of a list of them, see `read_list`.
    select
        MDAnalysis selection, applied to every structure.

    Raises
    ------
    MDGenError
        If there is no input, the list cannot be read, or two inputs would write one name.

    Examples
    --------
    >>> systems, broken = find_systems(["a.pdb", "b.pdb"], sequences="list.csv")
    """
    inputs = [*_structure_inputs(structures, select), *_sequence_inputs(sequences)]
    if not inputs:
        raise MDGenError("there are 0 systems; give structure files or a list of sequences, as in simulate *.pdb")
    systems, broken = [], []
    for some in _distinct(inputs):
        try:
            systems.append(some.load(_checked_name(some.name), some.origin))
        except MDGenError as error:
            broken.append(Broken(some.name, some.origin, str(error)))
    return systems, broken


def read_list(path: str | PathLike[str]) -> list[tuple[str, str, str]]:
    """Name, sequence and place of every line of a list.

    One sequence a line, or a CSV file whose header names a column ``sequence`` (or ``seqres``) and perhaps ``name``.
    Empty lines, and lines that begin with ``#``, are passed over.

    Raises
    ------
    MDGenError
        If the file cannot be read, holds no sequence, or has several columns and no header.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no text file"
        raise MDGenError(f"list {str(path)!r} cannot be read ({reason}); give one sequence a line, or CSV") from error
    lines = [
        (number, [cell.strip() for cell in cells])
        for number, cells in enumerate(csv.reader(text.splitlines()), 1)
        if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#")
    ]
    header = [cell.lower() for cell in lines[0][1]] if lines else []
    column = next((header.index(word) for word in _SEQUENCE_COLUMNS if word in header), None)
    named = next((header.index(word) for word in _NAME_COLUMNS if word in header), None)
    rows = lines if column is None else lines[1:]
    if not rows:
        raise MDGenError(f"list {str(path)!r} holds 0 sequences; write one a line, such as STHK")
    if column is None and any(len(cells) > 1 for _, cells in rows):
        raise MDGenError(
            f"list {str(path)!r} has {max(len(cells) for _, cells in rows)} columns and no header that names one of "
            f"them 'sequence'; begin it with name,sequence"
        )
    found = []
    for number, cells in rows:
        sequence = _cell(cells, column or 0)
        found.append((_cell(cells, named) or sequence, sequence, f"{path.name} line {number}"))
    return found


def _cell(cells: list[str], column: int | None) -> str:
    return cells[column] if column is not None and column < len(cells) else ""


def _structure_inputs(structures: Sequence[Source] | Mapping[str, Source], select: str | None) -> list[_Input]:
    named = isinstance(structures, Mapping)
    pairs: list[tuple[str | None, Source]] = (
        list(structures.items()) if isinstance(structures, Mapping) else [(None, source) for source in structures]
    )
    return [_structure_input(name, source, select, number, named) for number, (name, source) in enumerate(pairs)]


def _structure_input(name: str | None, source: Source, select: str | None, number: int, named: bool) -> _Input:
    is_path = isinstance(source, str | PathLike)
    path = Path(source) if isinstance(source, str | PathLike) else Path(f"system{number}")
    origin = str(path) if is_path else f"{type(source).__name__} {name or path}"

    def load(name: str, origin: str) -> System:
        structure, is_part = _chosen(source, select)
        if not np.isfinite(structure.positions).all():
            raise MDGenError(f"{origin} has positions that are NaN or infinite; set all positions first")
        size = len(Peptide.from_structure(structure).residue_types)
        return System(name, origin, size, structure, writes_topology=is_part or not is_path)

    identity = (named, str(path.resolve()), name) if is_path else id(source)
    return _Input(name or path.stem, origin, identity, load)


def _chosen(source: Source, select: str | None) -> tuple[Structure, bool]:
    """The structure, and whether it has only some of the source's atoms."""
    from MDAnalysis import AtomGroup, Universe

    if isinstance(source, str | PathLike):
        atoms = file_to_atoms(Path(source))
    elif isinstance(source, Universe | AtomGroup):
        atoms = one_location(source.atoms)
    elif select is None:
        return load_structure(source), False
    else:
        raise MDGenError(
            f"a selection needs a file, Universe or AtomGroup, not a {type(source).__name__}; select its atoms before"
        )
    chosen = select_atoms(atoms, select, "selection")
    is_part = select is not None or len(chosen) < len(chosen.universe.atoms)
    if isinstance(source, str | PathLike):
        return file_atoms_to_structure(Path(source), chosen), is_part
    return load_structure(chosen), is_part


def _sequence_inputs(sequences: str | PathLike[str] | Iterable[str] | Mapping[str, str]) -> list[_Input]:
    if isinstance(sequences, str | PathLike):
        rows = read_list(sequences)
    elif isinstance(sequences, Mapping):
        rows = [(name, sequence, f"sequence {name}") for name, sequence in sequences.items()]
    else:
        rows = [(sequence, sequence, f"sequence {number}") for number, sequence in enumerate(sequences, 1)]

    def loader(sequence: str) -> Callable[[str, str], System]:
        def load(name: str, origin: str) -> System:
            residues = sequence_to_residues(sequence)
            return System(name, origin, len(residues), sequence=sequence, writes_topology=True)

        return load

    return [_Input(name, origin, sequence, loader(sequence)) for name, sequence, origin in rows]


def _checked_name(name: str) -> str:
    bad = sorted(set(name) & set(_FORBIDDEN))
    if is_device(name):
        raise MDGenError(f"name {name!r} is that of a device on Windows; give it another, in a list with name,sequence")
    if not name or name.startswith(".") or bad or not name.isprintable():
        what = f"has {bad[0]!r}" if bad else "is empty, begins with a dot, or cannot be printed"
        raise MDGenError(f"name {name!r} {what} and cannot name a file; use letters, digits, - and _")
    return name


def _distinct(inputs: list[_Input]) -> list[_Input]:
    """Repeated inputs once, with a warning; different ones of one name are an error."""
    first: dict[str, _Input] = {}
    repeated = []
    for some in inputs:
        known = first.setdefault(some.name.casefold(), some)
        if known is some:
            continue
        if known.identity != some.identity:
            raise MDGenError(
                f"{known.origin} and {some.origin} would both write {some.name!r}; rename one, or give them names of "
                "their own"
            )
        repeated.append(f"{some.origin} repeats {known.origin}")
    if repeated:
        more = f" and {len(repeated) - 3} more" if len(repeated) > 3 else ""
        warnings.warn(f"made once only: {'; '.join(repeated[:3])}{more}", MDGenWarning, stacklevel=3)
    return list(first.values())

"""Where a generated trajectory starts: a file, a selection of its atoms, or a sequence that is built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openmm_mdgen.convert.structures import file_atoms_to_structure, file_to_atoms, load_structure
from openmm_mdgen.convert.trajectories import select_atoms
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.trajectory.writing import structure_to_pdb


@dataclass(frozen=True)
class Start:
    """A structure and the file that goes with its trajectories.

    Attributes
    ----------
    structure
        Atoms and starting positions.
    name
        Stem for default output names.
    path
        The user's own file; None where a topology must be written beside the output.
    pdb
        Content of that topology; empty where `path` is given.
    """

    structure: Structure
    name: str
    path: Path | None = None
    pdb: str = ""


def find_start(path: Path | None, sequence: str | None, select: str | None) -> Start:
    """The start that the options name.

    Raises
    ------
    MDGenError
        If there is no source or more than one, or it cannot be read or built.
    """
    if (path is None) == (sequence is None):
        given = "both are given" if path else "neither is given"
        raise MDGenError(f"give either a STRUCTURE file or --sequence ({given}), as in openmm-mdgen simulate pep.pdb")
    if sequence is not None:
        return _built(sequence)
    assert path is not None
    return _read(path, select)


def write_topology(start: Start, path: Path) -> None:
    """Write the built or selected structure, unless another structure already has the name.

    Raises
    ------
    MDGenError
        If a file of this name has other content, or it cannot be written.
    """
    if path.exists() and _coordinates(path.read_text(encoding="utf-8")) != _coordinates(start.pdb):
        raise MDGenError(
            f"{str(path)!r} exists and would be overwritten by the output's topology; choose another -o name or "
            "move the file"
        )
    with replacing(path) as unfinished:
        unfinished.write_text(start.pdb, encoding="utf-8")


def _built(sequence: str) -> Start:
    structure, text = structure_to_pdb(load_structure(build_peptide(sequence)))
    return Start(structure, sequence, pdb=text)


def _read(path: Path, select: str | None) -> Start:
    """The file's atoms, or the selected ones; with a topology of their own where they are not all of the file's."""
    atoms = file_to_atoms(path)
    chosen = select_atoms(atoms, select, "--select")
    structure = file_atoms_to_structure(path, chosen)
    if select is None and len(atoms) == len(atoms.universe.atoms):
        return Start(structure, path.stem, path)
    written, text = structure_to_pdb(structure)
    return Start(written, path.stem, pdb=text)


def _coordinates(text: str) -> list[str]:
    """Lines of a PDB file that hold atoms."""
    return [line for line in text.splitlines() if line.startswith(("ATOM", "HETATM"))]

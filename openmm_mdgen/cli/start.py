"""Where a generated trajectory starts: a file, a selection of its atoms, or a sequence that is built."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from MDAnalysis.coordinates.PDB import PDBWriter
from MDAnalysis.lib.util import NamedStream
from openmm import unit
from openmm.app import PDBFile

from openmm_mdgen.convert.structures import file_to_atoms, load_structure, topology_to_structure
from openmm_mdgen.convert.trajectories import select_atoms
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.peptide.structure import Structure


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
    return Start(load_structure(path), path.stem, path) if select is None else _selected(path, select)


def write_topology(start: Start, path: Path) -> None:
    """Write the built or selected structure, unless another structure already has the name.

    Raises
    ------
    MDGenError
        If a file of this name has other content, or it cannot be written.
    """
    if path.exists() and _coordinates(path.read_text()) != _coordinates(start.pdb):
        raise MDGenError(
            f"{str(path)!r} exists and would be overwritten by the output's topology; choose another -o name or "
            "move the file"
        )
    with replacing(path) as unfinished:
        unfinished.write_text(start.pdb)


def _built(sequence: str) -> Start:
    topology, positions = build_peptide(sequence)
    text = io.StringIO()
    PDBFile.writeFile(topology, positions * unit.angstrom, text)
    return _from_pdb(text.getvalue(), sequence)


def _selected(path: Path, select: str) -> Start:
    atoms = select_atoms(file_to_atoms(path), select, "--select")
    text = io.StringIO()
    stream = NamedStream(text, f"{path.stem}.pdb", reset=False, close=False)
    with PDBWriter(stream, bonds=None, multiframe=False) as writer:
        writer.write(atoms)
    return _from_pdb(text.getvalue(), path.stem)


def _from_pdb(text: str, name: str) -> Start:
    """A start with the positions that its file has, so that frames can be made again from the file."""
    file = PDBFile(io.StringIO(text))
    return Start(topology_to_structure(file.topology, file.positions), name, pdb=text)


def _coordinates(text: str) -> list[str]:
    """Lines of a PDB file that hold atoms."""
    return [line for line in text.splitlines() if line.startswith(("ATOM", "HETATM"))]

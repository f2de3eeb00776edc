"""Edge converters: OpenMM topologies, MDAnalysis atoms and files become a ``Structure``."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from MDAnalysis import AtomGroup, Universe
from openmm import unit
from openmm.app import PDBFile, PDBxFile, Topology

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.peptide import Structure

Source: TypeAlias = "str | PathLike[str] | Universe | AtomGroup | tuple[Topology, Any] | Structure"

_OPENMM_FILES = {".pdb": PDBFile, ".ent": PDBFile, ".cif": PDBxFile, ".mmcif": PDBxFile, ".pdbx": PDBxFile}


def topology_to_structure(topology: Topology, positions: Any) -> Structure:
    """Structure of an OpenMM topology.

    Parameters
    ----------
    topology
        Topology of the peptide.
    positions
        (N, 3) Quantity, or array in nm.
    """
    if unit.is_quantity(positions):
        positions = positions.value_in_unit(unit.nanometer)
    atoms = list(topology.atoms())
    return Structure(
        names=tuple(atom.name for atom in atoms),
        resnames=tuple(atom.residue.name for atom in atoms),
        residues=np.array([atom.residue.index for atom in atoms], dtype=int),
        chains=np.array([atom.residue.chain.index for atom in atoms], dtype=int),
        elements=tuple(atom.element.symbol if atom.element is not None else "" for atom in atoms),
        bonds=tuple((bond.atom1.index, bond.atom2.index) for bond in topology.bonds()),
        positions=np.array(positions, dtype=np.float64).reshape(-1, 3) * 10,
    )


def atomgroup_to_structure(atoms: AtomGroup) -> Structure:
    """Structure of MDAnalysis atoms, in the group's order, with the positions of the current frame (Å)."""
    if not atoms.n_atoms:
        raise MDGenError("the selection has 0 atoms, at least one residue is needed; check the selection string")
    if not hasattr(atoms.universe, "trajectory"):
        raise MDGenError(
            f"{atoms.universe.filename!r} has no coordinates; pass a Universe of topology and coordinates instead"
        )
    if not (hasattr(atoms, "names") and hasattr(atoms, "resnames")):
        raise MDGenError(
            f"{atoms.universe.filename!r} has no atom or residue names; give a topology that has (PDB, GRO, PSF)"
        )
    chains = atoms.chainIDs if hasattr(atoms, "chainIDs") else atoms.segindices
    place = {int(index): row for row, index in enumerate(atoms.indices)}
    pairs = atoms.bonds.indices.tolist() if hasattr(atoms, "bonds") else []
    return Structure(
        names=tuple(map(str, atoms.names)),
        resnames=tuple(map(str, atoms.resnames)),
        residues=np.unique(atoms.resindices, return_inverse=True)[1],
        chains=np.unique(np.asarray(chains).astype(str), return_inverse=True)[1],
        elements=tuple(map(str, atoms.elements)) if hasattr(atoms, "elements") else ("",) * atoms.n_atoms,
        bonds=tuple((place[first], place[second]) for first, second in pairs if first in place and second in place),
        positions=atoms.positions.astype(np.float64),
    )


def load_structure(source: Source) -> Structure:
    """Structure of whatever a user may hold.

    Parameters
    ----------
    source
        Path of a PDB or PDBx/mmCIF file (read by OpenMM) or of any other file with coordinates that MDAnalysis opens;
        a Universe or AtomGroup; a pair (OpenMM Topology, positions); or a Structure, which comes back as it is.

    Raises
    ------
    MDGenError
        If the file is absent or cannot be read, or the source is of none of these kinds.

    Examples
    --------
    >>> structure = load_structure("pep.pdb")
    >>> structure = load_structure(mda.Universe("md.psf", "md.dcd").select_atoms("protein"))
    """
    if isinstance(source, Structure):
        return source
    if isinstance(source, Universe):
        return atomgroup_to_structure(source.atoms)
    if isinstance(source, AtomGroup):
        return atomgroup_to_structure(source)
    if isinstance(source, tuple) and len(source) == 2:
        return topology_to_structure(*source)
    if isinstance(source, str | PathLike):
        return _load_file(Path(source))
    raise MDGenError(
        f"a structure cannot be made of a {type(source).__name__}; give a path, a Universe or "
        "AtomGroup, or (Topology, positions)"
    )


def _load_file(path: Path) -> Structure:
    if not path.is_file():
        raise MDGenError(f"structure file {str(path)!r} does not exist; check the path")
    reader = _OPENMM_FILES.get(path.suffix.lower())
    try:
        if reader is not None:
            file = reader(str(path))
            return topology_to_structure(file.topology, file.getPositions(asNumpy=True))
        universe = Universe(str(path))
    except MDGenError:
        raise
    except Exception as error:  # parsers raise anything; the user needs one line
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MDGenError(
            f"structure file {str(path)!r} cannot be read ({reason}); give a PDB, mmCIF or GRO file"
        ) from error
    return atomgroup_to_structure(universe.atoms)

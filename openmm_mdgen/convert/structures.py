"""Edge converters: OpenMM topologies, MDAnalysis atoms and files become a ``Structure``."""

from __future__ import annotations

import warnings
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from MDAnalysis import AtomGroup, Universe
from openmm import unit
from openmm.app import Topology
from openmm.app.topology import Residue
from scipy.spatial import cKDTree

from openmm_mdgen.convert.attributes import has, texts
from openmm_mdgen.convert.locations import one_location
from openmm_mdgen.convert.mdanalysis import NO_SEGMENT
from openmm_mdgen.convert.mmcif import is_mmcif, mmcif_to_universe
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.naming import atom_to_element
from openmm_mdgen.peptide.structure import Structure, residue_runs

Positions: TypeAlias = "np.ndarray | unit.Quantity"
Source: TypeAlias = "str | PathLike[str] | Universe | AtomGroup | tuple[Topology, Positions] | Structure"

_TEXT = (".pdb", ".ent", ".pqr", ".pdbqt", ".gro", ".crd", ".mol2", ".cif", ".mmcif", ".pdbx")
_DECIMALS = 5  # that their positions have at most: MDAnalysis reads them in single precision
_BOND_ANGSTROM = (0.6, 2.5)  # Å, distance of an atom to its nearest one, in the median


class BuiltPeptide(NamedTuple):
    """A built molecule: topology, and positions (N, 3) in Å. It is a structure wherever one is asked for."""

    topology: Topology
    positions: np.ndarray


def topology_to_structure(topology: Topology, positions: Positions) -> Structure:
    """Structure of an OpenMM topology.

    Parameters
    ----------
    topology
        Topology of the peptide.
    positions
        (N, 3) Quantity, or array in nm. An array in Å is told by the distances between its atoms and taken as such.
    """
    atoms = list(topology.atoms())
    if isinstance(positions, unit.Quantity):
        angstrom = np.array(positions.value_in_unit(unit.angstrom), dtype=np.float64).reshape(-1, 3)
    else:
        plain = np.array(positions, dtype=np.float64).reshape(-1, 3)
        angstrom = plain if _is_in_angstrom(plain) else plain * 10
    return Structure(
        names=tuple(atom.name for atom in atoms),
        resnames=tuple(atom.residue.name for atom in atoms),
        residues=np.array([atom.residue.index for atom in atoms], dtype=int),
        chains=np.array([atom.residue.chain.index for atom in atoms], dtype=int),
        elements=tuple(atom.element.symbol if atom.element is not None else "" for atom in atoms),
        bonds=tuple((bond.atom1.index, bond.atom2.index) for bond in topology.bonds()),
        positions=angstrom,
        numbers=tuple(_number(atom.residue) for atom in atoms),
        icodes=tuple(atom.residue.insertionCode.strip() for atom in atoms),
        chain_ids=tuple(str(atom.residue.chain.id).strip() for atom in atoms),
    )


def _number(residue: Residue) -> int:
    """The residue's own number; its place from 1 where it has none."""
    try:
        return int(residue.id)
    except (TypeError, ValueError):
        return int(residue.index) + 1


def _is_in_angstrom(positions: np.ndarray) -> bool:
    """Whether atoms lie as far from their neighbours as bonds in Å are long, which no bond in nm is."""
    if len(positions) < 2 or not np.isfinite(positions).all():
        return False
    apart = np.median(cKDTree(positions).query(positions, k=2)[0][:, 1])
    return bool(_BOND_ANGSTROM[0] < apart < _BOND_ANGSTROM[1])


def atomgroup_to_structure(atoms: AtomGroup) -> Structure:
    """Structure of MDAnalysis atoms, in the group's order, with the positions of the current frame (Å)."""
    if not atoms.n_atoms:
        raise MDGenError("the selection has 0 atoms, at least one residue is needed; check the selection string")
    if not has(atoms.universe, "trajectory"):
        raise MDGenError(
            f"{atoms.universe.filename!r} has no coordinates; pass a Universe of topology and coordinates instead, "
            "or a file with both, such as PDB or GRO"
        )
    if not has(atoms, "names", "resnames"):
        raise MDGenError(
            f"{atoms.universe.filename!r} has no atom or residue names; give a topology that has (PDB, GRO, PSF)"
        )
    chains = atoms.chainIDs if has(atoms, "chainIDs") else atoms.segindices
    place = {int(index): row for row, index in enumerate(atoms.indices)}
    pairs = atoms.bonds.indices.tolist() if has(atoms, "bonds") else []
    names, elements = texts(atoms, "names"), texts(atoms, "elements")
    resnames, icodes, chain_ids = texts(atoms, "resnames"), texts(atoms, "icodes"), texts(atoms, "chainIDs")
    numbers = tuple(map(int, atoms.resids if has(atoms, "resids") else atoms.resindices + 1))
    segids = tuple("" if segid == NO_SEGMENT else segid for segid in texts(atoms, "segids"))
    hydrogen = [atom_to_element(*pair) == "H" for pair in zip(names, elements, strict=True)]
    altlocs = texts(atoms, "altLocs")
    located = [name + altloc for name, altloc in zip(names, altlocs, strict=True)]
    keys = list(zip(segids, chain_ids, numbers, icodes, resnames, strict=True))
    return Structure(
        names=names,
        resnames=resnames,
        residues=residue_runs(keys, atoms.resindices.tolist(), located, hydrogen),
        chains=np.unique(np.asarray(chains).astype(str), return_inverse=True)[1],
        elements=elements,
        bonds=tuple((place[first], place[second]) for first, second in pairs if first in place and second in place),
        positions=atoms.positions.astype(np.float64),
        numbers=numbers,
        icodes=icodes,
        chain_ids=chain_ids,
        segids=segids,
        altlocs=altlocs,
    )


def load_structure(source: Source) -> Structure:
    """Structure of whatever a user may hold.

    Parameters
    ----------
    source
        Path of an mmCIF file, or of any other with coordinates that MDAnalysis opens; a Universe or AtomGroup; a pair
        (OpenMM Topology, positions), such as `build_peptide` returns; or a Structure, which comes back as it is.

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
    if isinstance(source, Universe | AtomGroup):
        return atomgroup_to_structure(one_location(source.atoms))
    if isinstance(source, BuiltPeptide):
        return topology_to_structure(source.topology, source.positions * unit.angstrom)
    if isinstance(source, tuple) and len(source) == 2:
        return topology_to_structure(*source)
    if isinstance(source, str | PathLike):
        return _load_file(Path(source))
    raise MDGenError(
        f"a structure cannot be made of a {type(source).__name__}; give a path, a Universe or "
        "AtomGroup, or (Topology, positions)"
    )


def open_universe(topology: str | PathLike[str], trajectory: str | PathLike[str] | None = None) -> Universe:
    """MDAnalysis' Universe of files, for mmCIF files too; raises whatever their readers raise."""
    if not is_mmcif(Path(topology)):
        return Universe(str(topology)) if trajectory is None else Universe(str(topology), str(trajectory))
    universe = mmcif_to_universe(Path(topology))
    if trajectory is not None and not is_mmcif(Path(trajectory)):
        universe.load_new(str(trajectory))
    return universe


def file_to_atoms(path: Path) -> AtomGroup:
    """The atoms of a file under the names and numbers that it has, one location of each.

    mmCIF files are read here, all others by MDAnalysis, whose own warnings about formats are left out.

    Raises
    ------
    MDGenError
        If the file is absent or cannot be read.

    Warns
    -----
    MDGenWarning
        Where second locations are left out.
    """
    if not path.is_file():
        raise MDGenError(f"structure file {str(path)!r} does not exist; check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            universe = open_universe(path)
    except MDGenError:
        raise
    except Exception as error:  # parsers raise anything; the user needs one line
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MDGenError(
            f"structure file {str(path)!r} cannot be read ({reason}); give a PDB, mmCIF or GRO file"
        ) from error
    return one_location(universe.atoms)


def _load_file(path: Path) -> Structure:
    return file_atoms_to_structure(path, file_to_atoms(path))


def file_atoms_to_structure(path: Path, atoms: AtomGroup) -> Structure:
    """Structure of what `file_to_atoms` gave for a file; positions of text are those that the text says."""
    structure = atomgroup_to_structure(atoms)
    is_text = path.name.lower().removesuffix(".gz").endswith(_TEXT)
    return replace(structure, positions=structure.positions.round(_DECIMALS)) if is_text else structure

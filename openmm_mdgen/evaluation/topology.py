"""What the scores need to know of a peptide: heavy atoms, bonds, torsions, the atoms of each check."""

from __future__ import annotations

from dataclasses import dataclass

import MDAnalysis as mda
import numpy as np

from openmm_mdgen.convert.bonds import bonds_by_distance
from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.torsions import Torsion, torsions_of
from openmm_mdgen.peptide.chain import is_hydrogen, name_residues
from openmm_mdgen.peptide.residues import CAPS, residue_to_canonical


@dataclass(frozen=True)
class Topology:
    """The heavy atoms of one chain and the index lists of every check; N atoms, all indices count heavy atoms.

    Attributes
    ----------
    names, resnames : tuple of str
        Per atom, in Amber names.
    residues : (N,) int ndarray
        Residue index from 0.
    sequence : tuple of str
        Residue names, caps included.
    bonds : (B, 2) int ndarray
    bond_lengths : (B,) ndarray
        Å, that bonds should have: in the reference structure, or the reference's mean.
    peptide_bonds : (P, 4) int ndarray
        CA, C, N, CA of neighbouring residues (CH3 of caps stands for CA).
    chiral : (C, 4) int ndarray
        CA, N, C, CB of every residue but glycine.
    alphas : (A,) int ndarray
        C-alpha atoms.
    torsions : tuple of Torsion
    """

    names: tuple[str, ...]
    resnames: tuple[str, ...]
    residues: np.ndarray
    sequence: tuple[str, ...]
    bonds: np.ndarray
    bond_lengths: np.ndarray
    peptide_bonds: np.ndarray
    chiral: np.ndarray
    alphas: np.ndarray
    torsions: tuple[Torsion, ...]

    @property
    def n_atoms(self) -> int:
        return len(self.names)


def heavy_atoms(atoms: mda.AtomGroup) -> mda.AtomGroup:
    """The atoms that are not hydrogens, in the same order.

    Raises
    ------
    MDGenError
        When residues are present that are neither amino acids nor caps.
    """
    foreign = sorted({name for name in set(atoms.residues.resnames) if residue_to_canonical(name) is None})
    if foreign:
        n = sum(name in foreign for name in atoms.residues.resnames)
        raise MDGenError(
            f"{n} residues are not amino acids ({', '.join(foreign[:5])}); "
            "leave them out with select='protein' (--select protein)"
        )
    return atoms[~is_hydrogen(atomgroup_to_structure(atoms))]


def heavy_slots(atoms: mda.AtomGroup) -> list[tuple[int, str, str]]:
    """Residue index from 0 along the file, residue type and canonical name of each of the heavy atoms."""
    slots = [(-1, "", "")] * len(atoms)
    for index, residue in enumerate(name_residues(atomgroup_to_structure(atoms))):
        for name, atom in residue.atoms.items():
            slots[atom] = (index, residue.type, name)
    return slots


def topology_of(atoms: mda.AtomGroup, positions: np.ndarray | None = None) -> Topology:
    """Describe the heavy atoms of one chain.

    Parameters
    ----------
    atoms : AtomGroup
        Heavy atoms, as `heavy_atoms` returns them.
    positions : (N, 3) ndarray, optional
        Å, the structure that bonds and their lengths are read from; the group's own by default.
    """
    xyz = np.asarray(atoms.positions if positions is None else positions, float)
    slots = heavy_slots(atoms)
    residues = np.array([index for index, _, _ in slots])
    resnames, names = tuple(kind for _, kind, _ in slots), tuple(name for _, _, name in slots)
    index = {(residue, name): place for place, (residue, _, name) in enumerate(slots)}
    sequence = tuple({residue: kind for residue, kind, _ in sorted(slots)}.values())
    bonds = bonds_by_distance(xyz, np.array([n.lstrip("0123456789")[:1] for n in names]))
    return Topology(
        names=names,
        resnames=resnames,
        residues=residues,
        sequence=sequence,
        bonds=bonds,
        bond_lengths=np.linalg.norm(xyz[bonds[:, 0]] - xyz[bonds[:, 1]], axis=-1),
        peptide_bonds=_peptide_bonds(index, sequence),
        chiral=_table([[index.get((i, n)) for n in ("CA", "N", "C", "CB")] for i in range(len(sequence))], 4),
        alphas=np.array([i for i, n in enumerate(names) if n == "CA"], int),
        torsions=tuple(torsions_of(index, sequence)),
    )


def _table(rows: list[list[int | None]], width: int) -> np.ndarray:
    """The rows without a missing atom, (n, width) int."""
    return np.array([r for r in rows if None not in r], int).reshape(-1, width)


def _peptide_bonds(index: dict[tuple[int, str], int], sequence: tuple[str, ...]) -> np.ndarray:
    """(P, 4) atoms CA, C, N, CA of each peptide bond."""

    def alpha(i: int) -> int | None:
        candidates = ("CA", "CH3", "C") if sequence[i] in CAPS else ("CA",)
        return next((index[i, n] for n in candidates if (i, n) in index), None)

    rows = [[alpha(i), index.get((i, "C")), index.get((i + 1, "N")), alpha(i + 1)] for i in range(len(sequence) - 1)]
    return _table(rows, 4)

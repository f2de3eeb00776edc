"""What the scores need to know of a peptide: heavy atoms, bonds, torsions, the atoms of each check."""

from __future__ import annotations

from dataclasses import dataclass

import MDAnalysis as mda
import numpy as np

from openmm_mdgen.convert.bonds import bonds_by_distance
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.torsions import CANONICAL_RESIDUES, CHI, Torsion, canonical_atom, torsions_of

CAPS = frozenset({"ACE", "NME", "NMA", "NH2", "NHE"})
_NO_CHI = frozenset({"ALA", "GLY"})


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


def is_hydrogen(atom: mda.core.groups.Atom) -> bool:
    """Whether an atom is a hydrogen, by its element or else by its name."""
    element = getattr(atom, "element", "")
    return (element or atom.name.lstrip("0123456789")[:1]).upper() in ("H", "D")


def heavy_atoms(atoms: mda.AtomGroup) -> mda.AtomGroup:
    """The atoms that are not hydrogens, in the same order.

    Raises
    ------
    MDGenError
        When residues are present that are neither amino acids nor caps.
    """
    known = set(CANONICAL_RESIDUES) | set(CHI) | CAPS | _NO_CHI
    foreign = sorted({r.resname for r in atoms.residues} - known)
    if foreign:
        n = sum(r.resname in foreign for r in atoms.residues)
        raise MDGenError(
            f"{n} residues are not amino acids ({', '.join(foreign[:5])}); "
            "leave them out with select='protein' (--select protein)"
        )
    return atoms[[not is_hydrogen(a) for a in atoms]]


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
    order = {r.ix: i for i, r in enumerate(atoms.residues)}
    residues = np.array([order[r] for r in atoms.resindices])
    resnames = tuple(CANONICAL_RESIDUES.get(n, n) for n in atoms.resnames)
    names = tuple(canonical_atom(r, n) for r, n in zip(resnames, atoms.names, strict=True))
    index = {(int(r), n): i for i, (r, n) in enumerate(zip(residues, names, strict=True))}
    sequence = tuple(r.resname for r in atoms.residues)
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

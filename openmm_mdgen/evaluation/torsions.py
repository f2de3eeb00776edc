"""Torsion angles phi, psi and chi of a peptide, neighbours and caps included; radians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from MDAnalysis.lib.distances import calc_dihedrals

from openmm_mdgen.geometry.sidechains import RESIDUES, chi_atoms
from openmm_mdgen.peptide.residues import residue_to_canonical

CHI = {name: tuple(" ".join(atoms) for atoms in chi_atoms(name)) for name in RESIDUES if chi_atoms(name)}
"""Atoms of chi1, chi2, ... per residue."""

BACKBONE = ("phi", "psi")


@dataclass(frozen=True)
class Torsion:
    """One torsion angle: its kind (``phi``, ``psi``, ``chi1`` ...), residue index and name, and four atom indices."""

    kind: str
    residue: int
    resname: str
    atoms: tuple[int, int, int, int]

    @property
    def backbone(self) -> bool:
        return self.kind in BACKBONE

    @property
    def label(self) -> str:
        """Such as ``phi VAL2``; residues count from 1."""
        return f"{self.kind} {self.resname}{self.residue + 1}"


def torsions_of(index: Mapping[tuple[int, str], int], sequence: Sequence[str]) -> list[Torsion]:
    """The torsions of a chain in order of residues: phi, psi, then chi.

    Parameters
    ----------
    index : mapping
        (residue index, atom name) to atom index.
    sequence : sequence of str
        Residue names, caps included; a cap lends its C or N to its neighbour and has no torsions of its own.
    """
    found = []
    for i, resname in enumerate(sequence):
        own = [(i, n) for n in ("N", "CA", "C")]
        if any(a not in index for a in own):
            continue
        name = residue_to_canonical(resname) or resname
        wanted = [("phi", resname, [(i - 1, "C"), *own]), ("psi", resname, [*own, (i + 1, "N")])]
        wanted += [(f"chi{k + 1}", name, [(i, n) for n in c.split()]) for k, c in enumerate(CHI.get(name, ()))]
        for kind, label, atoms in wanted:
            if all(a in index for a in atoms):
                a, b, c, d = (index[x] for x in atoms)
                found.append(Torsion(kind, i, label, (a, b, c, d)))
    return found


def torsion_angles(positions: np.ndarray, torsions: Sequence[Torsion]) -> np.ndarray:
    """Angles of torsions in every frame.

    Parameters
    ----------
    positions : (..., N, 3) ndarray
        Å.
    torsions : sequence of Torsion, length K

    Returns
    -------
    (..., K) float32 ndarray
        Radians in [-pi, pi].

    Examples
    --------
    >>> angles = torsion_angles(positions, topology.torsions)    # (R, T, N, 3) -> (R, T, K)
    """
    quads = np.array([t.atoms for t in torsions], int).reshape(-1, 4)
    shape = (*positions.shape[:-2], len(quads))
    if 0 in shape:
        return np.zeros(shape, np.float32)
    corners = [np.ascontiguousarray(positions[..., quads[:, k], :].reshape(-1, 3)) for k in range(4)]
    out: np.ndarray = calc_dihedrals(*corners).reshape(shape).astype(np.float32)
    return out


def backbone_pairs(torsions: Sequence[Torsion]) -> list[tuple[int, int]]:
    """Positions in the list of phi and psi of every residue that has both."""
    place = {(t.kind, t.residue): k for k, t in enumerate(torsions)}
    return [(k, place["psi", r]) for (kind, r), k in place.items() if kind == "phi" and ("psi", r) in place]

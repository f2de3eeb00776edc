"""Atoms of one peptide and its bonds, as all that moves them needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """What is told once of the atoms that move.

    Attributes
    ----------
    residue_types : sequence of str
        Canonical names, caps as residues of their own.
    heavy : mapping (residue, atom name) -> int
        Index of every heavy atom.
    hydrogens : mapping int -> int
        Index of each hydrogen -> index of its heavy atom.
    bonds : sequence of (int, int)
        Between heavy atoms.
    n_atoms : int
        N, of all atoms.
    """

    residue_types: Sequence[str]
    heavy: Mapping[tuple[int, str], int]
    hydrogens: Mapping[int, int]
    bonds: Sequence[tuple[int, int]]
    n_atoms: int

    @cached_property
    def elements(self) -> list[str]:
        """Of all atoms."""
        out = ["H"] * self.n_atoms
        for (_, name), atom in self.heavy.items():
            out[atom] = name[0]
        return out

    @cached_property
    def rank(self) -> dict[int, int]:
        """Place of each heavy atom in an order that does not depend on the user's."""
        return {atom: place for place, atom in enumerate(self.heavy.values())}

    @cached_property
    def bonded(self) -> np.ndarray:
        """(N, N) bool: bonds of all atoms, and each with itself."""
        out = np.eye(self.n_atoms, dtype=bool)
        for a, b in (*self.bonds, *self.hydrogens.items()):
            out[a, b] = out[b, a] = True
        return out

    def within(self, n_bonds: int) -> np.ndarray:
        """(N, N) bool: at most so many bonds apart."""
        return np.linalg.matrix_power(self.bonded.astype(int), n_bonds) > 0

"""Hydrogens placed from heavy atoms, as they stood in a reference structure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np


class HydrogenPlacer:
    """Local coordinates of every hydrogen in a frame of three heavy atoms.

    The frame lies at the hydrogen's heavy atom. Where that has two heavy neighbours, their bisector is its first axis;
    else the bond to its only neighbour is, and a neighbour of that spans the plane. Bond lengths and angles are the
    reference's, and hydrogens that turn about a bond (methyl, hydroxyl, ammonium) keep the reference's torsion.

    Parameters
    ----------
    hydrogens : mapping int -> int
        Index of each hydrogen -> index of its heavy atom.
    bonds : iterable of (int, int)
        Bonds between heavy atoms.
    reference : numpy.ndarray
        (N, 3) Å.

    Examples
    --------
    >>> placer = HydrogenPlacer(peptide.hydrogens, bonds, structure.positions)
    >>> positions[placer.atoms] = placer.place(positions)
    """

    def __init__(self, hydrogens: Mapping[int, int], bonds: Iterable[tuple[int, int]], reference: np.ndarray) -> None:
        self.atoms = np.array(list(hydrogens), dtype=int)
        self._frames = _frame_atoms(hydrogens, bonds)
        axes, origins = self._axes(np.asarray(reference, dtype=np.float64))
        self._local = np.einsum("hji,hj->hi", axes, reference[self.atoms] - origins)

    def place(self, positions: np.ndarray) -> np.ndarray:
        """(N, 3) Å with heavy atoms in place -> (H, 3) Å of `atoms`."""
        axes, origins = self._axes(np.asarray(positions, dtype=np.float64))
        return origins + np.einsum("hij,hj->hi", axes, self._local)

    def _axes(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(H, 3, 3) axes as columns, (H, 3) origins."""
        parent, first, second = (positions[column] for column in self._frames.T[:3])
        u = _unit(parent - first)
        bisector = _unit(u + _unit(parent - second))
        x = np.where(self._frames[:, 3:], bisector, u)
        z = _unit(np.cross(parent - first, parent - second))
        return np.stack((x, np.cross(z, x), z), axis=-1), parent


def _frame_atoms(hydrogens: Mapping[int, int], bonds: Iterable[tuple[int, int]]) -> np.ndarray:
    """(H, 4): heavy atom, two more atoms, and whether both are its neighbours."""
    near: dict[int, list[int]] = defaultdict(list)
    for one, other in sorted(tuple(sorted(pair)) for pair in bonds):
        near[one].append(other)
        near[other].append(one)
    rows = []
    for parent in hydrogens.values():
        neighbours = near[parent]
        if len(neighbours) > 1:
            rows.append((parent, neighbours[0], neighbours[1], 1))
        else:
            beyond = next(atom for atom in near[neighbours[0]] if atom != parent)
            rows.append((parent, neighbours[0], beyond, 0))
    return np.array(rows, dtype=int).reshape(-1, 4)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)

"""Which heavy atoms tell where a hydrogen is, and hydrogens placed by them as they stood in a reference structure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from openmm_mdgen.geometry.frames import unit


@dataclass(frozen=True)
class HydrogenReference:
    """The heavy atoms that a hydrogen is placed by.

    Attributes
    ----------
    atom, parent : int
        The hydrogen, and the heavy atom that it is bonded to.
    first, second : int
        Two neighbours of the parent, or, where it has only one (`at_end`), that one and a neighbour of it.
    """

    atom: int
    parent: int
    first: int
    second: int
    at_end: bool


def hydrogen_references(
    hydrogens: Mapping[int, int], bonds: Iterable[tuple[int, int]], rank: Mapping[int, int] | None = None
) -> list[HydrogenReference]:
    """The reference atoms of every hydrogen.

    Parameters
    ----------
    hydrogens : mapping int -> int
        Index of each hydrogen -> index of its heavy atom.
    bonds : iterable of (int, int)
        Between heavy atoms.
    rank : mapping int -> int, optional
        Neighbours of lower rank are preferred; their indices by default.
    """
    near: dict[int, list[int]] = defaultdict(list)
    for one, other in bonds:
        near[one].append(other)
        near[other].append(one)
    for neighbours in near.values():
        neighbours.sort(key=None if rank is None else rank.__getitem__)
    found = []
    for atom, parent in hydrogens.items():
        first, *others = near[parent]
        second = others[0] if others else next(x for x in near[first] if x != parent)
        found.append(HydrogenReference(atom, parent, first, second, not others))
    return found


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
    rank : mapping int -> int, optional
        As for `hydrogen_references`.

    Examples
    --------
    >>> placer = HydrogenPlacer(peptide.hydrogens, bonds, structure.positions)
    >>> positions[placer.atoms] = placer.place(positions)
    """

    def __init__(
        self,
        hydrogens: Mapping[int, int],
        bonds: Iterable[tuple[int, int]],
        reference: np.ndarray,
        rank: Mapping[int, int] | None = None,
    ) -> None:
        self.atoms = np.array(list(hydrogens), dtype=int)
        found = hydrogen_references(hydrogens, bonds, rank)
        self._frames = np.array([(r.parent, r.first, r.second) for r in found], dtype=int).reshape(-1, 3)
        self._at_end = np.array([r.at_end for r in found], dtype=bool)[:, None]
        axes, origins = self._axes(np.asarray(reference, dtype=np.float64))
        self._local = np.einsum("hji,hj->hi", axes, reference[self.atoms] - origins)

    def place(self, positions: np.ndarray) -> np.ndarray:
        """(N, 3) Å with heavy atoms in place -> (H, 3) Å of `atoms`."""
        axes, origins = self._axes(np.asarray(positions, dtype=np.float64))
        out: np.ndarray = origins + np.einsum("hij,hj->hi", axes, self._local)
        return out

    def _axes(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(H, 3, 3) axes as columns, (H, 3) origins."""
        parent, first, second = (positions[column] for column in self._frames.T)
        u = unit(parent - first)
        bisector = unit(u + unit(parent - second))
        x = np.where(self._at_end, u, bisector)
        z = unit(np.cross(parent - first, parent - second))
        return np.stack((x, np.cross(z, x), z), axis=-1), parent

"""Local frames and internal coordinates of atoms, each by two bonded atoms that go before it: knows no proteins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openmm_mdgen.geometry.arrays import Array, cross, library
from openmm_mdgen.geometry.frames import bond_angle, bond_length, dihedral, place_atom, unit


@dataclass(frozen=True)
class References:
    """For each atom the two atoms that its place is told by.

    Attributes
    ----------
    heavy
        (H, 3) indices: an atom, a neighbour, and a neighbour of that.
    hydrogens
        (K, 4) indices: a hydrogen, its heavy atom, a neighbour of that, and a third atom for the torsion.
    leaders
        (K,) row of the first hydrogen on the same heavy atom: these turn together.
    rest
        (R,) indices of the atoms with too few neighbours for either.
    """

    heavy: np.ndarray
    hydrogens: np.ndarray
    leaders: np.ndarray
    rest: np.ndarray


def bonds_to_references(bonds: np.ndarray, symbols: np.ndarray) -> References:
    """Choose reference atoms along the bonds.

    Parameters
    ----------
    bonds
        (B, 2) indices.
    symbols
        (N,) element symbols.
    """
    neighbours: list[list[int]] = [[] for _ in symbols]
    for first, second in bonds.tolist():
        neighbours[first].append(second)
        neighbours[second].append(first)
    heavy_neighbours = [[j for j in sorted(near) if symbols[j] != "H"] for near in neighbours]
    heavy, hydrogens, rest = [], [], []
    for atom, near in enumerate(heavy_neighbours):
        path = _path(atom, near, heavy_neighbours)
        if symbols[atom] != "H" and path is not None:
            heavy.append((atom, *path))
        elif symbols[atom] == "H" and near and (path := _path(near[0], heavy_neighbours[near[0]], heavy_neighbours)):
            hydrogens.append((atom, near[0], *path))
        else:
            rest.append(atom)
    parents = [row[1] for row in hydrogens]
    return References(
        heavy=np.array(heavy, dtype=int).reshape(-1, 3),
        hydrogens=np.array(hydrogens, dtype=int).reshape(-1, 4),
        leaders=np.array([parents.index(parent) for parent in parents], dtype=int),
        rest=np.array(rest, dtype=int),
    )


def _path(atom: int, near: list[int], heavy_neighbours: list[list[int]]) -> tuple[int, int] | None:
    """A heavy neighbour and another atom that is bonded to it or to `atom`; None if there are none."""
    for first in near:
        beyond = [j for j in heavy_neighbours[first] if j != atom]
        if beyond:
            return first, beyond[0]
    return (near[0], near[1]) if len(near) > 1 else None


def local_frames(positions: Array, triples: np.ndarray) -> Array:
    """Axes at atoms: along the bond to the second, in the plane of the third, and across.

    Parameters
    ----------
    positions
        (..., N, 3) Å.
    triples
        (H, 3) indices.

    Returns
    -------
    array
        (..., H, 3, 3) with the axes as rows.
    """
    origin, along, plane = (positions[..., triples[:, k], :] for k in range(3))
    first = unit(along - origin)
    across = unit(cross(first, plane - origin))
    out: Array = library(positions).stack([first, cross(across, first), across], -2)
    return out


def positions_to_internal(positions: Array, quads: np.ndarray) -> Array:
    """Length, angle, torsion of the first atom of each quadruple: (..., N, 3) Å, (K, 4) -> (..., K, 3) Å, radians."""
    atom, parent, second, third = (positions[..., quads[:, k], :] for k in range(4))
    values = bond_length(parent, atom), bond_angle(second, parent, atom), dihedral(third, second, parent, atom)
    out: Array = library(positions).stack(values, -1)
    return out


def internal_to_positions(internal: Array, positions: Array, quads: np.ndarray) -> Array:
    """Inverse of `positions_to_internal`: places of the first atoms, from those of the others: (..., K, 3) Å."""
    parent, second, third = (positions[..., quads[:, k], :] for k in (1, 2, 3))
    length, angle, torsion = internal[..., 0], internal[..., 1], internal[..., 2]
    return place_atom(third, second, parent, length, angle, torsion)

"""Side chains and carbonyls that move: lengths and angles that a model holds fixed, drawn as they are in MD.

Atoms beyond CA are placed by bond lengths, angles and, between atoms on one centre, differences of torsions; hydrogens
among them have rigid bonds. Those of a side chain share a quadratic energy of bonds, angles, planes, ring torsions and
rotors about that of a reference, with force constants as in Amber force fields; a draw from it is added to what a frame
has. Torsions of the backbone and chi angles stay. Proline's ring is left as it is, and contacts are not known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openmm_mdgen.geometry.bonded import Group, Placement, groups_of, terms
from openmm_mdgen.geometry.frames import bond_angle, bond_length, dihedral, place_atom
from openmm_mdgen.geometry.skeleton import Skeleton

_BOLTZMANN = 8.314462618e-3  # kJ/mol/K
_DIFFERENCE = 1e-4
_LOOSEST = 1.0  # kJ/mol per square of a coordinate, where no term holds it


class HeavyMotion:
    """Draws lengths and angles of heavy atoms about those of given frames; torsions that a model generates stay.

    Parameters
    ----------
    skeleton : Skeleton
    reference : (N, 3) ndarray
        Å, whose lengths and angles are the equilibrium ones.
    temperature : float
        K.

    Attributes
    ----------
    atoms : (n,) ndarray
        Those that move.
    groups : list of (n,) ndarray
        The same, by what moves together.

    Examples
    --------
    >>> motion = HeavyMotion(skeleton, positions, 350.0)
    >>> warm = motion.moved(frames, seed=7)
    """

    def __init__(
        self,
        skeleton: Skeleton,
        reference: np.ndarray,
        temperature: float,
    ) -> None:
        reference = np.asarray(reference, np.float64)
        groups = groups_of(skeleton)
        placements = [p for group in groups for p in group.placements]
        self.atoms = np.array([p.atom for p in placements], int)
        self.groups = [np.array([p.atom for p in group.placements], int) for group in groups]
        self._draws: list[tuple[np.ndarray, np.ndarray]] = []  # rows of the flattened draws, factor
        first = 0
        for group in groups:
            free = np.array([p.free for p in group.placements]).ravel()
            factor = _factor(group, free, skeleton.elements, reference, _BOLTZMANN * temperature)
            self._draws.append((first + np.flatnonzero(free), factor))
            first += len(free)
        self._size = first
        self._layers = _layers(placements)

    def moved(self, frames: np.ndarray, seed: int | tuple[int, ...]) -> np.ndarray:
        """Frames (F, N, 3) Å -> the same with other lengths and angles; a function of frames and seed."""
        return self.parts_moved(frames, [len(frames)], [seed])

    def parts_moved(
        self, frames: np.ndarray, sizes: Sequence[int], seeds: Sequence[int | tuple[int, ...]]
    ) -> np.ndarray:
        """As `moved`, of frames (F, N, 3) Å in parts of these sizes, each with a seed of its own."""
        out = np.array(frames, np.float64)
        if not len(self.atoms):
            return out
        keys = [(*np.atleast_1d(seed).tolist(), 1) for seed in seeds]
        noise = np.concatenate(
            [np.random.default_rng(k).standard_normal((self._size, n)) for k, n in zip(keys, sizes, strict=True)], 1
        )
        draws = np.zeros((self._size, len(out)))
        for rows, factor in self._draws:
            draws[rows] = factor @ noise[rows]
        shifts = draws.reshape(-1, 3, len(out))
        old = np.ascontiguousarray(out.transpose(1, 2, 0))  # (N, 3, F), so that rows are fast
        new = old.copy()
        for atoms, (a, b, c), places in self._layers:
            polar = _polar(old[a], old[b], old[c], old[atoms]) + shifts[places].swapaxes(0, 1)
            new[atoms] = _placed(new[a], new[b], new[c], *polar)
        out[:, self.atoms] = new[self.atoms].transpose(2, 0, 1)
        return out


# their energy --------------------------------------------------------------------------------------------------------


def _factor(group: Group, free: np.ndarray, elements: Sequence[str], reference: np.ndarray, kt: float) -> np.ndarray:
    """(n, n) factor of the covariance of a group's free coordinates."""
    numbers = np.flatnonzero(free)
    shifts = np.concatenate((np.eye(len(free))[numbers], -np.eye(len(free))[numbers])) * _DIFFERENCE
    built = _built(group, shifts.reshape(len(shifts), -1, 3), reference)
    values, weights = terms(group, elements, reference, built)
    ahead, behind = np.split(values, 2)
    slopes = (np.angle(np.exp(1j * (ahead - behind))) / (2 * _DIFFERENCE)).T  # differences are small: lengths as well
    stiffness = slopes.T @ (weights[:, None] * slopes) + _LOOSEST * np.eye(len(numbers))
    return np.asarray(np.linalg.cholesky(kt * np.linalg.inv(stiffness)))


def _built(group: Group, shifts: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Positions (S, N, 3) with coordinates shifted by (S, atoms of the group, 3)."""
    out = np.repeat(reference[None], len(shifts), 0)
    for k, p in enumerate(group.placements):
        a, b, c = (reference[i] for i in p.abc)
        atom = reference[p.atom]
        start = np.array([bond_length(c, atom), bond_angle(b, c, atom), dihedral(a, b, c, atom)])
        length, angle, torsion = (start + shifts[:, k]).T
        out[:, p.atom] = place_atom(out[:, p.abc[0]], out[:, p.abc[1]], out[:, p.abc[2]], length, angle, torsion)
    return out


# placing -------------------------------------------------------------------------------------------------------------


def _layers(placements: Sequence[Placement]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Atoms (K,), their references (3, K) and their places among all, for atoms that can be placed at once."""
    depth: dict[int, int] = {}
    for p in placements:
        depth[p.atom] = 1 + max(depth.get(k, 0) for k in p.abc)
    out = []
    for level in range(1, 1 + max(depth.values(), default=0)):
        places = [k for k, p in enumerate(placements) if depth[p.atom] == level]
        atoms = np.array([placements[k].atom for k in places])
        out.append((atoms, np.array([placements[k].abc for k in places]).T, np.array(places)))
    return out


def _polar(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Length c-d, angle b-c-d and torsion a-b-c-d (3, K, F) of points (K, 3, F).

    With axes in this order it is several times as fast as `geometry.frames`.
    """
    u, v, w = b - a, c - b, d - c
    first, second = _cross(u, v), _cross(v, w)
    along = np.sqrt(_dot(v, v))
    torsion = np.arctan2(_dot(_cross(first, second), v) / along, _dot(first, second))
    return np.stack((np.sqrt(_dot(w, w)), np.arctan2(np.sqrt(_dot(second, second)), -_dot(v, w)), torsion))


def _placed(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, length: np.ndarray, angle: np.ndarray, torsion: np.ndarray
) -> np.ndarray:
    """The points d (K, 3, F) of lengths, angles and torsions (K, F), see `_polar`."""
    axis = c - b
    axis = axis / np.sqrt(_dot(axis, axis))[:, None]
    normal = _cross(b - a, axis)
    normal = normal / np.sqrt(_dot(normal, normal))[:, None]
    along, across = -length * np.cos(angle), length * np.sin(angle)
    sideways = (across * np.cos(torsion))[:, None] * _cross(normal, axis)
    out: np.ndarray = c + along[:, None] * axis + sideways + (across * np.sin(torsion))[:, None] * normal
    return out


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(K, 3, F)."""
    out = np.empty_like(a)
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.subtract(a[:, y] * b[:, z], a[:, z] * b[:, y], out=out[:, x])
    return out


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(K, 3, F) -> (K, F)."""
    out: np.ndarray = np.einsum("kxf,kxf->kf", a, b)
    return out

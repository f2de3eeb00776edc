"""Hydrogens that move: bends and rotors drawn from the thermal distribution about where they were placed.

Every hydrogen has two degrees of freedom beside its rigid bond. Those on one heavy atom share a quadratic energy of
bond angles, of planes, and of the turn about the bond, with force constants as in Amber force fields. Contacts are not
known to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

_BOLTZMANN = 8.314462618e-3  # kJ/mol/K
_BEND = {"C": 418.4, "N": 418.4, "O": 460.2, "S": 359.8}  # kJ/mol/rad², hydrogen, this atom, heavy atom
SCISSOR = 292.9  # kJ/mol/rad², hydrogen, atom, hydrogen
_PLANE = {"N": 130.0, "C": 340.0}  # kJ/mol/rad² of the angle out of the plane
ROTOR = {("C", "C"): 54.0, ("N", "C"): 54.0, ("C", "S"): 38.0, ("C", "N"): 8.0, ("O", "C"): 20.0, ("S", "C"): 28.0}
_TO_CARBONYL = 15.0  # a methyl or hydroxyl on a planar carbon
_PLANAR = 0.2  # height over the neighbours' plane, as a share of the bond, below which an atom is planar
_WIDEST_TURN = np.deg2rad(55.0)  # of a rotor, within its well
_DIFFERENCE = 1e-4


class HydrogenMotion:
    """Draws directions of hydrogens about those in given frames; lengths and heavy atoms stay to the last bit.

    Parameters
    ----------
    hydrogens : mapping int -> int
        Index of each hydrogen -> index of its heavy atom.
    bonds : iterable of (int, int)
        Between heavy atoms.
    rank : mapping int -> int
        Place of each heavy atom in an order that does not depend on the user's.
    elements : sequence of str
        Of all atoms.
    reference : (N, 3) ndarray
        Å, whose angles are the equilibrium ones.
    temperature : float
        K.

    Examples
    --------
    >>> motion = HydrogenMotion(peptide.hydrogens, bonds, rank, elements, positions, 350.0)
    >>> warm = motion.moved(frames, seed=7)
    """

    def __init__(
        self,
        hydrogens: Mapping[int, int],
        bonds: Iterable[tuple[int, int]],
        rank: Mapping[int, int],
        elements: list[str],
        reference: np.ndarray,
        temperature: float,
    ) -> None:
        reference = np.asarray(reference, np.float64)
        near = _neighbours(bonds, rank)
        groups = _groups(hydrogens, near, rank, reference)
        self.groups = [np.array(group, int) for group in groups.values()]
        self.atoms = np.array([h for group in groups.values() for h in group], int)
        self._parents = np.array([p for p, group in groups.items() for _ in group], int)
        self._axes = np.array([near[p][0] for p, group in groups.items() for _ in group], int)
        self._group = np.repeat(np.arange(len(groups)), [len(g) for g in groups.values()])
        self._factors: list[tuple[np.ndarray, np.ndarray]] = []  # places of the hydrogens, (2n, 2n) factor
        self._polar_sine = np.ones(len(self.atoms))
        first = 0
        for parent, group in groups.items():
            places = np.arange(first, first + len(group))
            stiffness, sine = _group_stiffness(parent, group, near, elements, reference)
            covariance = _BOLTZMANN * temperature * np.linalg.inv(stiffness)
            self._factors.append((places, np.linalg.cholesky(covariance)))
            self._polar_sine[places] = sine
            first += len(group)
        rotor = [len(near[p]) == 1 for p in groups]
        self._turns = np.array(rotor, float)
        self._sizes = np.array([len(g) for g in groups.values()], float)

    def moved(self, frames: np.ndarray, seed: int | tuple[int, ...]) -> np.ndarray:
        """Frames (F, N, 3) Å with hydrogens that were placed at rest -> the same with hydrogens that move."""
        return self.parts_moved(frames, [len(frames)], [seed])

    def blocks_moved(self, blocks: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """As `moved`, of several blocks (B, F, N, 3) Å with a seed each."""
        n_blocks, n_frames = blocks.shape[:2]
        return self.parts_moved(blocks.reshape(-1, *blocks.shape[2:]), [n_frames] * n_blocks, seeds).reshape(
            blocks.shape
        )

    def parts_moved(
        self, frames: np.ndarray, sizes: Sequence[int], seeds: Sequence[int | tuple[int, ...]]
    ) -> np.ndarray:
        """As `moved`, of frames (F, N, 3) Å in parts of these sizes, each with a seed of its own."""
        out = np.array(frames, np.float64)
        if not len(self.atoms):
            return out
        azimuth, polar = self._drawn(sizes, seeds)
        origin, beyond, bond = (_gathered(out, atoms) for atoms in (self._parents, self._axes, self.atoms))
        axis = _unit_first(origin - beyond)
        bond -= origin
        length = np.sqrt(_dot(bond, bond))
        along = bond / length
        sideways = _unit_first(_cross(axis, along))
        upright = _cross(sideways, along)
        turn = self._group_mean(azimuth / self._polar_sine[:, None]) * self._turns[:, None]
        own = azimuth - turn[self._group] * self._polar_sine[:, None]
        size = np.sqrt(own**2 + polar**2)
        share = np.sin(size) / np.maximum(size, 1e-12)
        along = np.cos(size) * along + (share * own) * sideways + (share * polar) * upright
        angle = np.clip(turn, -_WIDEST_TURN, _WIDEST_TURN)[self._group]
        placed = origin + length * _rotated(along, axis, angle)
        out[:, self.atoms] = placed.transpose(2, 1, 0)
        return out

    def _drawn(self, sizes: Sequence[int], seeds: Sequence[int | tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
        """Displacements (H, F) in radians, about the axis and towards it."""
        shapes = [(n, len(self.atoms), 2) for n in sizes]
        noise = np.concatenate(
            [np.random.default_rng(k).standard_normal(shape) for k, shape in zip(seeds, shapes, strict=True)]
        )
        noise = noise.reshape(len(noise), 2 * len(self.atoms)).T
        out = np.empty(noise.shape)
        for places, factor in self._factors:
            both = slice(2 * places[0], 2 * places[-1] + 2)
            np.matmul(factor, noise[both], out=out[both])
        return out[::2], out[1::2]

    def _group_mean(self, values: np.ndarray) -> np.ndarray:
        """(H, F) -> (groups, F)."""
        sums = np.add.reduceat(values, np.searchsorted(self._group, np.arange(len(self._sizes))), axis=0)
        return np.asarray(sums / self._sizes[:, None])


def _neighbours(bonds: Iterable[tuple[int, int]], rank: Mapping[int, int]) -> dict[int, list[int]]:
    near: dict[int, list[int]] = defaultdict(list)
    for one, other in bonds:
        near[one].append(other)
        near[other].append(one)
    return {atom: sorted(others, key=rank.__getitem__) for atom, others in near.items()}


def _groups(
    hydrogens: Mapping[int, int], near: Mapping[int, list[int]], rank: Mapping[int, int], reference: np.ndarray
) -> dict[int, list[int]]:
    """Hydrogens by heavy atom, both in an order that does not depend on the user's: round the first bond."""
    groups: dict[int, list[int]] = defaultdict(list)
    for hydrogen, parent in sorted(hydrogens.items(), key=lambda pair: rank[pair[1]]):
        groups[parent].append(hydrogen)
    for parent, group in groups.items():
        first, *others = near[parent]
        beyond = others[0] if others else next(atom for atom in near[first] if atom != parent)
        group.sort(key=lambda h: _azimuth(*reference[[h, parent, first, beyond]]))
    return groups


def _azimuth(point: np.ndarray, origin: np.ndarray, first: np.ndarray, beyond: np.ndarray) -> float:
    """Angle of a point about the axis from `first` to `origin`, from the direction of `beyond`."""
    axis, ahead, there = _unit(origin - first), beyond - first, point - origin
    return float(np.arctan2(np.cross(ahead, there) @ axis, ahead @ there - (ahead @ axis) * (there @ axis)))


def _group_stiffness(
    parent: int, group: list[int], near: Mapping[int, list[int]], elements: list[str], reference: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Second derivatives (2n, 2n), kJ/mol/rad², of one heavy atom's hydrogens; sines of their polar angles (n,)."""
    origin, heavy = reference[parent], _unit(reference[near[parent]] - reference[parent])
    axis, along = -heavy[0], _unit(reference[group] - origin)
    sideways = _unit(np.cross(axis, along))
    upright = np.cross(sideways, along)
    sine = np.linalg.norm(np.cross(axis, along), axis=-1)
    n = len(group)

    def directions(shift: np.ndarray) -> np.ndarray:
        pair = shift.reshape(n, 2)
        return _unit(along + pair[:, :1] * sideways + pair[:, 1:] * upright)

    def angles(shift: np.ndarray) -> np.ndarray:
        h = directions(shift)
        bends = np.arccos(np.clip(h @ heavy.T, -1, 1)).ravel()
        scissors = [np.arccos(np.clip(h[i] @ h[j], -1, 1)) for i in range(n) for j in range(i)]
        return np.concatenate((bends, scissors))

    slopes = np.stack(
        [(angles(_DIFFERENCE * unit) - angles(-_DIFFERENCE * unit)) / (2 * _DIFFERENCE) for unit in np.eye(2 * n)],
        -1,
    )
    weights = np.full(len(slopes), SCISSOR)
    weights[: n * len(heavy)] = _BEND.get(elements[parent], 418.4)
    stiffness = slopes.T @ (weights[:, None] * slopes)
    normal = _plane(heavy, along)
    if normal is not None:
        rows = np.zeros((n, 2 * n))
        for k in range(n):
            rows[k, 2 * k], rows[k, 2 * k + 1] = sideways[k] @ normal, upright[k] @ normal
        stiffness += _PLANE["N" if elements[parent] == "N" else "C"] * rows.T @ rows
    if len(heavy) == 1 and normal is None:
        row = np.zeros(2 * n)
        row[::2] = 1 / (n * sine)
        stiffness += _rotor(parent, near, elements, reference) * np.outer(row, row)
    return stiffness, sine


def _rotor(parent: int, near: Mapping[int, list[int]], elements: list[str], reference: np.ndarray) -> float:
    """kJ/mol/rad² of a turn of a methyl, ammonium, hydroxyl or thiol group."""
    neighbour = near[parent][0]
    others = [k for k in near[neighbour] if k != parent]
    if elements[neighbour] == "C" and len(others) == 2:
        vectors = _unit(reference[[parent, *others]] - reference[neighbour])
        if abs(np.linalg.det(vectors)) < _PLANAR:
            return _TO_CARBONYL if elements[parent] == "C" else 30.0
    return ROTOR.get((elements[parent], elements[neighbour]), 54.0)


def _plane(heavy: np.ndarray, along: np.ndarray) -> np.ndarray | None:
    """Normal of three neighbours that lie in one plane with their atom; None where there are more or they do not."""
    directions = np.concatenate((heavy, along))
    if len(directions) != 3 or abs(np.linalg.det(directions)) > _PLANAR:
        return None
    normal = np.cross(directions[0], directions[1])
    return np.asarray(normal / np.linalg.norm(normal))


def _rotated(vectors: np.ndarray, axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Vectors (3, ...) turned about unit axes by radians (...)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(cosine * vectors + sine * _cross(axis, vectors) + (1 - cosine) * _dot(vectors, axis) * axis)


def _gathered(frames: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Some atoms of frames (F, N, 3), coordinates first: (3, K, F)."""
    return np.ascontiguousarray(frames[:, atoms].transpose(2, 1, 0))


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of vectors (3, ...)."""
    out = np.empty_like(a)
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.subtract(a[y] * b[z], a[z] * b[y], out=out[x])
    return out


def _unit_first(vectors: np.ndarray) -> np.ndarray:
    """Vectors (3, ...) scaled to length 1."""
    return np.asarray(vectors / np.sqrt(_dot(vectors, vectors)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))

"""Hydrogens that move: bends and rotors drawn from the thermal distribution about where they were placed.

Every hydrogen has two degrees of freedom beside its rigid bond. Those on one heavy atom share a quadratic energy of
bond angles, of planes, and of the turn about the bond, with force constants as in Amber force fields. Contacts are not
known to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from openmm_mdgen.geometry.skeleton import Skeleton

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
    skeleton : Skeleton
    reference : (N, 3) ndarray
        Å, whose angles are the equilibrium ones.
    temperature : float
        K.

    Examples
    --------
    >>> motion = HydrogenMotion(skeleton, positions, 350.0)
    >>> warm = motion.moved(frames, seed=7)
    """

    def __init__(
        self,
        skeleton: Skeleton,
        reference: np.ndarray,
        temperature: float,
    ) -> None:
        reference = np.asarray(reference, np.float64)
        near, elements = neighbours(skeleton), skeleton.elements
        groups = hydrogen_groups(skeleton, near, reference)
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
            stiffness, sine = group_stiffness(parent, group, near, elements, reference)
            covariance = _BOLTZMANN * temperature * np.linalg.inv(stiffness)
            self._factors.append((places, np.linalg.cholesky(covariance)))
            self._polar_sine[places] = sine
            first += len(group)
        self._of_size = {n: self._stacked(n) for n in {len(group) for group in groups.values()}}
        rotor = [len(near[p]) == 1 for p in groups]
        self._n_wells = [_n_wells(p, group, near, reference) for p, group in groups.items()]
        self.turns = np.array(rotor, bool)
        self._turns = self.turns.astype(float)
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
        origin, beyond, bond = (gathered(out, atoms) for atoms in (self._parents, self._axes, self.atoms))
        turn = self._group_mean(azimuth / self._polar_sine[:, None]) * self._turns[:, None]
        own = azimuth - turn[self._group] * self._polar_sine[:, None]
        angle = np.clip(turn, -_WIDEST_TURN, _WIDEST_TURN)[self._group]
        placed = _placed(origin, beyond, bond - origin, own, polar, angle)
        out[:, self.atoms] = placed.transpose(2, 1, 0)
        return out

    def redrawn(
        self, frames: np.ndarray, rows: np.ndarray, groups: np.ndarray, noise: np.ndarray, wells: np.ndarray
    ) -> np.ndarray:
        """Further draws of groups that have equally many hydrogens.

        Parameters
        ----------
        frames : (F, N, 3) ndarray
            Å, with hydrogens that were placed at rest.
        rows, groups : (I,) int ndarray
            Which frames, and which group in each.
        noise : (I, 2n, K) ndarray
            Standard normal.
        wells : (I, K) ndarray
            Radians that a group is turned by before it is drawn.

        Returns
        -------
        (I, n, K, 3) ndarray
        """
        n = len(self.groups[groups[0]])
        columns = np.searchsorted(self._group, groups)[:, None] + np.arange(n)
        shifts = self._of_size[n][groups] @ noise
        azimuth, polar, sine = shifts[:, ::2], shifts[:, 1::2], self._polar_sine[columns][..., None]
        turn = (azimuth / sine).mean(1) * self._turns[groups][:, None]
        own = azimuth - turn[:, None] * sine
        angle = np.clip(turn, -_WIDEST_TURN, _WIDEST_TURN) + wells
        origin, beyond = (
            frames[rows, atoms[columns[:, 0]]].T[:, :, None, None] for atoms in (self._parents, self._axes)
        )
        bond = frames[rows[:, None], self.atoms[columns]].transpose(2, 0, 1)[..., None] - origin
        return np.ascontiguousarray(_placed(origin, beyond, bond, own, polar, angle[:, None]).transpose(1, 2, 3, 0))

    def wells(self, group: int, count: int) -> np.ndarray:
        """Radians (count,) that further draws of a group are turned by, so that all its wells are tried in turn."""
        n = self._n_wells[group]
        return 2 * np.pi / n * (1 + np.arange(count) % n)

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

    def _stacked(self, n: int) -> np.ndarray:
        """Factors (groups, 2n, 2n), zero where a group has not n hydrogens."""
        return np.stack([f if len(f) == 2 * n else np.zeros((2 * n, 2 * n)) for _, f in self._factors])

    def _group_mean(self, values: np.ndarray) -> np.ndarray:
        """(H, F) -> (groups, F)."""
        sums = np.add.reduceat(values, np.searchsorted(self._group, np.arange(len(self._sizes))), axis=0)
        return np.asarray(sums / self._sizes[:, None])


def neighbours(skeleton: Skeleton) -> dict[int, list[int]]:
    """Heavy neighbours of heavy atoms, in an order that does not depend on the user's."""
    near: dict[int, list[int]] = defaultdict(list)
    for one, other in skeleton.bonds:
        near[one].append(other)
        near[other].append(one)
    return {atom: sorted(others, key=skeleton.rank.__getitem__) for atom, others in near.items()}


def hydrogen_groups(skeleton: Skeleton, near: Mapping[int, list[int]], reference: np.ndarray) -> dict[int, list[int]]:
    """Hydrogens by heavy atom, both in an order that does not depend on the user's: round the first bond."""
    groups: dict[int, list[int]] = defaultdict(list)
    for hydrogen, parent in sorted(skeleton.hydrogens.items(), key=lambda pair: skeleton.rank[pair[1]]):
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


def group_stiffness(
    parent: int, group: list[int], near: Mapping[int, list[int]], elements: list[str], reference: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Second derivatives (2n, 2n), kJ/mol/rad², of one heavy atom's hydrogens; sines of their polar angles (n,)."""
    slopes, weights = angle_slopes(parent, group, near, elements, reference)
    heavy, along = _unit(reference[near[parent]] - reference[parent]), _unit(reference[group] - reference[parent])
    sideways, upright = around(-heavy[0], along)
    sine = np.linalg.norm(np.cross(-heavy[0], along), axis=-1)
    n = len(group)
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


def angle_slopes(
    parent: int, group: list[int], near: Mapping[int, list[int]], elements: list[str], reference: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How bond angles at one heavy atom go with displacements of its hydrogens (angles, 2n), and their stiffness.

    Those to heavy neighbours come first, (n, neighbours), those between hydrogens last.
    """
    origin, heavy = reference[parent], _unit(reference[near[parent]] - reference[parent])
    along = _unit(reference[group] - origin)
    sideways, upright = around(-heavy[0], along)
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
    return slopes, weights


def around(axis: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, 3) across bonds (n, 3): about an axis, and away from it."""
    sideways = _unit(np.cross(axis, along))
    return sideways, np.cross(sideways, along)


def _rotor(parent: int, near: Mapping[int, list[int]], elements: list[str], reference: np.ndarray) -> float:
    """kJ/mol/rad² of a turn of a methyl, ammonium, hydroxyl or thiol group."""
    neighbour = near[parent][0]
    others = [k for k in near[neighbour] if k != parent]
    if elements[neighbour] == "C" and len(others) == 2:
        vectors = _unit(reference[[parent, *others]] - reference[neighbour])
        if abs(np.linalg.det(vectors)) < _PLANAR:
            return _TO_CARBONYL if elements[parent] == "C" else 30.0
    return ROTOR.get((elements[parent], elements[neighbour]), 54.0)


def _n_wells(parent: int, group: list[int], near: Mapping[int, list[int]], reference: np.ndarray) -> int:
    """Wells of a turn that differ: of a hydroxyl or thiol three, two where it turns about a bond to a planar atom."""
    if len(near[parent]) > 1 or len(group) > 1:
        return 1
    neighbour = near[parent][0]
    others = [k for k in near[neighbour] if k != parent]
    vectors = _unit(reference[[parent, *others]] - reference[neighbour])
    return 2 if len(others) == 2 and abs(np.linalg.det(vectors)) < _PLANAR else 3


def _plane(heavy: np.ndarray, along: np.ndarray) -> np.ndarray | None:
    """Normal of three neighbours that lie in one plane with their atom; None where there are more or they do not."""
    directions = np.concatenate((heavy, along))
    if len(directions) != 3 or abs(np.linalg.det(directions)) > _PLANAR:
        return None
    normal = np.cross(directions[0], directions[1])
    return np.asarray(normal / np.linalg.norm(normal))


def _placed(
    origin: np.ndarray, beyond: np.ndarray, bond: np.ndarray, own: np.ndarray, polar: np.ndarray, angle: np.ndarray
) -> np.ndarray:
    """Ends (3, ...) of bonds (3, ...) from an origin, bent about the axis from `beyond` and towards it, and turned."""
    axis = _unit_first(origin - beyond)
    length = np.sqrt(_dot(bond, bond))
    along = bond / length
    sideways, upright = around_axes(axis, along)
    size = np.sqrt(own**2 + polar**2)
    share = np.sin(size) / np.maximum(size, 1e-12)
    along = np.cos(size) * along + (share * own) * sideways + (share * polar) * upright
    return np.asarray(origin + length * _rotated(along, axis, angle))


def around_axes(axes: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `around`, of vectors (3, ...) with an axis each, of any length."""
    sideways = _unit_first(_cross(axes, along))
    return sideways, _cross(sideways, along)


def _rotated(vectors: np.ndarray, axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Vectors (3, ...) turned about unit axes by radians (...)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(cosine * vectors + sine * _cross(axis, vectors) + (1 - cosine) * _dot(vectors, axis) * axis)


def gathered(frames: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Some atoms of frames (F, N, 3), coordinates first: (3, K, F)."""
    return np.ascontiguousarray(frames[:, atoms].transpose(2, 1, 0))


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of vectors (3, ...)."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.subtract(a[y] * b[z], a[z] * b[y], out=out[x])
    return out


def _unit_first(vectors: np.ndarray) -> np.ndarray:
    """Vectors (3, ...) scaled to length 1."""
    return np.asarray(vectors / np.sqrt(_dot(vectors, vectors)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))

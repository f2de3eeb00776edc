"""Contacts of atoms: which of several draws of a group of atoms overlaps least with the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openmm_mdgen.geometry.pair_energies import CLOSEST, contact_sizes, squares
from openmm_mdgen.geometry.skeleton import Skeleton

_BOLTZMANN = 8.314462618e-3  # kJ/mol/K
_FAR_SCALE = 0.5  # of atoms three bonds apart
_NEAR = 1.0  # of that distance, within which a pair is looked at
_TOO_HIGH = 10.0  # kJ/mol of a pair that overlaps
_IN_CACHE = 2**17  # distances that are looked at together


class Contacts:
    """Lennard-Jones energies of pairs three or more bonds apart, with radii by element.

    Parameters
    ----------
    skeleton : Skeleton
    groups : sequence of (n,) int ndarray
        Atoms that are drawn together; pairs of other atoms are left out.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        groups: Sequence[np.ndarray],
    ) -> None:
        two, three = skeleton.within(2), skeleton.within(3)
        self._group = np.full(skeleton.n_atoms, -1)
        for number, atoms in enumerate(groups):
            self._group[atoms] = number
        self._atoms = list(groups)
        drawn = self._group >= 0
        pairs = np.triu(~two, 1) & (drawn[:, None] | drawn)
        half, depth = contact_sizes(skeleton)
        self._depth = np.sqrt(depth[:, None] * depth) * np.where(three, _FAR_SCALE, 1.0)
        self._square = (half[:, None] + half) ** 2
        worst = (1 + np.sqrt(1 + _TOO_HIGH / self._depth)) ** (1 / 3)  # the energy is too high below this distance
        self._limits = np.where(pairs, self._square / worst, -1.0).astype(np.float32)
        self._pairs = np.nonzero(pairs)
        self._flat = np.ravel_multi_index(self._pairs, pairs.shape)
        self._near = (self._square * _NEAR**2)[self._pairs].astype(np.float32)

    def overlapping(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which frames (F, N, 3) in Å have atoms that overlap, (B,) int, and squares of distances (B, N, N) in them."""
        bad, kept = [np.zeros(0, int)], [np.zeros((0, *self._limits.shape), np.float32)]
        size = max(1, _IN_CACHE // self._limits.size)
        for first in range(0, len(frames), size):
            squares = _squares(frames[first : first + size])
            rows = np.flatnonzero((squares < self._limits).reshape(len(squares), -1).any(1))
            bad.append(first + rows)
            kept.append(squares[rows])
        return np.concatenate(bad), np.concatenate(kept)

    def chosen(
        self,
        draws: np.ndarray,
        squares: np.ndarray,
        temperature: float,
        sizes: Sequence[int],
        seeds: Sequence[int],
    ) -> np.ndarray:
        """One of K draws for each group and frame, by Boltzmann weights of its contacts with all other atoms.

        Groups choose in their order, each with those before it as they chose and those after it as first drawn.
        Contacts are looked for in the first draw.

        Parameters
        ----------
        draws : (K, F, N, 3) ndarray
            Å; atoms outside of all groups are alike, and a group's places do not depend on another's.
        squares : (F, N, N) ndarray
            Å², between the atoms of the first draw.
        temperature : float
            K.
        sizes, seeds : sequence of int
            Frames of each part, and its seed.

        Returns
        -------
        (F, N, 3) ndarray
        """
        near = squares.reshape(len(squares), -1).take(self._flat, 1) < self._near
        frames, number_of_pair = np.divmod(np.flatnonzero(near), len(self._flat))
        first, second = (ends[number_of_pair] for ends in self._pairs)
        depth, square = self._depth[first, second], self._square[first, second]
        atoms = np.ascontiguousarray(draws.transpose(2, 1, 0, 3), np.float32)  # (N, F, K, 3)
        now = np.repeat(atoms[:, :, :1], len(draws), 2)
        out = draws[0].copy()
        rngs, all_frames = [np.random.default_rng((seed, 2)) for seed in seeds], np.arange(len(out))
        owners = self._group[first], self._group[second]
        for number, group in enumerate(self._atoms):
            now[group] = atoms[group]
            mine = np.flatnonzero((owners[0] == number) | (owners[1] == number))
            here = frames[mine]
            energy = _energies(now[first[mine], here] - now[second[mine], here], depth[mine], square[mine])
            summed = np.stack([np.bincount(here, column, len(out)) for column in energy.T])
            noise = [rng.gumbel(size=(len(summed), n)) for rng, n in zip(rngs, sizes, strict=True) if n]
            best = (np.concatenate(noise, 1) - summed / (_BOLTZMANN * temperature)).argmax(0)
            now[group] = atoms[group][:, all_frames, best][:, :, None]
            out[:, group] = draws[best, all_frames][:, group]
        return np.asarray(out)


def _squares(frames: np.ndarray) -> np.ndarray:
    """Å² (F, N, N) between the atoms of frames (F, N, 3), to 0.01 or so."""
    x = (frames - frames.mean(1, keepdims=True)).astype(np.float32)
    return squares(x, x)


def _energies(apart: np.ndarray, depth: np.ndarray, square: np.ndarray) -> np.ndarray:
    """kJ/mol (E, K) of pairs (E,) that are (E, K, 3) Å apart."""
    r = np.maximum(np.einsum("ekx,ekx->ek", apart, apart), square[:, None] * CLOSEST**2)
    six = (square[:, None] / r) ** 3
    out: np.ndarray = depth[:, None] * (six * six - 2 * six)
    return out

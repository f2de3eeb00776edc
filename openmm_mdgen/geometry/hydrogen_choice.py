"""Hydrogens that touch other atoms, or may make hydrogen bonds, choose among several draws by their energy.

The energy of a draw is that of Lennard-Jones contacts and of charges in water: Coulomb's law and the generalized Born
formula with a fixed radius for every element. Radii and charges go by elements and bonds, about as in Amber force
fields. All else of a frame stands as it was first drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openmm_mdgen.geometry.hydrogen_motion import HydrogenMotion
from openmm_mdgen.geometry.pair_energies import PairEnergies, squares
from openmm_mdgen.geometry.skeleton import Skeleton

_BOLTZMANN = 8.314462618e-3  # kJ/mol/K
DRAWS = 4
TOO_HIGH = 3.0  # kJ/mol of a pair, above which its group chooses
REACH = 4.5  # Å, of a polar hydrogen's heavy atom to an oxygen or nitrogen, within which its group chooses
_IN_CACHE = 2**16  # numbers that are worked on together


class HydrogenChoice:
    """Which of several draws each group of hydrogens takes.

    Parameters
    ----------
    motion : HydrogenMotion
        Draws them.
    skeleton : Skeleton
    temperature : float
        K.
    """

    def __init__(
        self,
        motion: HydrogenMotion,
        skeleton: Skeleton,
        temperature: float,
    ) -> None:
        self._motion, self._kt = motion, _BOLTZMANN * temperature
        self._order = np.array([*skeleton.heavy.values(), *motion.atoms.tolist()], int)
        self._pairs = PairEnergies(skeleton, motion.atoms, self._order)
        self._sizes = np.array([len(group) for group in motion.groups], int)
        self._first = np.cumsum(self._sizes) - self._sizes
        parents = [skeleton.hydrogens[int(group[0])] for group in motion.groups]
        self._polar = np.array([skeleton.elements[parent] != "C" for parent in parents], bool)
        self._turning = np.flatnonzero(self._polar & motion.turns)
        turning = np.array(parents, int)[self._turning]
        self._parents = np.array([skeleton.rank[int(parent)] for parent in turning], int)
        self._partners, self._is_partner = self._pairs.partners(turning)
        self._wells = np.stack([motion.wells(k, DRAWS - 1) for k in range(len(parents))])
        self._limits = self._pairs.limits(TOO_HIGH)

    def chosen(self, rest: np.ndarray, frames: np.ndarray, sizes: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
        """Frames (F, N, 3) Å whose hydrogens are chosen among those in `frames` and further draws about `rest`.

        Parameters
        ----------
        rest, frames : (F, N, 3) ndarray
            Å, with hydrogens as they were placed, and as they were first drawn.
        sizes, seeds : sequence of int
            Frames of each part, and its seed.
        """
        out = frames.copy()
        around = frames[:, self._order]
        around = (around - around.mean(1, keepdims=True)).astype(np.float32)
        rows, groups = np.nonzero(self._concerned(around))
        part = np.repeat(np.arange(len(sizes)), sizes)[rows]
        rngs = [np.random.default_rng((seed, 4)) for seed in seeds]
        for polar in (False, True):
            for n in np.unique(self._sizes):
                mine = np.flatnonzero((self._polar[groups] == polar) & (self._sizes[groups] == n))
                if not len(mine):
                    continue
                counts = np.bincount(part[mine], minlength=len(sizes))
                noise = [rng.standard_normal((k, 2 * n, DRAWS - 1)) for rng, k in zip(rngs, counts, strict=True) if k]
                gumbel = [rng.gumbel(size=(k, DRAWS)) for rng, k in zip(rngs, counts, strict=True) if k]
                more = self._motion.redrawn(
                    rest, rows[mine], groups[mine], np.concatenate(noise), self._wells[groups[mine]]
                )
                self._choose(out, around, rows[mine], groups[mine], more, np.concatenate(gumbel))
        return out

    def _choose(
        self,
        out: np.ndarray,
        around: np.ndarray,
        rows: np.ndarray,
        groups: np.ndarray,
        more: np.ndarray,
        gumbel: np.ndarray,
    ) -> None:
        """Write what these groups, equally large, choose in these frames among what they have and more draws."""
        n, polar = more.shape[1], bool(self._polar[groups[0]])
        columns = self._first[groups][:, None] + np.arange(n)
        atoms = self._motion.atoms[columns]
        draws = np.concatenate((out[rows[:, None], atoms][:, :, None], more), 2)  # (I, n, K, 3)
        first = around[rows[:, None], len(self._order) - len(self._motion.atoms) + columns][:, :, None]
        near = (draws - draws[:, :, :1]).astype(np.float32) + first
        step = max(1, _IN_CACHE // (n * DRAWS * around.shape[1]))
        for k in range(0, len(rows), step):
            some = slice(k, k + step)
            energy = self._pairs.energies(near[some], around[rows[some]], columns[some], polar)
            best = (gumbel[some] - energy / self._kt).argmax(1)
            out[rows[some, None], atoms[some]] = draws[some][np.arange(len(best)), :, best]

    def _concerned(self, around: np.ndarray) -> np.ndarray:
        """Which groups choose (F, G), of atoms (F, N, 3) in order."""
        out = np.zeros((len(around), len(self._sizes)), bool)
        n_heavy = around.shape[1] - len(self._motion.atoms)
        step = max(1, _IN_CACHE // self._limits.size)
        for k in range(0, len(around), step):
            some = around[k : k + step]
            hits = (squares(some[:, n_heavy:], some) < self._limits).any(-1)
            out[k : k + step] = np.logical_or.reduceat(hits, self._first, axis=1)
        near = (squares(around[:, self._parents], around[:, self._partners]) < REACH**2) & self._is_partner
        out[:, self._turning] |= near.any(-1)
        return out

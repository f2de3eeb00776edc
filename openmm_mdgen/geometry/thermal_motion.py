"""What a model holds fixed, moved: side chains, carbonyls and hydrogens drawn from the thermal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from openmm_mdgen.geometry.bonded import share_at_rest
from openmm_mdgen.geometry.contacts import Contacts
from openmm_mdgen.geometry.heavy_motion import HeavyMotion
from openmm_mdgen.geometry.hydrogen_motion import HydrogenMotion
from openmm_mdgen.geometry.skeleton import Skeleton

_LEAST = 1e-20  # of the temperature
_FEW = 2  # atoms of carbonyls and of backbone hydrogens, which choose together
_DRAWS = 4  # of frames whose first draw has atoms that overlap


class ThermalMotion:
    """Draws side chains, carbonyls and hydrogens of given frames; where atoms overlap, groups choose among more draws.

    A reference that is a snapshot of MD has thermal lengths and angles already: draws about it are narrower, by
    `share_at_rest`.

    Parameters
    ----------
    skeleton : Skeleton
    reference : (N, 3) ndarray
        Å, whose lengths and angles are the equilibrium ones.
    temperature : float
        K.

    Examples
    --------
    >>> motion = ThermalMotion(skeleton, positions, 350.0)
    >>> warm = motion.moved(frames, seed=7)
    """

    def __init__(
        self,
        skeleton: Skeleton,
        reference: np.ndarray,
        temperature: float,
    ) -> None:
        temperature *= max(share_at_rest(skeleton, reference), _LEAST)
        self._heavy = HeavyMotion(skeleton, reference, temperature)
        drawn = set(self._heavy.atoms.tolist())
        others = {atom: parent for atom, parent in skeleton.hydrogens.items() if atom not in drawn}
        self._hydrogens = HydrogenMotion(replace(skeleton, hydrogens=others), reference, temperature)
        found = [*self._heavy.groups, *self._hydrogens.groups]
        groups = [group for group in found if len(group) > _FEW]
        if len(groups) < len(found):
            groups.append(np.concatenate([group for group in found if len(group) <= _FEW]))
        self._contacts = Contacts(skeleton, groups)
        self._temperature = temperature

    def moved(self, frames: np.ndarray, seed: int) -> np.ndarray:
        """Frames (F, N, 3) Å with parts that are at rest -> the same with parts that move; a function of both."""
        out: np.ndarray = self.blocks_moved(np.asarray(frames)[None], [seed])[0]
        return out

    def blocks_moved(self, blocks: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """As `moved`, of several blocks (B, F, N, 3) Å with a seed each."""
        frames = np.asarray(blocks, np.float64).reshape(-1, *blocks.shape[2:])
        out = self._drawn(frames, [blocks.shape[1]] * len(seeds), seeds, 0)
        bad, squares = self._contacts.overlapping(out)
        if len(bad) and _DRAWS > 1:
            sizes = np.bincount(bad // blocks.shape[1], minlength=len(seeds)).tolist()
            some = np.split(bad, np.cumsum(sizes)[:-1])
            again = np.concatenate([np.tile(frames[rows], (_DRAWS - 1, 1, 1)) for rows in some])
            more = self._drawn(again, [(_DRAWS - 1) * n for n in sizes], seeds, 1)
            ends = np.cumsum([(_DRAWS - 1) * n for n in sizes])[:-1]
            parts = [part.reshape(_DRAWS - 1, -1, *part.shape[1:]) for part in np.split(more, ends)]
            draws = np.concatenate((out[bad][None], np.concatenate(parts, 1)))
            out[bad] = self._contacts.chosen(draws, squares, self._temperature, sizes, seeds)
        return out.reshape(blocks.shape)

    def _drawn(self, frames: np.ndarray, sizes: Sequence[int], seeds: Sequence[int], number: int) -> np.ndarray:
        keys = [(seed, number) for seed in seeds]
        return self._hydrogens.parts_moved(self._heavy.parts_moved(frames, sizes, keys), sizes, keys)

"""What moves by default: bond lengths of side chains and carbonyls, and hydrogens that choose where they touch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openmm_mdgen.geometry.bond_motion import BondMotion
from openmm_mdgen.geometry.bonded import share_at_rest
from openmm_mdgen.geometry.hydrogen_choice import HydrogenChoice
from openmm_mdgen.geometry.hydrogen_motion import HydrogenMotion
from openmm_mdgen.geometry.hydrogen_rest import HydrogenRest
from openmm_mdgen.geometry.skeleton import Skeleton

_LEAST = 1e-20  # of the temperature
_TOGETHER = 512  # frames that are worked on at once, within a core's cache
_LED = ("N", "CA", "CB", "CG", "CD")  # heavy atoms at which a model, or the ring of proline, bends angles


class BondsAndHydrogens:
    """Draws bond lengths and hydrogens of given frames.

    A reference that is a snapshot of MD has thermal lengths already: draws about it are narrower, by `share_at_rest`.

    Parameters
    ----------
    skeleton : Skeleton
    reference : (N, 3) ndarray
        Å, whose lengths and angles are the equilibrium ones.
    temperature : float
        K.

    Examples
    --------
    >>> motion = BondsAndHydrogens(skeleton, positions, 350.0)
    >>> warm = motion.moved(frames, seed=7)
    """

    def __init__(
        self,
        skeleton: Skeleton,
        reference: np.ndarray,
        temperature: float,
    ) -> None:
        share = max(share_at_rest(skeleton, reference), _LEAST)
        self._bonds = BondMotion(skeleton, reference, share * temperature)
        self._hydrogens = HydrogenMotion(skeleton, reference, temperature)
        led = {atom for (_, name), atom in skeleton.heavy.items() if name in _LED}
        self._rest = HydrogenRest(skeleton, reference, led)
        self._choice = HydrogenChoice(self._hydrogens, skeleton, temperature) if skeleton.hydrogens else None

    def moved(self, frames: np.ndarray, seed: int) -> np.ndarray:
        """Frames (F, N, 3) Å with parts that are at rest -> the same with parts that move; a function of both."""
        out: np.ndarray = self.blocks_moved(np.asarray(frames)[None], [seed])[0]
        return out

    def blocks_moved(self, blocks: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """As `moved`, of several blocks (B, F, N, 3) Å with a seed each."""
        step = max(1, _TOGETHER // max(1, blocks.shape[1]))
        parts = [slice(k, k + step) for k in range(0, len(seeds), step)]
        return np.concatenate([self._moved(blocks[part], seeds[part]) for part in parts])

    def _moved(self, blocks: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        sizes = [blocks.shape[1]] * len(seeds)
        rest = self._rest.led(self._bonds.parts_moved(blocks.reshape(-1, *blocks.shape[2:]), sizes, seeds), sizes)
        out = self._hydrogens.parts_moved(rest, sizes, seeds)
        if self._choice is not None:
            out = self._choice.chosen(rest, out, sizes, seeds)
        return out.reshape(blocks.shape)

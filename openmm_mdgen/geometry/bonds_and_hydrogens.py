"""What moves by default: bond lengths of side chains and carbonyls, and hydrogens that choose where they touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from openmm_mdgen.geometry.bond_motion import BondMotion
from openmm_mdgen.geometry.bonded import share_at_rest
from openmm_mdgen.geometry.hydrogen_choice import HydrogenChoice
from openmm_mdgen.geometry.hydrogen_motion import HydrogenMotion
from openmm_mdgen.geometry.hydrogen_rest import HydrogenRest

_LEAST = 1e-20  # of the temperature
_TOGETHER = 512  # frames that are worked on at once, within a core's cache
_LED = ("N", "CA", "CB", "CG", "CD")  # heavy atoms at which a model, or the ring of proline, bends angles


class BondsAndHydrogens:
    """Draws bond lengths and hydrogens of given frames.

    A reference that is a snapshot of MD has thermal lengths already: draws about it are narrower, by `share_at_rest`.

    Parameters
    ----------
    residue_types : sequence of str
        Canonical names, caps as residues of their own.
    heavy : mapping (residue, atom name) -> int
        Index of every heavy atom.
    hydrogens : mapping int -> int
        Index of each hydrogen -> index of its heavy atom.
    bonds : iterable of (int, int)
        Between heavy atoms.
    reference : (N, 3) ndarray
        Å, whose lengths and angles are the equilibrium ones.
    temperature : float
        K.

    Examples
    --------
    >>> motion = BondsAndHydrogens(peptide.residue_types, peptide.heavy, peptide.hydrogens, bonds, positions, 350.0)
    >>> warm = motion.moved(frames, seed=7)
    """

    def __init__(
        self,
        residue_types: Sequence[str],
        heavy: Mapping[tuple[int, str], int],
        hydrogens: Mapping[int, int],
        bonds: Iterable[tuple[int, int]],
        reference: np.ndarray,
        temperature: float,
    ) -> None:
        bonds = list(bonds)
        elements = ["H"] * len(reference)
        for (_, name), atom in heavy.items():
            elements[atom] = name[0]
        share = max(share_at_rest(residue_types, heavy, reference), _LEAST)
        rank = {atom: place for place, atom in enumerate(heavy.values())}
        self._bonds = BondMotion(residue_types, heavy, hydrogens, bonds, reference, share * temperature)
        self._hydrogens = HydrogenMotion(hydrogens, bonds, rank, elements, reference, temperature)
        led = {atom for (_, name), atom in heavy.items() if name in _LED}
        self._rest = HydrogenRest(hydrogens, bonds, rank, elements, reference, led)
        self._choice = (
            HydrogenChoice(self._hydrogens, elements, bonds, hydrogens, rank, temperature) if hydrogens else None
        )

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

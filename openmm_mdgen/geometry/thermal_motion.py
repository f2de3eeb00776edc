"""What a model holds fixed, moved: side chains, carbonyls and hydrogens drawn from the thermal distribution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from openmm_mdgen.geometry.contacts import Contacts
from openmm_mdgen.geometry.heavy_motion import HeavyMotion, share_at_rest
from openmm_mdgen.geometry.hydrogen_motion import HydrogenMotion

_LEAST = 1e-20  # of the temperature
_FEW = 2  # atoms of carbonyls and of backbone hydrogens, which choose together
_DRAWS = 4  # of frames whose first draw has atoms that overlap


class ThermalMotion:
    """Draws side chains, carbonyls and hydrogens of given frames; where atoms overlap, groups choose among more draws.

    A reference that is a snapshot of MD has thermal lengths and angles already: draws about it are narrower, by
    `share_at_rest`.

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
    >>> motion = ThermalMotion(peptide.residue_types, peptide.heavy, peptide.hydrogens, bonds, positions, 350.0)
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
        temperature *= max(share_at_rest(residue_types, heavy, reference), _LEAST)
        rank = {atom: place for place, atom in enumerate(heavy.values())}
        self._heavy = HeavyMotion(residue_types, heavy, hydrogens, reference, temperature)
        drawn = set(self._heavy.atoms.tolist())
        others = {atom: parent for atom, parent in hydrogens.items() if atom not in drawn}
        self._hydrogens = HydrogenMotion(others, bonds, rank, elements, reference, temperature)
        found = [*self._heavy.groups, *self._hydrogens.groups]
        groups = [group for group in found if len(group) > _FEW]
        if len(groups) < len(found):
            groups.append(np.concatenate([group for group in found if len(group) <= _FEW]))
        self._contacts = Contacts(elements, bonds, hydrogens, groups)
        self._temperature = temperature

    def moved(self, frames: np.ndarray, seed: int) -> np.ndarray:
        """Frames (F, N, 3) Å with parts that are at rest -> the same with parts that move; a function of both."""
        out = self._drawn(frames, seed, 0)
        bad, squares = self._contacts.overlapping(out)
        if len(bad) and _DRAWS > 1:
            more = self._drawn(np.tile(frames[bad], (_DRAWS - 1, 1, 1)), seed, 1)
            draws = np.concatenate((out[bad], more)).reshape(_DRAWS, *out[bad].shape)
            out[bad] = self._contacts.chosen(draws, squares, self._temperature, seed)
        return out

    def _drawn(self, frames: np.ndarray, seed: int, number: int) -> np.ndarray:
        return self._hydrogens.moved(self._heavy.moved(frames, (seed, number)), (seed, number))

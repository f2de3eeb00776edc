"""Where hydrogens rest among heavy atoms whose angles are not those of the reference.

Hydrogens are placed by two of the neighbours of their heavy atom. Where angles between its neighbours differ from the
reference, all of them pull: the hydrogens go to the least of the quadratic energy of their bond angles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from openmm_mdgen.geometry.hydrogen_motion import (
    angle_slopes,
    around_axes,
    gathered,
    group_stiffness,
    hydrogen_groups,
    neighbours,
)
from openmm_mdgen.geometry.skeleton import Skeleton


class HydrogenRest:
    """Leads placed hydrogens to where their bond angles are least strained.

    Parameters
    ----------
    skeleton : Skeleton
    reference : (N, 3) ndarray
        Å, whose angles are the equilibrium ones.
    centres : collection of int
        Heavy atoms whose hydrogens are led; of them, those with two heavy neighbours or more.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        reference: np.ndarray,
        centres: Collection[int],
    ) -> None:
        reference = np.asarray(reference, np.float64)
        near, elements = neighbours(skeleton), skeleton.elements
        groups = {p: g for p, g in hydrogen_groups(skeleton, near, reference).items() if p in centres}
        groups = {p: g for p, g in groups.items() if len(near[p]) > 1}
        self.atoms = np.array([h for group in groups.values() for h in group], int)
        self._parents = np.array([p for p, group in groups.items() for _ in group], int)
        self._axes = np.array([near[p][0] for p, group in groups.items() for _ in group], int)
        angles = [(p, k, h, n) for p, group in groups.items() for k, h in enumerate(group) for n in near[p]]
        self._corners = np.array([(p, n) for p, _, _, n in angles], int).reshape(-1, 2).T
        column = {h: k for k, h in enumerate(self.atoms.tolist())}
        self._bent = np.array([column[h] for _, _, h, _ in angles], int)
        self._response = np.zeros((2 * len(self.atoms), len(angles)))
        row = first = 0
        for parent, group in groups.items():
            slopes, weights = angle_slopes(parent, group, near, elements, reference)
            stiffness, _ = group_stiffness(parent, group, near, elements, reference)
            pull = np.linalg.solve(stiffness, slopes.T * weights)
            count = len(group) * len(near[parent])
            self._response[row : row + 2 * len(group), first : first + count] = -pull[:, :count]
            row, first = row + 2 * len(group), first + count
        self._equilibrium = self._angles(reference[None])

    def led(self, frames: np.ndarray, sizes: Iterable[int]) -> np.ndarray:
        """Frames (F, N, 3) Å with placed hydrogens, in parts of these sizes -> the same with hydrogens at rest."""
        out = np.array(frames, np.float64)
        if not len(self.atoms):
            return out
        strain = self._angles(out) - self._equilibrium
        ends = np.cumsum(list(sizes))
        parts = np.split(strain, ends[:-1], axis=1)  # products of equal shape however many parts there are
        shift = np.concatenate([self._response @ part for part in parts], 1)
        origin, beyond, bond = (gathered(out, k) for k in (self._parents, self._axes, self.atoms))
        bond -= origin
        length = np.sqrt((bond * bond).sum(0))
        along = bond / length
        sideways, upright = around_axes(origin - beyond, along)
        along = along + shift[::2] * sideways + shift[1::2] * upright
        out[:, self.atoms] = (origin + length * along / np.sqrt((along * along).sum(0))).transpose(2, 1, 0)
        return out

    def _angles(self, frames: np.ndarray) -> np.ndarray:
        """Radians (A, F)."""
        centre, end = (gathered(frames, k) for k in self._corners)
        hydrogen = gathered(frames, self.atoms)[:, self._bent]
        u, v = hydrogen - centre, end - centre
        cosine = (u * v).sum(0) / np.sqrt((u * u).sum(0) * (v * v).sum(0))
        return np.asarray(np.arccos(np.clip(cosine, -1, 1)))

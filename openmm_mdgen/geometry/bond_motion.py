"""Bond lengths of side chains and carbonyls, which a model holds fixed, drawn as they are in MD.

What lies beyond a bond is shifted along it, so that all other lengths, all angles and all torsions stay. Atoms of rings
are shifted within the plane of the first of them and the bond that leads to it. Proline's ring is left as it is. Where
heavy atoms would come too near, a frame takes the opposite of its draw, and keeps its lengths where that does not help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openmm_mdgen.geometry.bonded import Group, groups_of, ring_bonds, terms
from openmm_mdgen.geometry.pair_energies import squares
from openmm_mdgen.geometry.skeleton import Skeleton

_BOLTZMANN = 8.314462618e-3  # kJ/mol/K
_DIFFERENCE = 1e-4
_CLOSEST = 2.4  # Å, of heavy atoms four or more bonds apart, as generation keeps them


@dataclass
class _Shift:
    """Atoms that are shifted along the bond of two others or, towards a third, across it in their plane."""

    atoms: list[int]
    ends: tuple[int, int]
    across: int | None = None


class BondMotion:
    """Draws bond lengths about those of given frames.

    Parameters
    ----------
    skeleton : Skeleton
    reference : (N, 3) ndarray
        Å, whose lengths are the equilibrium ones.
    temperature : float
        K.

    Examples
    --------
    >>> motion = BondMotion(skeleton, positions, 350.0)
    >>> warm = motion.parts_moved(frames, [len(frames)], [7])
    """

    def __init__(
        self,
        skeleton: Skeleton,
        reference: np.ndarray,
        temperature: float,
    ) -> None:
        reference = np.asarray(reference, np.float64)
        shifts: list[_Shift] = []
        self._factors: list[tuple[slice, np.ndarray]] = []
        for group in groups_of(replace(skeleton, hydrogens={})):
            own = _shifts(group, skeleton.hydrogens)
            rows = slice(len(shifts), len(shifts) + len(own))
            self._factors.append((rows, _factor(group, own, skeleton.elements, reference, _BOLTZMANN * temperature)))
            shifts += own
        self.atoms = np.array(sorted({atom for shift in shifts for atom in shift.atoms}), int)
        place = {atom: row for row, atom in enumerate(self.atoms.tolist())}
        self._moves = np.zeros((len(self.atoms), len(shifts)))
        for column, shift in enumerate(shifts):
            self._moves[[place[atom] for atom in shift.atoms], column] = 1.0
        self._heavy = np.array(list(skeleton.heavy.values()), int)
        far = ~skeleton.within(3)[np.ix_(self._heavy, self._heavy)]
        self._limits = np.where(far, _CLOSEST**2, -1.0).astype(np.float32)
        self._ends = np.array([shift.ends for shift in shifts], int).reshape(-1, 2).T
        self._across = np.array([k for k, shift in enumerate(shifts) if shift.across is not None], int)
        self._towards = np.array([shift.across for shift in shifts if shift.across is not None], int)

    def parts_moved(
        self, frames: np.ndarray, sizes: Sequence[int], seeds: Sequence[int | tuple[int, ...]]
    ) -> np.ndarray:
        """Frames (F, N, 3) Å in parts of these sizes, each with a seed of its own -> the same with other lengths."""
        out = np.array(frames, np.float64)
        if not len(self.atoms):
            return out
        drawn = [self._drawn(seed, size) for seed, size in zip(seeds, sizes, strict=True)]
        steps = _directions(out, self._ends, self._across, self._towards) * np.concatenate(drawn, 1)
        ends = np.cumsum(sizes)  # products of equal shape however many parts there are
        shifts = [self._moves @ steps[..., a:b] for a, b in zip(ends - sizes, ends, strict=True)]
        shift = np.concatenate(shifts, 2).transpose(2, 1, 0)
        rest = out[:, self.atoms]
        out[:, self.atoms] = rest + shift
        bad = np.flatnonzero(self._too_near(out))
        for sign in (-1.0, 0.0):
            if len(bad):
                out[bad[:, None], self.atoms] = rest[bad] + sign * shift[bad]
                bad = bad[self._too_near(out[bad])]
        return out

    def _too_near(self, frames: np.ndarray) -> np.ndarray:
        """Whether heavy atoms come too near, (F,)."""
        x = frames[:, self._heavy]
        x = (x - x.mean(1, keepdims=True)).astype(np.float32)
        return np.asarray((squares(x, x) < self._limits).any((1, 2)))

    def _drawn(self, seed: int | tuple[int, ...], size: int) -> np.ndarray:
        """Shifts (n, F) in Å."""
        noise = np.random.default_rng((*np.atleast_1d(seed).tolist(), 3)).standard_normal((self._moves.shape[1], size))
        return np.concatenate([factor @ noise[rows] for rows, factor in self._factors])


def _shifts(group: Group, hydrogens: Mapping[int, int]) -> list[_Shift]:
    """Each bond of a side chain or carbonyl outside of rings, and two shifts of each atom of a ring after its first."""
    ringed = {atom for pair in ring_bonds(group.bonds) for atom in pair}
    parents = {p.atom: p.abc[2] for p in group.placements}
    beyond = {atom: [h for h, parent in hydrogens.items() if parent == atom] for atom in parents}
    out: list[_Shift] = []
    bond = towards = -1, -1
    for p in group.placements:
        moved = [k for k in parents if p.atom in _way(k, parents, ringed)]
        atoms = [atom for k in moved for atom in (k, *beyond[k])]
        if p.atom not in ringed:
            out.append(_Shift(atoms, (parents[p.atom], p.atom)))
        elif parents[p.atom] not in ringed:
            bond = parents[p.atom], p.atom
            towards = bond
            out.append(_Shift(atoms, bond))
        else:
            towards = (bond[1], p.atom) if towards == bond else towards
            out += [_Shift(atoms, bond), _Shift(atoms, bond, towards[1])]
    return out


def _way(atom: int, parents: Mapping[int, int], ringed: set[int]) -> list[int]:
    """The atoms that take an atom with them: itself and those before it, of a ring the one that it hangs from alone
    and the first."""
    out = [atom]
    while out[-1] in parents:
        last, before = out[-1], parents[out[-1]]
        if last in ringed and before in ringed:
            while parents[before] in ringed:
                before = parents[before]
        out.append(before)
    return out


def _factor(
    group: Group, shifts: Sequence[_Shift], elements: Sequence[str], reference: np.ndarray, kt: float
) -> np.ndarray:
    """(n, n) factor of the covariance of a group's shifts in Å."""
    ends = np.array([shift.ends for shift in shifts]).T
    across = [k for k, shift in enumerate(shifts) if shift.across is not None]
    towards = np.array([shift.across for shift in shifts if shift.across is not None], int)
    along = _directions(reference[None], ends, np.array(across, int), towards)[..., 0].T  # (n, 3)
    steps = np.zeros((len(shifts), *reference.shape))
    for k, shift in enumerate(shifts):
        steps[k, shift.atoms] = _DIFFERENCE * along[k]
    values, weights = terms(group, elements, reference, np.concatenate((reference + steps, reference - steps)))
    ahead, behind = np.split(values, 2)
    slopes = (np.angle(np.exp(1j * (ahead - behind))) / (2 * _DIFFERENCE)).T  # differences are small: lengths as well
    return np.asarray(np.linalg.cholesky(kt * np.linalg.inv(slopes.T @ (weights[:, None] * slopes))))


def _directions(frames: np.ndarray, ends: np.ndarray, across: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Unit vectors (3, n, F) along the bonds of two atoms (2, n), and of some of them across, towards a third."""
    x = frames.transpose(2, 1, 0)
    out = x[:, ends[1]] - x[:, ends[0]]
    out /= np.sqrt((out * out).sum(0))
    if len(across):
        bond = out[:, across]
        side = x[:, towards] - x[:, ends[1][across]]
        side -= (side * bond).sum(0) * bond
        out[:, across] = side / np.sqrt((side * side).sum(0))
    return np.asarray(out)

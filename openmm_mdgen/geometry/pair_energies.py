"""Energies of hydrogens with atoms three or more bonds away: contacts, and charges in water."""

from __future__ import annotations

import numpy as np

from openmm_mdgen.geometry.skeleton import Skeleton

_HEAVY = {"C": (1.91, 0.40), "N": (1.82, 0.71), "O": (1.67, 0.88), "S": (2.00, 1.05)}
"""Half of the distance of least energy (Å) and its depth (kJ/mol), about as in Amber force fields."""
_ON_CARBON, _ON_OTHERS = (1.42, 0.066), (0.60, 0.066)  # hydrogens
_LJ_SCALE, _CHARGE_SCALE = 0.5, 1 / 1.2  # of atoms three bonds apart
CLOSEST = 0.5  # of the distance of least energy, below which the energy grows no more
_COULOMB = 1389.35458  # kJ/mol Å
_WATER = 1 - 1 / 78.5
_BORN = {"H": 1.3, "C": 2.2, "N": 1.9, "O": 1.8, "S": 2.0}  # Å
_HYDROGEN_CHARGES = {"C": 0.0, "N": 0.31, "O": 0.42, "S": 0.19}
_GUANIDINIUM, _AMMONIUM = 0.42, 0.33  # hydrogens
_CHARGED = 0.2  # of partners


class PairEnergies:
    """Pairs of hydrogens and all atoms, with parameters by elements and bonds.

    Parameters
    ----------
    skeleton : Skeleton
    atoms : (H,) ndarray
        The hydrogens, in the order in which they are meant below.
    order : (N,) ndarray
        All atoms, likewise.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        atoms: np.ndarray,
        order: np.ndarray,
    ) -> None:
        three = skeleton.within(3)
        half, depth = contact_sizes(skeleton)
        charge = charges(skeleton)
        born = np.array([_BORN.get(e, _BORN["C"]) for e in skeleton.elements])
        self._four, self._acceptors, self._order = ~three, charge < -_CHARGED, order
        pairs = np.ix_(atoms, order)
        self._apart = ~skeleton.within(2)[pairs]
        third = three[pairs]
        pair_depth = np.sqrt(np.outer(depth, depth)[pairs]) * np.where(third, _LJ_SCALE, 1.0)
        pair_charge = _COULOMB * np.outer(charge, charge)[pairs] * np.where(third, _CHARGE_SCALE, 1.0)
        self._depth = (pair_depth * self._apart).astype(np.float32)
        self._square = (np.add.outer(half, half)[pairs] ** 2).astype(np.float32)
        self._charge = (pair_charge * self._apart).astype(np.float32)
        self._born = np.outer(born, born)[pairs].astype(np.float32)

    def limits(self, energy: float) -> np.ndarray:
        """Å² (H, N) below which contacts of pairs have more than an energy in kJ/mol; below zero for other pairs."""
        with np.errstate(divide="ignore"):
            limits = self._square / (1 + np.sqrt(1 + energy / self._depth)) ** (1 / 3)
        return np.where(self._apart, limits, -1.0).astype(np.float32)

    def partners(self, parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places in the order of atoms (A,) that hydrogens may bond to, and which are far enough from their heavy atoms
        along the chain, (parents, A)."""
        found = np.flatnonzero(self._acceptors[self._order])
        return found, self._four[np.ix_(parents, self._order[found])]

    def energies(self, near: np.ndarray, around: np.ndarray, columns: np.ndarray, polar: bool) -> np.ndarray:
        """kJ/mol (I, K) of draws (I, n, K, 3) of hydrogens (I, n) among atoms (I, N, 3), all in Å and float32."""
        n_items, n, n_draws, _ = near.shape
        rows = near.reshape(n_items, -1, 3)
        apart = rows @ (-2 * around.swapaxes(1, 2))
        apart += np.einsum("iax,iax->ia", rows, rows)[:, :, None]
        apart += np.einsum("iax,iax->ia", around, around)[:, None]
        apart = apart.reshape(n_items, n, n_draws, -1)
        square = self._square[columns][:, :, None]
        np.maximum(apart, square * np.float32(CLOSEST**2), out=apart)
        contacts = square / apart
        contacts *= contacts * contacts
        contacts *= contacts - 2
        contacts *= self._depth[columns][:, :, None]
        if polar:
            born = self._born[columns][:, :, None]
            screened = np.exp(apart / (-4 * born)) * born + apart
            contacts += self._charge[columns][:, :, None] * (
                1 / np.sqrt(apart) - np.float32(_WATER) / np.sqrt(screened)
            )
        return np.asarray(contacts.sum(-1).sum(1))


def contact_sizes(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Half of the distance of least energy (N,) in Å, and its depth (N,) in kJ/mol."""
    half, depth = np.array([_HEAVY.get(e, _HEAVY["C"]) for e in skeleton.elements]).T
    for atom, parent in skeleton.hydrogens.items():
        half[atom], depth[atom] = _ON_CARBON if skeleton.elements[parent] == "C" else _ON_OTHERS
    return half, depth


def charges(skeleton: Skeleton) -> np.ndarray:
    """Charges (N,) by elements and bonds."""
    elements, bonded, hydrogens = skeleton.elements, skeleton.bonded, skeleton.hydrogens
    hydrogen = np.zeros(len(elements), bool)
    hydrogen[list(hydrogens)] = True
    symbols = np.array(elements)
    out = np.zeros(len(elements))
    ends = [sum(bonded[k]) - 1 for k in range(len(elements))]

    def beside(atom: int, symbol: str) -> list[int]:
        return [
            k for k in np.flatnonzero(bonded[atom]).tolist() if k != atom and not hydrogen[k] and symbols[k] == symbol
        ]

    for k, symbol in enumerate(elements):
        if hydrogen[k]:
            continue
        carbons = beside(k, "C")
        if symbol == "O":
            alone = ends[k] == 1
            acid = alone and len([o for o in beside(carbons[0], "O") if ends[o] == 1]) > 1
            out[k] = -0.81 if acid else -0.58 if alone else -0.65
        elif symbol == "C" and beside(k, "O") and any(ends[o] == 1 for o in beside(k, "O")):
            out[k] = 0.80 if len(beside(k, "O")) > 1 else 0.60
        elif symbol == "C" and len(beside(k, "N")) == 3:
            out[k] = 0.85
        elif symbol == "N":
            guanidinium = any(len(beside(c, "N")) == 3 for c in carbons)
            out[k] = -0.85 if guanidinium else -0.20 if ends[k] == 4 else -0.45
        elif symbol == "S":
            out[k] = -0.30
    for atom, parent in hydrogens.items():
        out[atom] = _HYDROGEN_CHARGES.get(elements[parent], 0.0)
        if elements[parent] == "N":
            carbons = beside(parent, "C")
            if any(len(beside(c, "N")) == 3 for c in carbons):
                out[atom] = _GUANIDINIUM
            elif ends[parent] == 4:
                out[atom] = _AMMONIUM
    return out


def squares(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Å² (..., A, B) between atoms (..., A, 3) and (..., B, 3)."""
    out: np.ndarray = some @ (-2 * others.swapaxes(-1, -2))
    out += np.einsum("...ax,...ax->...a", some, some)[..., None]
    out += np.einsum("...ax,...ax->...a", others, others)[..., None, :]
    return out

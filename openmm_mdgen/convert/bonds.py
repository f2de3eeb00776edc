"""Bonds by distance, where a topology lists none."""

from __future__ import annotations

import numpy as np
from MDAnalysis.lib.distances import self_capped_distance

_STRETCH = 1.3  # a bond is where two atoms are closer than this many times the sum of their covalent radii
_RADII = {"H": 0.31, "C": 0.76, "N": 0.71, "O": 0.66, "S": 1.05}  # Å
_OTHER = 0.76
_LEAST = 0.3  # Å: closer atoms lie on one another


def bonds_by_distance(positions: np.ndarray, symbols: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
    """Pairs of atoms close enough for a bond, over the periodic box too; two hydrogens have none.

    MDAnalysis' own guess by van der Waals radii misses disulfides, at 2.05 Å.

    Parameters
    ----------
    positions
        (N, 3) Å.
    symbols
        (N,) element symbols.
    box
        (6,) lengths in Å and angles in degrees, if there is one.

    Returns
    -------
    numpy.ndarray
        (B, 2) indices, in order, the lower one first.

    Examples
    --------
    >>> bonds_by_distance(np.array([[0, 0, 0], [1.5, 0, 0], [9, 0, 0]]), np.array(["C", "C", "N"]))
    array([[0, 1]])
    """
    radii = np.array([_RADII.get(symbol, _OTHER) for symbol in symbols])
    if len(radii) < 2:
        return np.empty((0, 2), dtype=int)
    if box is not None and min(box[:3]) < 4 * _STRETCH * float(radii.max()):
        box = None  # the unit cube that NMR entries and some writers state
    pairs, lengths = self_capped_distance(
        np.asarray(positions, np.float32), 2 * _STRETCH * float(radii.max()), min_cutoff=_LEAST, box=box
    )
    pairs = np.sort(np.asarray(pairs, dtype=int).reshape(-1, 2), axis=1)
    bonded = (lengths < _STRETCH * radii[pairs].sum(1)) & (symbols[pairs] != "H").any(1)
    return np.unique(pairs[bonded], axis=0)

"""Weights of short segments by random clusterings, again and again (RiteWeight)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from openmm_mdgen.correction.reversible import connected_parts, reversible_stationary


@dataclass(frozen=True)
class Clusterings:
    """Cells of the first and last point of every segment in each of R random clusterings, (R, n) int each."""

    first: np.ndarray
    last: np.ndarray
    n_cells: int


def random_clusterings(
    first: np.ndarray, last: np.ndarray, n_cells: int, number: int, rng: np.random.Generator
) -> Clusterings:
    """Voronoi cells about points drawn from the data, anew for each clustering.

    Parameters
    ----------
    first, last : (n, D) ndarray
        Features of the segments' ends.
    n_cells : int
        Centres per clustering; doubles are dropped.
    number : int
        R.
    """
    points = np.concatenate((first, last))
    labels = np.empty((2, number, len(first)), np.int32)
    for k in range(number):
        drawn = points[rng.choice(len(points), min(n_cells, len(points)), replace=False)]
        tree = cKDTree(np.unique(drawn, axis=0))
        labels[0, k], labels[1, k] = tree.query(first)[1], tree.query(last)[1]
    return Clusterings(labels[0], labels[1], n_cells)


def iterate_weights(clusterings: Clusterings, initial: np.ndarray, n_sweeps: int = 4) -> np.ndarray:
    """Stationary weights of segments, without the error of a fixed discretisation.

    Each iteration counts weighted transitions between the cells of one clustering, finds the stationary distribution of
    the reversible chain, and scales the weights of the segments that start in a cell to the cell's share (Kania et al.,
    arXiv 2401.05597, there without reversibility). Weights of the last half of the iterations are averaged. Cells that
    are not connected to the others in a clustering keep their weights in it.

    Parameters
    ----------
    clusterings : Clusterings
    initial : (B, n) ndarray
        Above zero: B sets of weights that are iterated side by side.
    n_sweeps : int
        Times that every clustering is used.

    Returns
    -------
    (B, n) ndarray
        Rows sum to 1.
    """
    weights = initial / initial.sum(-1, keepdims=True)
    number = len(clusterings.first) * n_sweeps
    mean = np.zeros_like(weights)
    for k in range(number):
        place = k % len(clusterings.first)
        weights = _rescaled(weights, clusterings.first[place], clusterings.last[place], clusterings.n_cells)
        if k >= number // 2:
            mean += weights
    out: np.ndarray = mean / mean.sum(-1, keepdims=True)
    return out


def _rescaled(weights: np.ndarray, first: np.ndarray, last: np.ndarray, n_cells: int) -> np.ndarray:
    """One iteration."""
    n_sets = len(weights)
    code = first * n_cells + last
    counts = np.stack([np.bincount(code, w, n_cells**2) for w in weights]).reshape(n_sets, n_cells, n_cells)
    part = connected_parts(counts[0])[0]
    if len(part) < 2:
        return weights
    mass = counts.sum(-1)[:, part]
    share = reversible_stationary(counts[:, part[:, None], part])
    factors = np.ones((n_sets, n_cells))
    factors[:, part] = share * mass.sum(-1, keepdims=True) / mass
    scaled: np.ndarray = weights * factors[:, first]
    out: np.ndarray = scaled / scaled.sum(-1, keepdims=True)
    return out

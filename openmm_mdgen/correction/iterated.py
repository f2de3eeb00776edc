"""Weights of short segments by random clusterings, again and again (RiteWeight)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from openmm_mdgen.correction.prior import Prior
from openmm_mdgen.correction.reversible import connected_parts, reversible_stationary

_AT_ONCE = (1, 1, 2)  # groups of features that a clustering looks at, drawn from these


@dataclass(frozen=True)
class Clusterings:
    """Cells in each of R random clusterings: of the first and last point of every segment, of every generated frame.

    `first` and `last` are (R, n), `generated` is (R, G); int each.
    """

    first: np.ndarray
    last: np.ndarray
    generated: np.ndarray
    n_cells: int


def random_clusterings(
    first: np.ndarray,
    last: np.ndarray,
    n_cells: int,
    number: int,
    rng: np.random.Generator,
    generated: np.ndarray | None = None,
    groups: Sequence[np.ndarray] = (),
) -> Clusterings:
    """Voronoi cells about points drawn from the data, in one or two groups of features, anew for each clustering.

    In few torsions at a time runs meet and move often, where in all of them together each would be on its own; weights
    of equilibrium are stationary in every projection.

    Parameters
    ----------
    first, last : (n, D) ndarray
        Features of the segments' ends.
    n_cells : int
        Centres per clustering; doubles are dropped.
    number : int
        R.
    generated : (G, D) ndarray, optional
        Generated frames.
    groups : sequence of int ndarray
        Columns that belong together, such as the sine and cosine of a torsion; default: all.
    """
    points = np.concatenate((first, last))
    others = points[:0] if generated is None else generated
    groups = groups or [np.arange(points.shape[1])]
    labels, assigned = np.empty((2, number, len(first)), np.int32), np.empty((number, len(others)), np.int32)
    for k in range(number):
        at_once = min(int(rng.choice(_AT_ONCE)), len(groups))
        columns = np.concatenate([groups[g] for g in rng.choice(len(groups), at_once, replace=False)])
        drawn = points[rng.choice(len(points), min(n_cells, len(points)), replace=False)][:, columns]
        tree = cKDTree(np.unique(drawn, axis=0))
        labels[0, k], labels[1, k] = tree.query(first[:, columns])[1], tree.query(last[:, columns])[1]
        assigned[k] = tree.query(others[:, columns])[1]
    return Clusterings(labels[0], labels[1], assigned, n_cells)


def iterate_weights(
    clusterings: Clusterings, initial: np.ndarray, n_sweeps: int = 4, prior: Prior | None = None
) -> np.ndarray:
    """Stationary weights of segments, without the error of a fixed discretisation.

    Each iteration counts weighted transitions between the cells of one clustering, finds the stationary distribution of
    the reversible chain, and scales the weights of the segments that start in a cell to the cell's share (Kania et al.,
    arXiv 2401.05597, there without reversibility). Weights of the last half of the iterations are averaged. A prior
    connects all cells; without one, cells that are not connected to the others in a clustering keep their weights.

    Parameters
    ----------
    clusterings : Clusterings
    initial : (B, n) ndarray
        Above zero: B sets of weights that are iterated side by side.
    n_sweeps : int
        Times that every clustering is used.
    prior : Prior, optional
        With the generated frames of the clusterings, and one row for each of the B sets.

    Returns
    -------
    (B, n) ndarray
        Rows sum to 1.
    """
    weights = initial / initial.sum(-1, keepdims=True)
    number = len(clusterings.first) * n_sweeps
    mean = np.zeros_like(weights)
    for k in range(number):
        weights = _rescaled(weights, clusterings, k % len(clusterings.first), prior)
        if k >= number // 2:
            mean += weights
    out: np.ndarray = mean / mean.sum(-1, keepdims=True)
    return out


def _rescaled(weights: np.ndarray, clusterings: Clusterings, place: int, prior: Prior | None) -> np.ndarray:
    """One iteration."""
    n_sets, n_cells = len(weights), clusterings.n_cells
    first = clusterings.first[place]
    code = first * n_cells + clusterings.last[place]
    counts = np.stack([np.bincount(code, w, n_cells**2) for w in weights]).reshape(n_sets, n_cells, n_cells)
    part = connected_parts(counts[0])[0] if prior is None else np.flatnonzero(counts[0].sum(-1) > 0)
    if len(part) < 2:
        return weights
    inside = counts[:, part[:, None], part]
    mass = counts.sum(-1)[:, part]
    if prior is not None:
        inside[:, range(len(part)), range(len(part))] += mass - inside.sum(-1)  # what goes where nothing starts from
        shares = prior.shares(clusterings.generated[place], n_cells)[:, part]
        visits = np.bincount(first, minlength=n_cells)[part]
        inside = prior.add(inside, visits, shares / shares.sum(-1, keepdims=True))
    share = reversible_stationary(inside)
    factors = np.ones((n_sets, n_cells))
    factors[:, part] = share * mass.sum(-1, keepdims=True) / mass
    scaled: np.ndarray = weights * factors[:, first]
    out: np.ndarray = scaled / scaled.sum(-1, keepdims=True)
    return out

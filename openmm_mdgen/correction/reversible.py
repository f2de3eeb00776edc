"""Stationary distributions of reversible Markov chains, many at once."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

_MAX_STEPS = 100
_LONGEST_STEP = 2.0
_TOLERANCE = 1e-9
_RIDGE = 1e-13


def reversible_stationary(counts: np.ndarray) -> np.ndarray:
    """Stationary distributions of the reversible chains that make counts most likely.

    With v_i = c_i / pi_i the equations of the estimate (Prinz et al., J. Chem. Phys. 134, 174105, 2011) read
    sum_j c_ij = sum_j (c_ij + c_ji) v_i / (v_i + v_j) over j other than i: a Bradley-Terry model, convex in log v,
    solved here by Newton's method. Counts on the diagonal cancel, so that rare transitions do not slow it.

    Parameters
    ----------
    counts : (B, M, M) ndarray
        Not negative, of any scale; each must be strongly connected.

    Returns
    -------
    (B, M) ndarray
        Rows sum to 1.
    """
    n_states = counts.shape[-1]
    if n_states == 1:
        return np.ones(counts.shape[:2])
    rows = counts.sum(-1)
    away = counts * (1.0 - np.eye(n_states))
    away /= away.sum((-2, -1), keepdims=True)
    both, leaving = away + away.swapaxes(-1, -2), away.sum(-1)
    log_v = np.zeros(rows.shape)
    diagonal = np.arange(n_states)
    for _ in range(_MAX_STEPS):
        wins = 1.0 / (1.0 + np.exp(log_v[:, None, :] - log_v[:, :, None]))
        slope = (both * wins).sum(-1) - leaving
        curvature = -both * wins * (1.0 - wins)
        curvature[:, diagonal, diagonal] = _RIDGE - curvature.sum(-1)
        curvature += 1.0 / n_states  # fixes the sum of log v, which nothing else does
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        longest = np.abs(step).max(-1, keepdims=True)
        log_v -= step * np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, _LONGEST_STEP))
        if longest.max() < _TOLERANCE:
            break
    log_pi = np.log(rows) - log_v
    pi: np.ndarray = np.exp(log_pi - log_pi.max(-1, keepdims=True))
    out: np.ndarray = pi / pi.sum(-1, keepdims=True)
    return out


def connected_parts(counts: np.ndarray) -> list[np.ndarray]:
    """States that reach one another, by decreasing number of counts.

    Parameters
    ----------
    counts : (M, M) ndarray

    Returns
    -------
    list of int ndarray
        Every state is in one of them.
    """
    number, labels = connected_components(csr_matrix(counts > 0), directed=True, connection="strong")
    parts = [np.flatnonzero(labels == k) for k in range(number)]
    weight = counts.sum(1) + counts.sum(0)
    return sorted(parts, key=lambda part: (-weight[part].sum(), part[0]))

"""How fast torsions forget: autocorrelation and relaxation times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.fft import fft, ifft, next_fast_len

from openmm_mdgen.errors import MDGenError


def autocorrelation(units: Sequence[np.ndarray], max_lag: int, normalised: bool = True) -> np.ndarray:
    """<cos(theta(s + lag) - theta(s))> of every torsion for lags 0 .. max_lag.

    Parameters
    ----------
    units : sequence of (T, K) ndarray
        Replicas, radians; lengths may differ.
    max_lag : int
        Frames; less than the length of the longest replica.
    normalised : bool
        Less its long-time limit |<exp(i theta)>|^2, divided so that lag 0 is 1; NaN for a torsion that never moves.

    Returns
    -------
    (max_lag + 1, K) ndarray

    Raises
    ------
    MDGenError
        When no replica is longer than `max_lag`.
    """
    longest = max(len(u) for u in units)
    if longest <= max_lag:
        raise MDGenError(
            f"{longest} frames are too few for a lag of {max_lag} frames; at least {max_lag + 1} are needed"
        )
    lags = np.arange(max_lag + 1)
    total = np.sum([_products(u, max_lag) for u in units], axis=0)
    count = np.sum([np.maximum(len(u) - lags, 0) for u in units], axis=0)
    value: np.ndarray = total / count[:, None]
    if not normalised:
        return value
    limit = long_time_limit(units)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(1 - limit > 1e-10, (value - limit) / (1 - limit), np.nan)


def long_time_limit(units: Sequence[np.ndarray]) -> np.ndarray:
    """|<exp(i theta)>|^2 over all replicas, (K,)."""
    total = sum(np.array([np.exp(1j * column.astype(float)).sum() for column in u.T]) for u in units)
    return np.abs(total / sum(len(u) for u in units)) ** 2


def _products(angles: np.ndarray, max_lag: int) -> np.ndarray:
    """Sum over s of cos(theta(s + lag) - theta(s)), (max_lag + 1, K), column by column to bound memory."""
    stop = min(max_lag + 1, len(angles))
    n = next_fast_len(len(angles) + stop)
    out = np.zeros((max_lag + 1, angles.shape[1]))
    for k, column in enumerate(angles.T):
        spectrum = fft(np.exp(1j * column.astype(float)), n)
        out[:stop, k] = ifft(np.abs(spectrum) ** 2)[:stop].real
    return out


def linear_autocorrelation(units: Sequence[np.ndarray], max_lag: int) -> np.ndarray:
    """Normalised autocorrelation of every column of (T, D) series about the common mean, (max_lag + 1, D)."""
    mean = np.concatenate(units).mean(0, dtype=float)
    variance = np.concatenate(units).var(0, dtype=float)
    count = np.sum([np.maximum(len(u) - np.arange(max_lag + 1), 0) for u in units], axis=0)
    total = np.zeros((max_lag + 1, len(mean)))
    for u in units:
        stop = min(max_lag + 1, len(u))
        for k in range(len(mean)):
            spectrum = fft(u[:, k].astype(float) - mean[k], next_fast_len(len(u) + stop))
            total[:stop, k] += ifft(np.abs(spectrum) ** 2)[:stop].real
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 1e-12, total / count[:, None] / variance, np.nan)


def at_lag(curves: np.ndarray, dt: float, lag: float) -> np.ndarray:
    """Values of curves (L, K) at a lag in ps, interpolated between frames; NaN beyond the last lag."""
    place = lag / dt
    low = int(place + 1e-6)
    high = min(low + 1, len(curves) - 1)
    if low >= len(curves):
        return np.full(curves.shape[1], np.nan)
    out: np.ndarray = curves[low] + max(place - low, 0.0) * (curves[high] - curves[low])
    return out


def dynamical_content(curves: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Motion per decade of time: minus the slope of autocorrelation over the base-10 logarithm of lag.

    Parameters
    ----------
    curves : (L, K) ndarray
        At `lags`, all above zero.
    lags : (L,) ndarray
        ps, ascending.

    Returns
    -------
    (L - 1, K) ndarray
        Between consecutive lags; their geometric means are the times it belongs to.
    """
    out: np.ndarray = -np.diff(curves, axis=0) / np.diff(np.log10(lags))[:, None]
    return out


def relaxation_times(curves: np.ndarray, dt: float) -> np.ndarray:
    """Time at which a normalised autocorrelation first falls to 1/e, interpolated between frames.

    Parameters
    ----------
    curves : (L, K) ndarray
        Lags 0, 1, ... as from `autocorrelation`.
    dt : float
        ps between frames.

    Returns
    -------
    (K,) ndarray
        ps; infinity where the curve stays above 1/e, NaN where it is undefined.
    """
    level = 1 / np.e
    out = np.full(curves.shape[1], np.inf)
    for k, curve in enumerate(curves.T):
        below = np.flatnonzero(curve < level)
        if np.isnan(curve[0]):
            out[k] = np.nan
        elif len(below):
            i = below[0]
            out[k] = dt * (i - 1 + (curve[i - 1] - level) / (curve[i - 1] - curve[i]))
    return out


def shuffled(units: Sequence[np.ndarray], seed: int = 0) -> list[np.ndarray]:
    """Frames in random order, replica by replica: ensembles stay, dynamics go."""
    rng = np.random.default_rng(seed)
    return [u[rng.permutation(len(u))] for u in units]

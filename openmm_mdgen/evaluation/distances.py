"""Jensen-Shannon distances between histograms, and their uncertainty by resampling replicas or blocks.

Square root of the divergence, natural logarithm, 100 bins on the circle, 50 x 50 in two dimensions: the conventions of
the MDGen paper (arXiv:2409.17808, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import rel_entr

BINS = 100
BINS_2D = 50
_CIRCLE = (-np.pi, np.pi)


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % bootstrap interval (NaN where there was nothing to resample)."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    def __str__(self) -> str:
        interval = "" if np.isnan(self.low) else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval}"


def jsd(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance of histograms along the last axis.

    Parameters
    ----------
    p, q : (..., B) ndarray
        Counts, or anything proportional to probabilities; leading axes broadcast.

    Returns
    -------
    (...) ndarray
        Between 0 and sqrt(ln 2) = 0.833; NaN where a histogram is empty.
    """
    with np.errstate(invalid="ignore"):
        p = p / p.sum(-1, keepdims=True)
        q = q / q.sum(-1, keepdims=True)
    m = (p + q) / 2
    out: np.ndarray = np.sqrt(np.maximum((rel_entr(p, m) + rel_entr(q, m)).sum(-1) / 2, 0))
    return out


def histograms(units: Sequence[np.ndarray], bins: int = BINS, span: tuple[float, float] = _CIRCLE) -> np.ndarray:
    """Histograms of every column of every unit; values outside `span` are not counted.

    Parameters
    ----------
    units : sequence of (T, K) ndarray
        Replicas or blocks; angles in radians by default.

    Returns
    -------
    (U, K, bins) ndarray
    """
    counts = [[np.histogram(column, bins, span)[0] for column in unit.T] for unit in units]
    return np.array(counts, float).reshape(len(units), -1, bins)


def joint_histograms(
    units: Sequence[np.ndarray],
    pairs: Sequence[tuple[int, int]],
    bins: int = BINS_2D,
    span: Sequence[tuple[float, float]] = (_CIRCLE, _CIRCLE),
) -> np.ndarray:
    """Two-dimensional histograms of pairs of columns, flattened: (U, len(pairs), bins * bins)."""
    counts = [[np.histogram2d(u[:, i], u[:, j], bins, span)[0].ravel() for i, j in pairs] for u in units]
    return np.array(counts, float).reshape(len(units), len(pairs), bins * bins)


def span_of(*groups: Sequence[np.ndarray]) -> list[tuple[float, float]]:
    """Smallest and largest value of every column over several groups of units."""
    low = np.min([u.min(0) for g in groups for u in g], axis=0)
    high = np.max([u.max(0) for g in groups for u in g], axis=0)
    return [(float(a), float(b)) if b > a else (float(a) - 0.5, float(a) + 0.5) for a, b in zip(low, high, strict=True)]


def resample(
    reference: np.ndarray,
    generated: np.ndarray,
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    n: int = 200,
    seed: int = 0,
) -> Estimate:
    """A score of pooled histograms with its interval over resampled units.

    Resampling units with replacement adds sampling noise, which raises a distance; the percentiles are therefore
    moved so that the middle of the resampled scores falls on the score itself.

    Parameters
    ----------
    reference, generated : (U, K, B) ndarray
        Histograms per replica or block; the two may differ in U. A single unit is not resampled.
    score : callable
        ((..., K, B), (..., K, B)) -> (...), for instance a mean of `jsd` over K.
    """
    value = float(score(reference.sum(0), generated.sum(0)))
    if np.isnan(value) or (len(reference) < 2 and len(generated) < 2):
        return Estimate(value)
    rng = np.random.default_rng(seed)
    draws = [float(score(_draw(reference, rng), _draw(generated, rng))) for _ in range(n)]
    return centred_interval(value, draws, 0.0)


def centred_interval(value: float, draws: Sequence[float], least: float) -> Estimate:
    """95 % of the draws, moved so that their median falls on the value, and cut off at `least`."""
    low, middle, high = np.nanpercentile(draws, [2.5, 50, 97.5])
    return Estimate(value, float(max(value + low - middle, least)), float(value + high - middle))


def _draw(units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pooled histogram of as many units, drawn with replacement."""
    return np.tensordot(rng.multinomial(len(units), np.full(len(units), 1 / len(units))).astype(float), units, 1)


def mean_jsd(reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Mean over K of the distance of (..., K, B) histograms; NaN when K is 0."""
    if reference.shape[-2] == 0:
        return np.full(reference.shape[:-2], np.nan)
    out: np.ndarray = jsd(reference, generated).mean(-1)
    return out


def blocks(units: Sequence[np.ndarray], n: int = 10) -> list[np.ndarray]:
    """The units themselves, or `n` contiguous blocks where there is only one."""
    if len(units) > 1:
        return list(units)
    return np.array_split(units[0], min(n, len(units[0])))

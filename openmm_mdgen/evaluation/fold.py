"""Whether a fold holds: native contacts, fluctuations and distances of C-alphas, beside random halves of the MD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import pearsonr

from openmm_mdgen.evaluation.atlas import fluctuations, pairwise_rmsd
from openmm_mdgen.geometry.superpose import superpose

_NATIVE, _APART, _STRETCH = 8.0, 3, 1.2  # Å; residues; how far a native contact may lengthen
FOLDED = 0.75  # share of native contacts from which a frame is folded


@dataclass(frozen=True)
class FoldScores:
    """One set of trajectories against another.

    Attributes
    ----------
    rmsf_r
        Pearson's correlation of C-alpha fluctuations.
    rmsf, pairwise_rmsd
        Means of the set that is judged, Å.
    contacts
        Mean share of native contacts; NaN where there are none.
    folded
        Share of frames with at least `FOLDED` of them.
    """

    rmsf_r: float
    rmsf: float
    pairwise_rmsd: float
    contacts: float
    folded: float


@dataclass(frozen=True)
class Band:
    """5th percentile, median and 95th percentile over halvings."""

    low: float
    median: float
    high: float


def native_pairs(native: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P, 2) C-alphas at least three residues apart and closer than 8 Å in (n, 3) Å, and (P,) their distances."""
    distance = np.linalg.norm(native[:, None] - native, axis=-1)
    i, j = np.triu_indices(len(native), _APART)
    near = distance[i, j] < _NATIVE
    return np.stack([i[near], j[near]], 1), distance[i, j][near]


def contact_share(frames: np.ndarray, native: np.ndarray) -> np.ndarray:
    """(...) share of native contacts in frames (..., n, 3); NaN where the native structure (n, 3) has none."""
    pairs, lengths = native_pairs(native)
    if not len(pairs):
        return np.full(frames.shape[:-2], np.nan)
    now = np.linalg.norm(frames[..., pairs[:, 0], :] - frames[..., pairs[:, 1], :], axis=-1)
    return np.asarray((now < _STRETCH * lengths).mean(-1))


def score_fold(judged: np.ndarray, reference: np.ndarray, native: np.ndarray, most: int = 500) -> FoldScores:
    """Replicas (R, F, n, 3) of C-alphas in Å against others.

    Parameters
    ----------
    judged, reference : numpy.ndarray
    native : numpy.ndarray
        (n, 3) the folded structure.
    most : int
        Frames, evenly spaced, for distances between pairs.
    """
    flat = [x.reshape(-1, *x.shape[-2:]).astype(np.float64) for x in (judged, reference)]
    rmsf = [fluctuations(x, native.astype(np.float64)) for x in flat]
    laid = superpose(flat[0][:: max(1, len(flat[0]) // most)], native.astype(np.float64))
    share = contact_share(flat[0], native)
    known = bool(np.isfinite(share).all())
    return FoldScores(
        rmsf_r=float(pearsonr(*rmsf)[0]),
        rmsf=float(rmsf[0].mean()),
        pairwise_rmsd=pairwise_rmsd(laid, laid),
        contacts=float(share.mean()),
        folded=float((share >= FOLDED).mean()) if known else float("nan"),
    )


def halvings(n: int, count: int = 40, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random halves of n replicas."""
    rng = np.random.default_rng(seed)
    orders = (rng.permutation(n) for _ in range(count))
    return [(order[: n // 2], order[n // 2 :]) for order in orders]


def fold_bands(replicas: np.ndarray, native: np.ndarray, count: int = 40, seed: int = 0) -> dict[str, Band]:
    """What one half of the MD (R, F, n, 3) scores against the other, over random halvings, by name."""
    found = [asdict(score_fold(replicas[a], replicas[b], native)) for a, b in halvings(len(replicas), count, seed)]
    return {name: band([row[name] for row in found]) for name in found[0]}


def band(values: Sequence[float]) -> Band:
    """Percentiles of values."""
    return Band(*(float(x) for x in np.nanpercentile(values, (5, 50, 95))))

"""Flexibility and spread of chains of any length, by their C-alpha atoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from openmm_mdgen.geometry.superpose import superpose

_PAIRS = 5000
_TRANSPORT = 400


@dataclass(frozen=True)
class ChainScores:
    """C-alpha statistics of a reference and of a generated ensemble.

    Attributes
    ----------
    rmsf_reference, rmsf_generated : (A,) ndarray
        Å, about the mean of each, superposed.
    rmsf_r : float
        Pearson correlation of the two; NaN below three atoms.
    pairwise_rmsd_reference, pairwise_rmsd_generated : float
        Å, mean over pairs of frames of one ensemble, superposed pair by pair.
    w2_reference_pca, w2_joint_pca : float
        Å, 2-Wasserstein distance of the first two principal components of the reference, or of both together, as RMSD.
    w2_halves : float
        Å, the same of the reference's first half to its second: what sampling alone makes of it.
    """

    rmsf_reference: np.ndarray
    rmsf_generated: np.ndarray
    rmsf_r: float
    pairwise_rmsd_reference: float
    pairwise_rmsd_generated: float
    w2_reference_pca: float
    w2_joint_pca: float
    w2_halves: float


def score_chains(reference: np.ndarray, generated: np.ndarray, seed: int = 0) -> ChainScores:
    """Compare two ensembles of C-alpha positions, (F, A, 3) Å each, A at least 2."""
    mean = mean_structure(reference)
    a, b = superposed(reference, mean), superposed(generated, mean)
    first, second = rmsf(reference), rmsf(generated)
    moves = len(first) > 2 and np.ptp(first) > 1e-6 and np.ptp(second) > 1e-6
    rng = np.random.default_rng(seed)
    return ChainScores(
        rmsf_reference=first,
        rmsf_generated=second,
        rmsf_r=float(np.corrcoef(first, second)[0, 1]) if moves else float("nan"),
        pairwise_rmsd_reference=pairwise_rmsd(reference, rng),
        pairwise_rmsd_generated=pairwise_rmsd(generated, rng),
        w2_reference_pca=_w2_in_components(a, b, a, rng),
        w2_joint_pca=_w2_in_components(a, b, np.concatenate([a, b]), rng),
        w2_halves=_w2_in_components(a[: len(a) // 2], a[len(a) // 2 :], a, rng),
    )


def superposed(frames: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Frames (F, A, 3) moved and turned onto `target` (A, 3) or, one by one, (F, A, 3), in double precision."""
    return superpose(frames.astype(float), target.astype(float))


def mean_structure(frames: np.ndarray, rounds: int = 3) -> np.ndarray:
    """Mean of the frames superposed on their own mean, (A, 3)."""
    mean: np.ndarray = frames[0]
    for _ in range(rounds):
        mean = superposed(frames, mean).mean(0)
    return mean


def rmsf(frames: np.ndarray) -> np.ndarray:
    """Root mean square fluctuation of every atom about the mean structure, (A,) Å."""
    moved = superposed(frames, mean_structure(frames))
    out: np.ndarray = np.sqrt(((moved - moved.mean(0)) ** 2).sum(-1).mean(0))
    return out


def pairwise_rmsd(frames: np.ndarray, rng: np.random.Generator) -> float:
    """Mean RMSD in Å of random pairs of different frames, each superposed; NaN for a single frame."""
    n = len(frames)
    if n < 2:
        return float("nan")
    i = rng.integers(n, size=_PAIRS)
    j = (i + rng.integers(1, n, size=_PAIRS)) % n
    difference = superposed(frames[i], frames[j]) - frames[j]
    return float(np.sqrt((difference**2).sum(-1).mean(-1)).mean())


def wasserstein_2(a: np.ndarray, b: np.ndarray) -> float:
    """2-Wasserstein distance of two samples of equal size, (n, D) each, by optimal assignment."""
    cost = ((a[:, None] - b[None]) ** 2).sum(-1)
    rows, columns = linear_sum_assignment(cost)
    return float(np.sqrt(cost[rows, columns].mean()))


def _w2_in_components(a: np.ndarray, b: np.ndarray, basis: np.ndarray, rng: np.random.Generator) -> float:
    """Distance of superposed ensembles in the first two principal components of `basis`."""
    flat = basis.reshape(len(basis), -1)
    _, _, vt = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    n = min(len(a), len(b), _TRANSPORT)
    chosen = [x.reshape(len(x), -1)[rng.choice(len(x), n, replace=False)] for x in (a, b)]
    p, q = ((x - flat.mean(0)) @ vt[:2].T for x in chosen)
    return wasserstein_2(p, q) / float(np.sqrt(a.shape[1]))

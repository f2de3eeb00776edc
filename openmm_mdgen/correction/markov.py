"""A reversible Markov model of short runs: clusters, connected parts, metastable states, kinetics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from openmm_mdgen.correction.reversible import connected_parts
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.extras import require

_FIT_FRAMES = 20_000
_FRAMES_PER_CLUSTER = 20
_MOST_STATES = 6
_SLOW = 3.0  # lags: a slower process parts two states


@dataclass(frozen=True)
class MarkovModel:
    """Clusters of short runs and the chain between those that are connected.

    Attributes
    ----------
    centres : (M, D) ndarray
        Of all clusters.
    paths : list of (T,) int ndarray
        Cluster of every frame, per run.
    counts : (K, M, M) ndarray
        Transitions at the lag, per run, overlapping ones included.
    parts : list of int ndarray
        Clusters that reach one another; the chain lives on the first.
    states : (M,) int ndarray
        Metastable state of each cluster, by decreasing population; -1 outside the first part.
    stationary : (M,) ndarray
        Zero outside the first part.
    lag : int
        Frames.
    timescales : ndarray
        Frames, slowest first.
    chain : deeptime MarkovStateModel
        On the clusters of the first part, in their order.
    """

    centres: np.ndarray
    paths: list[np.ndarray]
    counts: np.ndarray
    parts: list[np.ndarray]
    states: np.ndarray
    stationary: np.ndarray
    lag: int
    timescales: np.ndarray
    chain: Any

    @property
    def n_states(self) -> int:
        return int(self.states.max()) + 1

    def assign(self, features: np.ndarray) -> np.ndarray:
        """Cluster of each frame (F, D), (F,)."""
        return np.asarray(cKDTree(self.centres).query(features)[1], int)

    def transitions(self) -> np.ndarray:
        """Moves from state to state in all runs, looked at once a lag, (S, S); frames outside the part are skipped."""
        moves = np.zeros((self.n_states, self.n_states), int)
        for path in self.paths:
            seen = self.states[path[:: self.lag]]
            seen = seen[seen >= 0]
            np.add.at(moves, (seen[:-1], seen[1:]), 1)
        return moves

    def passage_times(self) -> np.ndarray:
        """Mean first passage times from state to state, (S, S) frames; zero on the diagonal."""
        states = self.states[self.parts[0]]
        sets = [np.flatnonzero(states == s) for s in range(self.n_states)]
        times = np.zeros((self.n_states, self.n_states))
        for i, start in enumerate(sets):
            for j, end in enumerate(sets):
                if i != j:
                    times[i, j] = self.chain.mfpt(start, end)
        return times


def fit_markov(runs: Sequence[np.ndarray], lag: int, n_clusters: int = 100, seed: int = 0) -> MarkovModel:
    """Cluster the frames of short runs by k-means and estimate a reversible chain at a lag.

    Parameters
    ----------
    runs : sequence of (T, D) ndarray
        Features, equally spaced in time.
    lag : int
        Frames.
    n_clusters : int
        Upper limit; 20 frames a cluster are needed.

    Raises
    ------
    MDGenError
        When runs are no longer than the lag, or nothing returns to where it has been.
    """
    longest = max(map(len, runs))
    if longest <= lag:
        raise MDGenError(f"runs of {longest} frames are too short for a lag of {lag}; run longer or shorten the lag")
    frames = np.concatenate(runs).astype(np.float64)
    number = max(2, min(n_clusters, len(frames) // _FRAMES_PER_CLUSTER))
    while True:
        centres = cluster_centres(frames, number, seed)
        tree = cKDTree(centres)
        paths = [np.asarray(tree.query(run)[1], np.int32) for run in runs]
        counts = np.stack([_counts(path, len(centres), lag) for path in paths])
        parts = connected_parts(counts.sum(0))
        if len(parts[0]) > 1 or number == 2:
            break
        number = max(2, number // 2)  # coarser ones are entered more often
    if len(parts[0]) < 2:
        raise MDGenError(
            f"no cluster of {len(runs)} runs is left and entered again at a lag of {lag} frames, so nothing can be "
            "weighted; run longer, from more seeds, or shorten the lag"
        )
    return _model(centres, paths, counts, parts, lag)


def cluster_centres(frames: np.ndarray, number: int, seed: int) -> np.ndarray:
    """k-means centres (at most `number`, D) of frames (F, D); deterministic."""
    distinct = np.unique(frames, axis=0)
    if len(distinct) <= number:
        return distinct
    sample = frames[:: max(1, len(frames) // _FIT_FRAMES)]
    estimator = require("deeptime.clustering").KMeans(number, max_iter=100, fixed_seed=seed, n_jobs=1)
    return np.unique(np.asarray(estimator.fit_fetch(sample).cluster_centers), axis=0)


def _counts(path: np.ndarray, n_clusters: int, lag: int) -> np.ndarray:
    code = path[:-lag].astype(int) * n_clusters + path[lag:] if len(path) > lag else np.zeros(0, int)
    return np.bincount(code, minlength=n_clusters**2).reshape(n_clusters, n_clusters)


def _model(
    centres: np.ndarray, paths: list[np.ndarray], counts: np.ndarray, parts: list[np.ndarray], lag: int
) -> MarkovModel:
    chain = estimate_chain(counts.sum(0), parts[0], lag)
    slow = np.asarray(chain.timescales(len(parts[0]) - 1), float)
    n_states = min(int(np.clip((slow > _SLOW * lag).sum() + 1, 2, _MOST_STATES)), len(parts[0]))
    states = np.full(len(centres), -1)
    states[parts[0]] = _metastable(chain, n_states)
    stationary = np.zeros(len(centres))
    stationary[parts[0]] = chain.stationary_distribution
    return MarkovModel(centres, paths, counts, parts, states, stationary, lag, slow, chain)


def estimate_chain(counts: np.ndarray, part: np.ndarray, lag: int) -> Any:
    """The reversible chain of greatest likelihood on some states of counts (M, M); its times are in frames."""
    markov, msm = require("deeptime.markov"), require("deeptime.markov.msm")
    model = markov.TransitionCountModel(counts[np.ix_(part, part)].astype(float), lagtime=lag)
    return msm.MaximumLikelihoodMSM(reversible=True, maxiter=100_000).fit_fetch(model)


def _metastable(chain: Any, n_states: int) -> np.ndarray:
    """State of each cluster by PCCA, numbered from the most to the least populated."""
    crisp = np.asarray(chain.pcca(n_states).assignments)
    weights = np.bincount(crisp, chain.stationary_distribution, n_states)
    order = [s for s in np.argsort(-weights, kind="stable") if (crisp == s).any()]
    return np.array([order.index(s) for s in crisp])


def implied_timescales(model: MarkovModel, lags: Sequence[int], number: int = 3) -> np.ndarray:
    """Slowest timescales in frames at several lags, (len(lags), number); NaN where runs are too short or parted."""
    out = np.full((len(lags), number), np.nan)
    for row, lag in zip(out, lags, strict=True):
        counts = sum(_counts(path, len(model.centres), lag) for path in model.paths)
        part = connected_parts(np.asarray(counts))[0]
        if len(part) > 1:
            chain = estimate_chain(np.asarray(counts), part, lag)
            found = np.asarray(chain.timescales(min(number, len(part) - 1)), float)
            row[: len(found)] = found
    return out

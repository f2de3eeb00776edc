"""A reversible Markov model of short runs: clusters, connected parts, metastable states, kinetics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.csgraph import shortest_path
from scipy.spatial import cKDTree

from openmm_mdgen.correction.prior import Prior, strength_of
from openmm_mdgen.correction.reversible import connected_parts
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.extras import require

_FIT_FRAMES = 20_000
_FRAMES_PER_CLUSTER = 20
_MOST_STATES = 6
_SLOW = 3.0  # lags: a slower process parts two states


@dataclass(frozen=True)
class MarkovModel:
    """Clusters of short runs, and the chain between them: moves of the runs, and a weak prior where there are few.

    Attributes
    ----------
    centres : (M, D) ndarray
        Of all clusters.
    paths : list of (T,) int ndarray
        Cluster of every frame, per run.
    counts : (K, M, M) ndarray
        Transitions at the lag, per run, overlapping ones included.
    prior : Prior
        Without resamples.
    shares : (1, M) ndarray
        Of generated frames.
    parts : list of int ndarray
        Clusters that reach one another by moves of the runs.
    states : (M,) int ndarray
        Metastable state of each cluster, by decreasing population.
    stationary : (M,) ndarray
    lag : int
        Frames.
    timescales : ndarray
        Frames, slowest first.
    chain : deeptime MarkovStateModel
        On all clusters.
    """

    centres: np.ndarray
    paths: list[np.ndarray]
    counts: np.ndarray
    prior: Prior
    shares: np.ndarray
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
        """Moves from state to state in all runs, looked at once a lag, (S, S)."""
        moves = np.zeros((self.n_states, self.n_states), int)
        for path in self.paths:
            seen = self.states[path[:: self.lag]]
            np.add.at(moves, (seen[:-1], seen[1:]), 1)
        return moves

    def passage_times(self) -> np.ndarray:
        """Mean first passage times from state to state, (S, S) frames; NaN where no run leads there, 0 to itself."""
        sets = [np.flatnonzero(self.states == s) for s in range(self.n_states)]
        led = shortest_path(self.transitions() > 0, unweighted=True)
        times = np.zeros((self.n_states, self.n_states))
        for i, start in enumerate(sets):
            for j, end in enumerate(sets):
                if i != j:
                    times[i, j] = self.chain.mfpt(start, end) if np.isfinite(led[i, j]) else np.nan
        return times

    def borrowed(self) -> np.ndarray:
        """Share of each state's flow to and from others that is the prior's and not the runs', (S,), 0 to 1."""
        moves, prior = (self._between(self._flow(counts)) for counts in self._terms())
        return np.asarray(prior / np.maximum(moves + prior, 1e-300))

    def _terms(self) -> tuple[np.ndarray, np.ndarray]:
        """Transitions of the runs, and those that the prior adds."""
        own = visited(self.counts.sum(0))
        return own, with_prior(own, self.paths, self.prior, self.shares) - own

    def _flow(self, counts: np.ndarray) -> np.ndarray:
        return np.asarray(self.stationary[:, None] * counts / visited(self.counts.sum(0)).sum(1, keepdims=True))

    def _between(self, flow: np.ndarray) -> np.ndarray:
        """What leaves and enters each state."""
        other = flow * (self.states[:, None] != self.states[None, :])
        return np.bincount(self.states, other.sum(0) + other.sum(1), self.n_states)


def fit_markov(
    runs: Sequence[np.ndarray],
    lag: int,
    n_clusters: int = 100,
    seed: int = 0,
    generated: np.ndarray | None = None,
    n_groups: int = 1,
) -> MarkovModel:
    """Cluster the frames of short runs by k-means and estimate a reversible chain at a lag.

    Parameters
    ----------
    runs : sequence of (T, D) ndarray
        Features, equally spaced in time.
    lag : int
        Frames.
    n_clusters : int
        Upper limit; 20 frames a cluster are needed.
    generated : (G, D) ndarray, optional
        Generated frames, whose shares are kept between what runs do not connect; default: the starts of the runs.
    n_groups : int
        Torsions that the features are of.

    Raises
    ------
    MDGenError
        When runs are no longer than the lag.
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
    starts = np.array([run[0] for run in runs]) if generated is None else generated
    prior = prior_of(runs, lag, np.ones((1, len(starts))), n_groups)
    shares = prior.shares(tree.query(starts)[1], len(centres))
    return _model(centres, paths, counts, prior, shares, parts, lag)


def prior_of(runs: Sequence[np.ndarray], lag: int, frames: np.ndarray, n_groups: int) -> Prior:
    """The prior of generated frames with weights (B, G) for runs of so many torsions, and a lag."""
    steps = max(1, round(float(np.mean([len(run) for run in runs])) / lag))
    return Prior(frames, lag, steps, strength_of(n_groups))


def visited(counts: np.ndarray) -> np.ndarray:
    """Counts (..., M, M) with one that stays in every cluster that nothing starts from."""
    out = counts.astype(float)
    diagonal = np.arange(counts.shape[-1])
    out[..., diagonal, diagonal] += out.sum(-1) == 0
    return out


def with_prior(counts: np.ndarray, paths: Sequence[np.ndarray], prior: Prior, shares: np.ndarray) -> np.ndarray:
    """Counts (M, M) or (B, M, M) of the clusters that runs went through, with the prior's."""
    visits = np.bincount(np.concatenate([path[: -int(prior.lag)] for path in paths]), minlength=counts.shape[-1])
    out = prior.add(counts if counts.ndim == 3 else counts[None], visits, shares)
    return out if counts.ndim == 3 else out[0]


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
    centres: np.ndarray,
    paths: list[np.ndarray],
    counts: np.ndarray,
    prior: Prior,
    shares: np.ndarray,
    parts: list[np.ndarray],
    lag: int,
) -> MarkovModel:
    everything = np.arange(len(centres))
    chain = estimate_chain(with_prior(visited(counts.sum(0)), paths, prior, shares), everything, lag)
    slow = np.asarray(chain.timescales(len(centres) - 1), float) if len(centres) > 1 else np.zeros(0)
    n_states = min(int(np.clip((slow > _SLOW * lag).sum() + 1, 2, _MOST_STATES)), len(centres))
    states = _metastable(chain, n_states) if n_states > 1 else np.zeros(len(centres), int)
    stationary = np.asarray(chain.stationary_distribution)
    return MarkovModel(centres, paths, counts, prior, shares, parts, states, stationary, lag, slow, chain)


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

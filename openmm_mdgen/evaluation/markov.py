"""Markov state models: states of the reference, how often and by which ways they are visited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.extras import require

_FIT_FRAMES = 50_000
_FRAMES_PER_CLUSTER = 20


@dataclass(frozen=True)
class StateModel:
    """Metastable states of a reference.

    Attributes
    ----------
    centres : (M, D) ndarray
        Cluster centres in slow components, connected ones only.
    states : (M,) int ndarray
        Metastable state of each cluster, 0 the most populated.
    n_states : int
    lag : int
        Frames of the reference.
    timescales : (M - 1,) ndarray
        ps, implied by the transition matrix between clusters.
    model : deeptime MarkovStateModel
        Between the clusters.
    """

    centres: np.ndarray
    states: np.ndarray
    n_states: int
    lag: int
    timescales: np.ndarray
    model: Any

    def assign(self, projected: Sequence[np.ndarray]) -> list[np.ndarray]:
        """State of every frame, (T,) int per unit, from slow components (T, D)."""
        tree, dim = cKDTree(self.centres), self.centres.shape[1]
        return [self.states[tree.query(u[:, :dim])[1]] for u in projected]


def fit_states(
    projected: Sequence[np.ndarray], lag: int, dt: float, n_clusters: int = 100, n_states: int = 10, seed: int = 0
) -> StateModel:
    """Cluster slow components by k-means, estimate a reversible Markov model, group clusters by PCCA.

    k-means sees at most 50,000 evenly spaced frames. Clusters outside the largest connected set are dropped, and their
    frames fall to the nearest remaining centre. Short references get fewer clusters (20 frames each) and states.

    Parameters
    ----------
    projected : sequence of (T, D) ndarray
        The reference's slow components, per replica.
    lag : int
        Frames.
    dt : float
        ps between frames.

    Raises
    ------
    MDGenError
        When the reference is too short for two clusters, or never returns to where it has been.
    """
    clustering, markov = require("deeptime.clustering"), require("deeptime.markov")
    msm = require("deeptime.markov.msm")
    frames = np.concatenate(projected)
    n_clusters = min(n_clusters, len(frames) // _FRAMES_PER_CLUSTER)
    if n_clusters < 2:
        raise MDGenError(
            f"{len(frames)} frames are too few for states; the reference needs at least {2 * _FRAMES_PER_CLUSTER}"
        )
    sample = frames[:: max(1, len(frames) // _FIT_FRAMES)].astype(np.float64)
    estimator = clustering.KMeans(n_clusters, max_iter=100, fixed_seed=seed, n_jobs=1)
    centres = np.asarray(estimator.fit_fetch(sample).cluster_centers)
    tree = cKDTree(centres)
    paths = [np.asarray(tree.query(u)[1], np.int32) for u in projected]
    counts = markov.TransitionCountEstimator(lag, "sliding").fit_fetch(paths).submodel_largest()
    if counts.n_states < 2:
        raise MDGenError(
            f"the reference never returns to a state at a lag of {lag * dt:g} ps; give a longer one or a shorter lag"
        )
    model = msm.MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)
    states = _metastable(model, n_states)
    return StateModel(
        centres=centres[counts.state_symbols],
        states=states,
        n_states=int(states.max()) + 1,
        lag=lag,
        timescales=np.asarray(model.timescales()) * dt,
        model=model,
    )


def _metastable(model: Any, n_states: int) -> np.ndarray:
    """State of each cluster by PCCA, numbered from the most to the least populated."""
    crisp = np.asarray(model.pcca(min(n_states, model.n_states)).assignments)
    weights = np.bincount(crisp, model.stationary_distribution)
    order = [s for s in np.argsort(-weights) if (crisp == s).any()]
    return np.array([order.index(s) for s in crisp])


def populations(assigned: Sequence[np.ndarray], n_states: int) -> np.ndarray:
    """Frames in each state, (U, n_states)."""
    return np.array([np.bincount(a, minlength=n_states) for a in assigned], float)


def transition_counts(assigned: Sequence[np.ndarray], n_states: int, lag: int) -> np.ndarray:
    """Transitions from state to state at a lag, (U, n_states, n_states)."""
    code = [a[:-lag] * n_states + a[lag:] if len(a) > lag else np.zeros(0, int) for a in assigned]
    return np.array([np.bincount(c, minlength=n_states**2).reshape(n_states, n_states) for c in code], float)


def fluxes(counts: np.ndarray) -> np.ndarray:
    """Share of all transitions that go from i to j: pi_i T_ij, (..., S, S)."""
    with np.errstate(invalid="ignore"):
        out: np.ndarray = counts / counts.sum((-2, -1), keepdims=True)
        return out


def flux_spearman(reference: np.ndarray, generated: np.ndarray) -> float:
    """Rank correlation of the off-diagonal fluxes of two (S, S) matrices; NaN where all are the same."""
    away = ~np.eye(len(reference), dtype=bool)
    a, b = reference[away], generated[away]
    if len(a) < 3 or not np.isfinite(a + b).all() or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)


def transition_matrix(counts: np.ndarray) -> np.ndarray:
    """Rows of counts (S, S) to probabilities; a state without transitions stays where it is."""
    rows = counts.sum(-1, keepdims=True)
    return np.where(rows > 0, counts / np.maximum(rows, 1e-300), np.eye(len(counts)))


def committors(transition: np.ndarray, source: Sequence[int], target: Sequence[int]) -> np.ndarray:
    """Probability of reaching `target` before `source` from every state, (S,).

    Raises
    ------
    MDGenError
        When source and target overlap or one is empty.
    """
    if not len(source) or not len(target) or set(source) & set(target):
        raise MDGenError(
            f"source {sorted(source)} and target {sorted(target)} share a state or are empty; choose two apart"
        )
    msm = require("deeptime.markov.msm").MarkovStateModel(transition)
    return np.asarray(msm.reactive_flux(list(source), list(target)).forward_committor)

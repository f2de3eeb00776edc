"""Transition paths: do generated ways from one state to another look like the reference's?

The reference's paths of the same length between the same states follow in closed form from its transition matrix T:
P(state at step s | start a, end b) = (T^s)_{a.} (T^{L-s})_{.b} / (T^L)_{ab}. No sampling is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.distances import jsd


@dataclass(frozen=True)
class PathScores:
    """Generated transition paths by the reference's Markov model.

    Attributes
    ----------
    n_paths : int
    valid : float
        Share of paths that take only steps which the reference takes.
    log_probability, expected_log_probability : float
        Mean over valid paths of the logarithm of a path's probability given its ends, per step; and what the
        reference's own paths have on average.
    states_jsd : float
        Distance of the states that paths pass through (ends left out) from those of the reference's paths.
    """

    n_paths: int
    valid: float
    log_probability: float
    expected_log_probability: float
    states_jsd: float


def score_paths(paths: Sequence[np.ndarray], transition: np.ndarray) -> PathScores:
    """Score discrete paths.

    Parameters
    ----------
    paths : sequence of (L + 1,) int ndarray
        States at steps of the transition matrix's lag, both ends included.
    transition : (S, S) ndarray
        Of the reference.

    Raises
    ------
    MDGenError
        When a path has fewer than three points, or visits a state that does not exist.
    """
    n = len(transition)
    for path in paths:
        if len(path) < 3 or path.min() < 0 or path.max() >= n:
            raise MDGenError(f"a path of {len(path)} points over {n} states cannot be scored; give at least 3 points")
    logs = np.array([_log_probability(p, transition) for p in paths])
    seen = np.sum([np.bincount(p[1:-1], minlength=n) for p in paths], axis=0).astype(float)
    expected, per_step = _expected(paths, transition)
    possible = np.isfinite(logs)
    return PathScores(
        n_paths=len(paths),
        valid=float(possible.mean()),
        log_probability=float(logs[possible].mean()) if possible.any() else float("nan"),
        expected_log_probability=per_step,
        states_jsd=float(jsd(expected, seen)) if expected.sum() else float("nan"),
    )


def _log_probability(path: np.ndarray, transition: np.ndarray) -> float:
    """Log probability of a path given its ends, per step."""
    steps = len(path) - 1
    with np.errstate(divide="ignore"):
        way = np.log(transition[path[:-1], path[1:]]).sum()
        ends = np.log(np.linalg.matrix_power(transition, steps)[path[0], path[-1]])
    return float((way - ends) / steps) if np.isfinite(way) else float("-inf")


def bridge(transition: np.ndarray, start: int, end: int, steps: int) -> np.ndarray:
    """Joint probability of consecutive states of the paths from `start` to `end`, (steps, S, S).

    Zero throughout where `end` cannot be reached.
    """
    n = len(transition)
    forward, backward = np.zeros((steps + 1, n)), np.zeros((steps + 1, n))
    forward[0, start] = backward[steps, end] = 1
    for s in range(steps):
        forward[s + 1] = forward[s] @ transition
        backward[steps - 1 - s] = transition @ backward[steps - s]
    joint = forward[:-1, :, None] * transition * backward[1:, None, :]
    total = forward[steps, end]
    return joint / total if total > 0 else np.zeros_like(joint)


def _expected(paths: Sequence[np.ndarray], transition: np.ndarray) -> tuple[np.ndarray, float]:
    """States between the ends, (S,), and mean log probability per step of the reference's paths of the same ends."""
    states, logs = np.zeros(len(transition)), []
    log_step = np.log(np.where(transition > 0, transition, 1.0))
    for path in paths:
        steps = len(path) - 1
        joint = bridge(transition, int(path[0]), int(path[-1]), steps)
        if joint.any():
            states += joint[1:].sum((0, 2))
            ends = np.log(np.linalg.matrix_power(transition, steps)[path[0], path[-1]])
            logs.append(((joint * log_step).sum() - ends) / steps)
    return states, float(np.mean(logs)) if logs else float("nan")

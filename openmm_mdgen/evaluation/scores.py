"""Every score of one set of torsions against a reference: of what was generated and of each control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.distances import Estimate, blocks, centred_interval, mean_jsd, resample
from openmm_mdgen.evaluation.dynamics import (
    at_lag,
    autocorrelation,
    linear_autocorrelation,
    relaxation_times,
)
from openmm_mdgen.evaluation.ensemble import EnsembleScores, score_ensemble
from openmm_mdgen.evaluation.markov import (
    StateModel,
    fit_states,
    flux_spearman,
    fluxes,
    populations,
    transition_counts,
)
from openmm_mdgen.evaluation.tica import Tica, fit_tica
from openmm_mdgen.evaluation.torsions import Torsion

_MAX_LAG = 20_000
_NAN = float("nan")


@dataclass(frozen=True)
class Yardstick:
    """A reference with what is fitted to it once: slow components and states.

    `angles` (T, K) radians per replica; `dt`, `lag` in ps.
    """

    angles: list[np.ndarray]
    torsions: tuple[Torsion, ...]
    dt: float
    lag: float
    tica: Tica
    states: StateModel
    assigned: list[np.ndarray]

    @cached_property
    def curves(self) -> np.ndarray:
        """Normalised autocorrelation of the reference, (L, K) from lag 0."""
        return autocorrelation(self.angles, reach(self.angles))

    @property
    def backbone(self) -> np.ndarray:
        return np.array([t.backbone for t in self.torsions], bool)


@dataclass(frozen=True)
class Scores:
    """What a trajectory scores against the reference.

    Attributes
    ----------
    n_frames : int
    ensemble : EnsembleScores
    states : Estimate
        Jensen-Shannon distance of the populations of metastable states.
    flux : Estimate
        Spearman correlation of fluxes between metastable states.
    autocorrelation : dict of str to float
        Mean absolute difference of normalised autocorrelation, by ``backbone 10 ps`` and the like.
    relaxation_r : float
        Pearson correlation of the logarithms of relaxation times.
    tica_0_time : float
        ps, relaxation time of the slowest component.
    """

    n_frames: int
    ensemble: EnsembleScores
    states: Estimate
    flux: Estimate
    autocorrelation: dict[str, float]
    relaxation_r: float
    tica_0_time: float


def fit_yardstick(
    angles: list[np.ndarray],
    torsions: tuple[Torsion, ...],
    dt: float,
    lag: float,
    n_clusters: int = 100,
    n_states: int = 10,
    seed: int = 0,
) -> Yardstick:
    """Fit slow components and states to a reference.

    Raises
    ------
    MDGenError
        When there are no torsions, or too few frames for the lag.
    """
    if not torsions:
        raise MDGenError("the molecule has 0 phi, psi and chi angles; give at least two residues, or caps")
    frames = lag_frames(lag, dt)
    require_frames(angles, frames, dt, "reference")
    tica = fit_tica(angles, frames, dt)
    projected = tica.project(angles)
    states = fit_states(projected, frames, dt, n_clusters, n_states, seed)
    return Yardstick(angles, torsions, dt, lag, tica, states, states.assign(projected))


def lag_frames(lag: float, dt: float) -> int:
    """A lag in ps as a whole number of frames, at least one."""
    return max(1, round(lag / dt))


def require_frames(angles: Sequence[np.ndarray], lag: int, dt: float, side: str) -> None:
    """Raise unless a trajectory is longer than the lag."""
    longest = max(len(a) for a in angles)
    if longest < lag + 2:
        raise MDGenError(
            f"{longest} frames of {dt:g} ps are too few for a lag of {lag * dt:g} ps; the {side} needs at least "
            f"{lag + 2} frames in one trajectory, or choose a shorter lag"
        )


def score(yardstick: Yardstick, angles: list[np.ndarray], dt: float, n_bootstrap: int = 200) -> Scores:
    """Score trajectories (T, K), radians, `dt` ps between frames; what too short a trajectory cannot tell is NaN."""
    assigned = yardstick.states.assign(yardstick.tica.project(angles))
    curves = autocorrelation(angles, reach(angles))
    times = [relaxation_times(c, step) for c, step in ((yardstick.curves, yardstick.dt), (curves, dt))]
    return Scores(
        n_frames=sum(len(a) for a in angles),
        ensemble=score_ensemble(yardstick.angles, angles, yardstick.torsions, yardstick.tica, n_bootstrap),
        states=_states(yardstick, assigned, n_bootstrap),
        flux=_flux(yardstick, assigned, dt, n_bootstrap),
        autocorrelation=autocorrelation_differences(yardstick, curves, dt),
        relaxation_r=relaxation_correlation(times[0], times[1]),
        tica_0_time=tica_0_time(yardstick.tica, angles, dt),
    )


def _states(yardstick: Yardstick, assigned: list[np.ndarray], n_bootstrap: int) -> Estimate:
    n = yardstick.states.n_states
    p, q = (populations(blocks(x), n)[:, None] for x in (yardstick.assigned, assigned))
    return resample(p, q, mean_jsd, n_bootstrap) if n_bootstrap else Estimate(float(mean_jsd(p.sum(0), q.sum(0))))


def _flux(yardstick: Yardstick, assigned: list[np.ndarray], dt: float, n_bootstrap: int) -> Estimate:
    """Spearman correlation of fluxes, resampled over replicas with the assignment kept."""
    n = yardstick.states.n_states
    p = transition_counts(blocks(yardstick.assigned), n, yardstick.states.lag)
    q = transition_counts(blocks(assigned), n, lag_frames(yardstick.lag, dt))
    value = flux_spearman(fluxes(p.sum(0)), fluxes(q.sum(0)))
    if n_bootstrap == 0 or np.isnan(value):
        return Estimate(value)
    rng = np.random.default_rng(0)
    draws = [
        flux_spearman(*(fluxes(x[rng.integers(len(x), size=len(x))].sum(0)) for x in (p, q)))
        for _ in range(n_bootstrap)
    ]
    return centred_interval(value, draws, -1.0)


def reach(angles: Sequence[np.ndarray]) -> int:
    """The longest lag in frames that autocorrelation is computed for."""
    return min(max(len(a) for a in angles) - 1, _MAX_LAG)


def common_lags(yardstick: Yardstick, dt: float) -> tuple[float, float]:
    """ps: the shortest lag that both sides resolve, and the lag of the states (or ten times the shortest)."""
    short = max(yardstick.dt, dt)
    return short, yardstick.lag if yardstick.lag > short else 10 * short


def autocorrelation_differences(yardstick: Yardstick, curves: np.ndarray, dt: float) -> dict[str, float]:
    """Mean absolute differences of normalised autocorrelation at a short and a long lag, backbone and side chains."""
    rows = {}
    for lag in common_lags(yardstick, dt):
        difference = np.abs(at_lag(curves, dt, lag) - at_lag(yardstick.curves, yardstick.dt, lag))
        for name, columns in (("backbone", yardstick.backbone), ("side chains", ~yardstick.backbone)):
            finite = difference[columns & np.isfinite(difference)]
            rows[f"{name} {lag:g} ps"] = float(finite.mean()) if len(finite) else _NAN
    return rows


def relaxation_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson r of log relaxation times, over torsions that relax in both; NaN for fewer than three."""
    both = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    if both.sum() < 3 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return _NAN
    return float(np.corrcoef(np.log(a[both]), np.log(b[both]))[0, 1])


def tica_0_time(tica: Tica, angles: Sequence[np.ndarray], dt: float) -> float:
    """Relaxation time of TICA-0 in ps."""
    first = tica.project(angles, 1)
    return float(relaxation_times(linear_autocorrelation(first, reach(first)), dt)[0])

"""Every score of one set of torsions against a reference: of what was generated and of each control."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openmm_mdgen.evaluation.baseline import Baseline, Motion, lag_frames
from openmm_mdgen.evaluation.distances import Estimate, blocks, centred_interval, mean_jsd, resample
from openmm_mdgen.evaluation.dynamics import at_lag
from openmm_mdgen.evaluation.ensemble import EnsembleScores, score_ensemble
from openmm_mdgen.evaluation.markov import flux_spearman, fluxes, populations, transition_counts

_NAN = float("nan")


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


def score(baseline: Baseline, motion: Motion, n_bootstrap: int = 200) -> Scores:
    """Score trajectories against a reference; what too short a trajectory cannot tell is NaN."""
    own = baseline.own
    return Scores(
        n_frames=motion.n_frames,
        ensemble=score_ensemble(
            own.angles, motion.angles, baseline.torsions, (own.slow, motion.slow), n_bootstrap=n_bootstrap
        ),
        states=_states(baseline, motion, n_bootstrap),
        flux=_flux(baseline, motion, n_bootstrap),
        autocorrelation=autocorrelation_differences(baseline, motion),
        relaxation_r=relaxation_correlation(own.relaxation, motion.relaxation),
        tica_0_time=motion.tica_0_time,
    )


def _states(baseline: Baseline, motion: Motion, n_bootstrap: int) -> Estimate:
    n = baseline.states.n_states
    p, q = (populations(blocks(x.assigned), n)[:, None] for x in (baseline.own, motion))
    return resample(p, q, mean_jsd, n_bootstrap) if n_bootstrap else Estimate(float(mean_jsd(p.sum(0), q.sum(0))))


def _flux(baseline: Baseline, motion: Motion, n_bootstrap: int) -> Estimate:
    """Spearman correlation of fluxes, resampled over replicas with the assignment kept."""
    n = baseline.states.n_states
    p = transition_counts(blocks(baseline.own.assigned), n, baseline.states.lag)
    q = transition_counts(blocks(motion.assigned), n, lag_frames(baseline.lag, motion.dt))
    value = flux_spearman(fluxes(p.sum(0)), fluxes(q.sum(0)))
    if n_bootstrap == 0 or np.isnan(value):
        return Estimate(value)
    rng = np.random.default_rng(0)
    draws = [
        flux_spearman(*(fluxes(x[rng.integers(len(x), size=len(x))].sum(0)) for x in (p, q)))
        for _ in range(n_bootstrap)
    ]
    return centred_interval(value, draws, -1.0)


def common_lags(baseline: Baseline, dt: float) -> tuple[float, float]:
    """ps: the shortest lag that both sides resolve, and the lag of the states (or ten times the shortest)."""
    short = max(baseline.own.dt, dt)
    return short, baseline.lag if baseline.lag > short else 10 * short


def autocorrelation_differences(baseline: Baseline, motion: Motion) -> dict[str, float]:
    """Mean absolute differences of normalised autocorrelation at a short and a long lag, backbone and side chains."""
    rows, own = {}, baseline.own
    for lag in common_lags(baseline, motion.dt):
        difference = np.abs(at_lag(motion.curves, motion.dt, lag) - at_lag(own.curves, own.dt, lag))
        for name, columns in (("backbone", baseline.backbone), ("side chains", ~baseline.backbone)):
            finite = difference[columns & np.isfinite(difference)]
            rows[f"{name} {lag:g} ps"] = float(finite.mean()) if len(finite) else _NAN
    return rows


def relaxation_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson r of log relaxation times, over torsions that relax in both; NaN for fewer than three."""
    both = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    if both.sum() < 3 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return _NAN
    return float(np.corrcoef(np.log(a[both]), np.log(b[both]))[0, 1])

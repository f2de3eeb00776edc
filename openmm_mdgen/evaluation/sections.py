"""The numbers behind each section of the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.baseline import Baseline, Motion, lag_frames
from openmm_mdgen.evaluation.distances import BINS, BINS_2D, histograms, joint_histograms, span_of
from openmm_mdgen.evaluation.dynamics import at_lag, dynamical_content
from openmm_mdgen.evaluation.markov import fluxes, populations, transition_counts
from openmm_mdgen.evaluation.results import (
    Decorrelation,
    Histogram,
    Slowest,
    States,
    StructureComparison,
    StructureSummary,
    Surface,
    TorsionHistograms,
)
from openmm_mdgen.evaluation.sample import Sample
from openmm_mdgen.evaluation.structure import BOND_TOLERANCE, CLASH, PLANE_TOLERANCE, StructureFrames
from openmm_mdgen.evaluation.topology import Topology

_LAGS = 60
_CONTENT_LAGS = 14
_STRUCTURE_BINS = 60


def settings(
    first: Sample,
    second: Sample,
    repeat: Sample | None,
    baseline: Baseline,
    layout: Topology,
    n_bootstrap: int,
    discard: float,
) -> dict[str, Any]:
    """Conventions and sizes, by what they are called in the report."""

    def size(sample: Sample) -> str:
        ns = sample.n_frames * sample.dt / 1000
        return f"{len(sample.angles)} x {len(sample.angles[0])} frames, {sample.dt:g} ps apart ({ns:g} ns)"

    rows = {
        "sequence": "-".join(layout.sequence),
        "reference": size(first),
        "generated": size(second) + (f", first {discard:g} ps left out" if discard else ""),
    }
    if repeat is not None:
        rows["replicate"] = size(repeat)
    return rows | {
        "distance": f"Jensen-Shannon, square root, natural logarithm, {BINS} bins, {BINS_2D} x {BINS_2D} for pairs",
        "torsions": "phi, psi, chi1-4; TICA on their sines and cosines, kinetic map, fitted to the reference",
        "lag": f"{baseline.states.lag * baseline.own.dt:g} ps",
        "clusters": f"{len(baseline.states.centres)} (k-means, connected ones)",
        "metastable states": f"{baseline.states.n_states} (PCCA)",
        "fluxes": "share of transitions from state to state at the lag, counted in each side's own trajectory",
        "relaxation time": "normalised autocorrelation falls to 1/e",
        "intervals": f"95 %, {n_bootstrap} bootstrap resamples of replicas (of 10 blocks of a single trajectory), "
        "assignments to states kept, centred on the value",
        "clash": f"heavy atoms of residues that are not neighbours closer than {CLASH:g} Å",
        "broken bond": f"more than {BOND_TOLERANCE:g} Å from the reference's mean",
        "bent plane": f"omega more than {np.rad2deg(PLANE_TOLERANCE):.0f}° from both 0 and 180°",
        "differs from the paper": "side-chain torsions use the atoms that are listed in torsions.py; relaxation and "
        "fluxes come from counts, not from a model of the generated trajectory",
    }


def torsion_histograms(baseline: Baseline, motion: Motion) -> TorsionHistograms:
    """Densities of every torsion, both sides."""
    edges = np.linspace(-np.pi, np.pi, BINS + 1)
    p, q = (_density(histograms(x.angles).sum(0), edges) for x in (baseline.own, motion))
    return TorsionHistograms(tuple(t.label for t in baseline.torsions), edges, p, q)


def _density(counts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    out: np.ndarray = counts / np.maximum(counts.sum(-1, keepdims=True), 1) / np.diff(edges)
    return out


def surface(baseline: Baseline, motion: Motion) -> Surface | None:
    """Counts on the two slowest components; None where there is only one."""
    a, b = ([components[:, :2] for components in x.slow] for x in (baseline.own, motion))
    if a[0].shape[1] < 2:
        return None
    span = span_of(a, b)
    counts = [joint_histograms(x, [(0, 1)], span=span).sum((0, 1)).reshape(BINS_2D, BINS_2D) for x in (a, b)]
    return Surface(np.array([np.linspace(*s, BINS_2D + 1) for s in span]), counts[0], counts[1])


def decorrelation(baseline: Baseline, motion: Motion, mixed: Motion) -> Decorrelation:
    """Autocorrelation at lags evenly spaced in their logarithm, up to half of the shorter side's length."""
    sides = baseline.own, motion, mixed
    short = max(side.dt for side in sides)
    longest = max(min((len(side.curves) - 1) * side.dt for side in sides) / 2, short)
    lags, few = _lags(short, longest, _LAGS), _lags(short, longest / 5, _CONTENT_LAGS)

    def at(times: np.ndarray, side: Motion) -> np.ndarray:
        return np.array([at_lag(side.curves, side.dt, x) for x in times])

    curves = [at(lags, side) for side in sides]
    contents = [dynamical_content(at(few, side), few) for side in sides[:2]]
    return Decorrelation(
        lags=lags,
        reference=curves[0],
        generated=curves[1],
        shuffled=curves[2],
        relaxation_reference=baseline.own.relaxation,
        relaxation_generated=motion.relaxation,
        content_times=np.sqrt(few[1:] * few[:-1]),
        content_reference=contents[0],
        content_generated=contents[1],
    )


def _lags(short: float, longest: float, n: int) -> np.ndarray:
    """At most `n` multiples of `short`, evenly spaced in their logarithm."""
    return np.unique(np.round(np.geomspace(short, max(longest, short), n) / short)) * short


def states(baseline: Baseline, motion: Motion) -> States:
    """Populations and fluxes of both sides."""
    model, own = baseline.states, baseline.own
    p, q = (populations(x.assigned, model.n_states).sum(0) for x in (own, motion))
    counts = [
        transition_counts(x.assigned, model.n_states, lag).sum(0)
        for x, lag in ((own, model.lag), (motion, lag_frames(baseline.lag, motion.dt)))
    ]
    return States(
        populations_reference=p / p.sum(),
        populations_generated=q / q.sum(),
        flux_reference=fluxes(counts[0]),
        flux_generated=fluxes(counts[1]),
        timescales=model.timescales[:10],
        unvisited=tuple(int(s) for s in np.flatnonzero((q == 0) & (p > 0))),
    )


def slowest(
    baseline: Baseline, motion: Motion, first: Sample, second: Sample, wall_seconds: tuple[float, float] | None
) -> Slowest:
    """How long the slowest component takes to relax, in simulated and in wall time."""
    times = baseline.own.tica_0_time, motion.tica_0_time
    if wall_seconds is None:
        return Slowest(*times, *[float("nan")] * 3)
    if min(wall_seconds) <= 0:
        raise MDGenError(f"wall times of {wall_seconds[0]:g} and {wall_seconds[1]:g} s; give two above zero")
    a, b = (
        wall * time / (sample.n_frames * sample.dt)
        for wall, time, sample in zip(wall_seconds, times, (first, second), strict=True)
    )
    return Slowest(*times, a, b, a / b if b > 0 else float("nan"))


_QUANTITIES: dict[str, Callable[[StructureFrames], np.ndarray]] = {
    "smallest non-bonded distance, Å": lambda frames: frames.smallest_distance,
    "C-N length, Å": lambda frames: frames.cn_lengths,
    "CA-C-N angle, °": lambda frames: np.rad2deg(frames.ca_c_n),
    "C-N-CA angle, °": lambda frames: np.rad2deg(frames.c_n_ca),
    "omega, ° from trans": lambda frames: np.rad2deg(np.mod(frames.omega, 2 * np.pi) - np.pi),
    "radius of gyration, Å": lambda frames: frames.radius_of_gyration,
}


def structure(reference: StructureFrames, generated: StructureFrames) -> StructureComparison:
    """Shares of errors, means and spreads, and histograms."""
    found = {name: _histogram(*(read(f).ravel() for f in (reference, generated))) for name, read in _QUANTITIES.items()}
    return StructureComparison(
        summary(reference), summary(generated), {n: h for n, h in found.items() if h is not None}
    )


def _histogram(reference: np.ndarray, generated: np.ndarray) -> Histogram | None:
    """Densities over the range of 99.8 % of both sides, stray values in the outermost bins; None without values."""
    a, b = (x[np.isfinite(x)] for x in (reference, generated))
    if min(len(a), len(b)) == 0:
        return None
    low, high = np.percentile(a, [0.1, 99.9]), np.percentile(b, [0.1, 99.9])
    edges = np.linspace(min(low[0], high[0]), max(low[1], high[1]) + 1e-6, _STRUCTURE_BINS + 1)
    p, q = (_density(np.histogram(np.clip(x, edges[0], edges[-1]), edges)[0], edges) for x in (a, b))
    return Histogram(edges, p, q)


def summary(frames: StructureFrames) -> StructureSummary:
    """Means and standard deviations; NaN where there are no peptide bonds."""

    def moments(values: np.ndarray, factor: float = 1.0) -> tuple[float, float]:
        if values.size == 0:
            return float("nan"), float("nan")
        return float(factor * values.mean(dtype=float)), float(factor * values.std(dtype=float))

    degree = float(np.rad2deg(1.0))
    return StructureSummary(
        n_frames=len(frames.clash),
        **frames.shares(),
        smallest_distance=float(frames.smallest_distance.min()),
        cn_length=moments(frames.cn_lengths),
        ca_c_n=moments(frames.ca_c_n, degree),
        c_n_ca=moments(frames.c_n_ca, degree),
        radius_of_gyration=moments(frames.radius_of_gyration),
    )

"""Weights of short runs from biased starts, of the generated frames behind them, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import expit, logit

from openmm_mdgen.correction.iterated import iterate_weights, random_clusterings
from openmm_mdgen.correction.markov import MarkovModel, fit_markov, implied_timescales, prior_of, visited, with_prior
from openmm_mdgen.correction.prior import Prior
from openmm_mdgen.correction.reversible import reversible_stationary
from openmm_mdgen.errors import MDGenError

METHODS = ("iterated", "markov")
_CELLS, _CLUSTERINGS = 12, 50
_DOUBT, _FURTHEST = 0.35, 3.0  # spread of a share's logarithm for each standard deviation of a feature, up to so many
_MOST_SEGMENTS = 20_000
_SMALLEST = 1e-9
_NORMAL_95 = 1.96
_LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True)
class Part:
    """Clusters that reach one another by moves of the runs, and nothing else in both directions.

    Attributes
    ----------
    n_frames, n_runs : int
        Of the short runs.
    generated : float
        Share of the generated frames in it; NaN where there are none.
    entered, left : int
        Runs that came from and went to other parts.
    weight : float
        Equilibrium population.
    """

    n_frames: int
    n_runs: int
    generated: float
    entered: int
    left: int
    weight: float


@dataclass(frozen=True)
class Interval:
    """An estimate per state with a 95 % interval, (S,) each."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def to_lists(self) -> dict[str, list[float]]:
        """By name, for JSON."""
        return {"value": self.value.tolist(), "low": self.low.tolist(), "high": self.high.tolist()}


@dataclass(frozen=True)
class Reweighting:
    """Stationary weights and what they rest on.

    Attributes
    ----------
    weights : list of (T,) ndarray
        Of every frame of every run; all together sum to 1.
    generated : (G,) ndarray or None
        Weights of the generated frames, which sum to 1.
    states : list of (T,) int ndarray
        Metastable state of every frame.
    generated_states : (G,) int ndarray or None
    before : (S,) ndarray or None
        Populations of the states among generated frames.
    after, markov : Interval
        Populations by the chosen method, and by the Markov model.
    transitions : (S, S) int ndarray
        Moves seen between states.
    parts : list of Part
        Runs say how much frames weigh within one; between them the generated shares are kept.
    borrowed : (S,) ndarray
        Share of a state's flow to and from others that is the prior's, so that its population rests on the generated
        frames: 0, on the runs alone, to 1.
    effective_runs : float
        Runs of equal weight that would be as informative.
    uncovered : float
        Equilibrium weight where there is no generated frame; NaN without generated frames.
    lags : int ndarray
        Frames.
    timescales : (len(lags), 3) ndarray
        Implied timescales in frames.
    passage_times : (S, S) ndarray
        Mean first passage times in frames; NaN where no run leads there.
    replicates : (B, n) float32 ndarray
        Bootstrapped weights of all frames, runs one after another; for intervals of anything.
    model : MarkovModel
    """

    weights: list[np.ndarray]
    generated: np.ndarray | None
    states: list[np.ndarray]
    generated_states: np.ndarray | None
    before: np.ndarray | None
    after: Interval
    markov: Interval
    transitions: np.ndarray
    parts: list[Part]
    borrowed: np.ndarray
    effective_runs: float
    uncovered: float
    lags: np.ndarray
    timescales: np.ndarray
    passage_times: np.ndarray
    replicates: np.ndarray = field(repr=False)
    model: MarkovModel = field(repr=False)

    def share(self, inside: np.ndarray) -> Interval:
        """Equilibrium population of chosen frames, (n,) bool over all runs one after another; (1,) each."""
        weights = np.vstack((np.concatenate(self.weights)[None], self.replicates))
        return _interval(weights[:, np.asarray(inside, bool)].sum(-1, keepdims=True))


def reweight(
    runs: Sequence[np.ndarray],
    lag: int,
    generated: np.ndarray | None = None,
    *,
    method: str = "iterated",
    n_clusters: int = 100,
    n_bootstrap: int = 100,
    seed: int = 0,
    groups: Sequence[np.ndarray] = (),
) -> Reweighting:
    """Weight the frames of short runs so that they stand for equilibrium, wherever the runs were started.

    The generated ensemble is a weak prior (`Prior`): shares of places that no run connects stay what they were, a few
    moves change them in part, and many decide. Intervals come from a Bayesian bootstrap over runs: every run gets a
    random multiplicity, so that nothing that is connected in the data falls apart in a resample. In resamples the
    generated shares of two states of a torsion change by a factor of two or so either way, those of rare states more.

    Parameters
    ----------
    runs : sequence of (T, D) ndarray
        Features of every frame, such as sines and cosines of torsions; equally spaced in time.
    lag : int
        Frames between the ends of a segment.
    generated : (G, D) ndarray, optional
        The frames that the starts were chosen from; default: the starts.
    method : str
        ``"iterated"`` (random clusterings) or ``"markov"`` (the reversible Markov model).
    n_clusters : int
        Of the Markov model; upper limit.
    n_bootstrap : int
        Resamples.
    seed : int
        Of clusterings and bootstrap; the result is a function of it.
    groups : sequence of int ndarray, optional
        Columns of the features that belong together, such as the sine and cosine of a torsion; default: all.

    Raises
    ------
    MDGenError
        For an unknown method, runs shorter than the lag, or features that are not numbers.

    Examples
    --------
    >>> result = reweight(runs, lag=10, generated=frames)
    >>> result.after.value, result.after.low, result.after.high
    """
    if method not in METHODS:
        raise MDGenError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    if not all(np.isfinite(run).all() for run in runs):
        raise MDGenError("a run has features that are not numbers; leave it out")
    model = fit_markov(runs, lag, n_clusters, seed, generated, len(groups))
    rng, resampling = np.random.default_rng(seed), np.random.default_rng((seed, 1))
    multiplicities = np.vstack((np.ones(len(runs)), resampling.exponential(size=(n_bootstrap, len(runs)))))
    starts = np.array([run[0] for run in runs]) if generated is None else generated
    prior = prior_of(runs, lag, _doubted(starts, n_bootstrap, resampling), len(groups))
    clusters = _cluster_weights(model, multiplicities, prior, model.assign(starts))
    if method == "iterated":
        weights = _iterated(model, runs, multiplicities, prior, starts, groups, rng)
    else:
        weights = _frame_weights(model, runs, clusters, multiplicities)
    states = [model.states[path] for path in model.paths]
    flat = np.concatenate(states)
    assigned = None if generated is None else model.assign(generated)
    lags = np.array([k for k in _LAGS if k <= max(map(len, runs)) // 2] or [lag])
    populations = np.stack([weights[:, flat == s].sum(-1) for s in range(model.n_states)], -1)
    by_cluster = np.stack([clusters[:, model.states == s].sum(-1) for s in range(model.n_states)], -1)
    per_run = np.array([w.sum() for w in _split(weights[0], runs)])
    shared, uncovered = _shared(model, weights[0], generated, assigned)
    return Reweighting(
        weights=_split(weights[0], runs),
        generated=shared,
        states=states,
        generated_states=None if assigned is None else model.states[assigned],
        before=None if assigned is None else _before(model, assigned),
        after=_interval(populations),
        markov=_interval(by_cluster),
        transitions=model.transitions(),
        parts=_parts(model, assigned, weights[0]),
        borrowed=model.borrowed(),
        effective_runs=float(1.0 / (per_run**2).sum()),
        uncovered=uncovered,
        lags=lags,
        timescales=implied_timescales(model, lags.tolist()),
        passage_times=model.passage_times(),
        replicates=weights[1:].astype(np.float32),
        model=model,
    )


def _doubted(generated: np.ndarray, n_bootstrap: int, rng: np.random.Generator) -> np.ndarray:
    """Weights of generated frames (1 + B, G): all 1 first, then tilted at random along every feature.

    Two states of one torsion change their ratio by a factor of two or so, rare ones by more.
    """
    scale = generated.std(0)
    away = (generated - generated.mean(0)) / np.where(scale > 0, scale, 1.0)
    tilts = rng.normal(size=(n_bootstrap, generated.shape[1])) @ np.clip(away, -_FURTHEST, _FURTHEST).T
    return np.vstack((np.ones(len(generated)), np.exp(_DOUBT * tilts)))


def _cluster_weights(model: MarkovModel, multiplicities: np.ndarray, prior: Prior, cells: np.ndarray) -> np.ndarray:
    """Stationary distribution over all clusters for each set of multiplicities of runs, (B, M)."""
    counts = visited(np.tensordot(multiplicities, model.counts, 1))
    return reversible_stationary(with_prior(counts, model.paths, prior, prior.shares(cells, len(model.centres))))


def _frame_weights(
    model: MarkovModel, runs: Sequence[np.ndarray], clusters: np.ndarray, multiplicities: np.ndarray
) -> np.ndarray:
    """Weights of frames (B, n): each cluster's weight, shared out by the multiplicities of the runs."""
    path = np.concatenate(model.paths)
    share = np.repeat(multiplicities, [len(run) for run in runs], axis=1)
    mass = np.stack([np.bincount(path, row, len(model.centres)) for row in share])
    return share * (clusters / np.maximum(mass, 1e-300))[:, path]


def _iterated(
    model: MarkovModel,
    runs: Sequence[np.ndarray],
    multiplicities: np.ndarray,
    prior: Prior,
    starts: np.ndarray,
    groups: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Weights of frames (B, n) by random clusterings of segments; half of a segment's weight goes to either end."""
    lengths = np.array([len(run) for run in runs])
    offsets = np.cumsum(lengths) - lengths
    begin = [offset + np.arange(max(0, length - model.lag)) for offset, length in zip(offsets, lengths, strict=True)]
    first = np.concatenate(begin)
    owner = np.repeat(np.arange(len(runs)), [len(s) for s in begin])
    stride = -(-len(first) // _MOST_SEGMENTS)
    first, owner = first[::stride], owner[::stride]
    points = np.concatenate(runs)
    ends = points[first], points[first + model.lag]
    clusterings = random_clusterings(*ends, _CELLS, _CLUSTERINGS, rng, starts, groups)
    prior = replace(prior, lag=prior.lag / stride)
    centre = iterate_weights(clusterings, np.ones((1, len(first))), prior=prior.rows(slice(1)))
    resampled = iterate_weights(clusterings, centre * multiplicities[1:][:, owner], 2, prior.rows(slice(1, None)))
    segments = np.concatenate((centre, resampled))
    out = np.zeros((len(multiplicities), len(points)))
    for row, values in zip(out, segments, strict=True):
        np.add.at(row, first, values / 2)
        np.add.at(row, first + model.lag, values / 2)
    return out


def _split(values: np.ndarray, runs: Sequence[np.ndarray]) -> list[np.ndarray]:
    return np.split(values, np.cumsum([len(run) for run in runs])[:-1])


def _interval(populations: np.ndarray) -> Interval:
    """First row: the estimate; the others: its resamples, whose spread is taken on the scale of log odds."""
    value = populations[0]
    if len(populations) < 3:
        return Interval(value, np.full_like(value, np.nan), np.full_like(value, np.nan))
    odds = logit(np.clip(populations, _SMALLEST, 1 - _SMALLEST))
    spread = _NORMAL_95 * odds[1:].std(0, ddof=1)
    return Interval(value, expit(odds[0] - spread), expit(odds[0] + spread))


def _shared(
    model: MarkovModel,
    weights: np.ndarray,
    generated: np.ndarray | None,
    assigned: np.ndarray | None,
) -> tuple[np.ndarray | None, float]:
    """Weights of generated frames, each cluster's shared out evenly, and the weight of clusters without any."""
    if generated is None or assigned is None:
        return None, float("nan")
    mass = np.bincount(np.concatenate(model.paths), weights, len(model.centres))
    number = np.bincount(assigned, minlength=len(model.centres))
    out = (mass / np.maximum(number, 1))[assigned]
    total = out.sum()
    return out / total if total > 0 else out, float(mass[number == 0].sum())


def _before(model: MarkovModel, assigned: np.ndarray) -> np.ndarray:
    number = np.bincount(model.states[assigned], minlength=model.n_states).astype(float)
    out: np.ndarray = number / number.sum()
    return out


def _part_of(model: MarkovModel) -> np.ndarray:
    """Connected part of each cluster, (M,)."""
    out = np.empty(len(model.centres), int)
    for k, part in enumerate(model.parts):
        out[part] = k
    return out


def _parts(model: MarkovModel, assigned: np.ndarray | None, weights: np.ndarray) -> list[Part]:
    """What is known of every connected part."""
    part_of = _part_of(model)
    visits = [part_of[path] for path in model.paths]
    masses = np.bincount(np.concatenate(visits), weights, len(model.parts))
    out = []
    for k, part in enumerate(model.parts):
        entered = sum(bool(((v[1:] == k) & (v[:-1] != k)).any()) for v in visits)
        left = sum(bool(((v[:-1] == k) & (v[1:] != k)).any()) for v in visits)
        share = float("nan") if assigned is None else float(np.isin(assigned, part).mean())
        frames, n_runs = sum(int((v == k).sum()) for v in visits), sum(bool((v == k).any()) for v in visits)
        out.append(Part(frames, n_runs, share, entered, left, float(masses[k])))
    return out

"""Markov models, committors, fluxes and paths on chains with known answers."""

import itertools

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation import markov
from openmm_mdgen.evaluation.paths import bridge, score_paths
from tests.helpers.evaluate_toys import chain

FOUR = np.array([[0.95, 0.05, 0.0, 0.0], [0.04, 0.86, 0.1, 0.0], [0.0, 0.05, 0.9, 0.05], [0.0, 0.0, 0.02, 0.98]])


def stationary(transition: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eig(transition.T)
    weights = np.real(vectors[:, np.argmax(values.real)])
    return weights / weights.sum()


def clouds(states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(T, 2) points about one place per state."""
    places = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    return places[states] + 0.1 * rng.standard_normal((len(states), 2))


def test_two_state_chain():
    """Timescale -1 / ln(1 - a - b), populations b / (a + b), flux pi_0 a in both directions."""
    rng = np.random.default_rng(0)
    transition = np.array([[0.97, 0.03], [0.01, 0.99]])
    states = [chain(30_000, transition, rng) for _ in range(2)]
    model = markov.fit_states([clouds(s, rng) for s in states], lag=1, dt=10.0, n_clusters=2, n_states=2)
    assert model.timescales[0] == pytest.approx(-10.0 / np.log(0.96), rel=0.08)
    assigned = model.assign([clouds(s, rng) for s in states])
    share = markov.populations(assigned, 2).sum(0) / 60_000
    assert share == pytest.approx([0.75, 0.25], abs=0.03)  # state 0 is the more populated
    flux = markov.fluxes(markov.transition_counts(assigned, 2, 1).sum(0))
    assert flux[0, 1] == pytest.approx(0.75 * 0.01, rel=0.1)
    assert flux[0, 1] == pytest.approx(flux[1, 0], rel=0.02)


def test_four_state_chain_timescales_and_fluxes():
    rng = np.random.default_rng(1)
    states = [chain(50_000, FOUR, rng) for _ in range(2)]
    projected = [clouds(s, rng) for s in states]
    model = markov.fit_states(projected, lag=2, dt=5.0, n_clusters=4, n_states=4)
    exact = np.sort(np.linalg.eigvals(FOUR).real)[::-1][1:]
    assert model.timescales == pytest.approx(-5.0 / np.log(exact), rel=0.15)
    weights = stationary(FOUR)
    order = np.argsort(-weights)
    flux = markov.fluxes(markov.transition_counts(model.assign(projected), 4, 1).sum(0))
    assert flux == pytest.approx((weights[:, None] * FOUR)[np.ix_(order, order)], abs=0.02)
    assert flux[0, 1] > 0


def test_committors_solve_their_equations():
    """q = 0 on the source, 1 on the target, q = T q between: for two inner states by hand."""
    q = markov.committors(FOUR, [0], [3])
    inner = np.linalg.solve(np.eye(2) - FOUR[1:3, 1:3], FOUR[1:3, 3])
    assert q == pytest.approx([0, *inner, 1])
    with pytest.raises(MDGenError, match="share a state or are empty"):
        markov.committors(FOUR, [0, 1], [1])


def test_states_that_are_never_reached_again_are_dropped():
    rng = np.random.default_rng(2)
    states = chain(4000, np.array([[0.9, 0.1], [0.1, 0.9]]), rng)
    states[:60] = 2  # left once, never to return
    model = markov.fit_states([clouds(states, rng)], lag=1, dt=1.0, n_clusters=3, n_states=3)
    assert len(model.centres) == 2
    assert model.n_states == 2
    assert set(np.concatenate(model.assign([clouds(states, rng)]))) == {0, 1}


def test_too_few_frames_for_states():
    with pytest.raises(MDGenError, match="30 frames are too few for states; the reference needs at least 40"):
        markov.fit_states([np.zeros((30, 2))], 1, 10.0)


def test_reference_that_never_returns():
    way = np.repeat(np.arange(4), 50)
    with pytest.raises(MDGenError, match="never returns to a state at a lag of 10 ps"):
        markov.fit_states([clouds(way, np.random.default_rng(0))], 1, 10.0, n_clusters=4)


def test_flux_correlation_ignores_the_diagonal():
    a = np.array([[0.9, 0.03, 0.01], [0.02, 0.5, 0.005], [0.004, 0.001, 0.1]])
    b = a.copy()
    np.fill_diagonal(b, 0)
    assert markov.flux_spearman(a, b) == pytest.approx(1.0)
    assert markov.flux_spearman(a, -a) == pytest.approx(-1.0)
    assert np.isnan(markov.flux_spearman(a, np.zeros((3, 3))))


def test_transitions_are_not_counted_across_replicas():
    counts = markov.transition_counts([np.array([0, 0, 1]), np.array([2])], 3, 1)
    assert counts.shape == (2, 3, 3)
    assert counts.sum() == 2
    assert counts[0, 0, 1] == 1


def all_paths(start, end, steps):
    """Every way over the four states and its probability."""
    for inner in itertools.product(range(4), repeat=steps - 1):
        path = np.array([start, *inner, end])
        yield path, FOUR[path[:-1], path[1:]].prod()


def test_bridge_against_all_paths():
    steps, joint = 4, np.zeros((4, 4, 4))
    for path, weight in all_paths(0, 3, steps):
        for k in range(steps):
            joint[k, path[k], path[k + 1]] += weight
    joint /= joint[0].sum()
    assert bridge(FOUR, 0, 3, steps) == pytest.approx(joint)
    assert not bridge(FOUR, 0, 3, 2).any()


def test_paths_drawn_from_the_chain_score_as_its_own():
    rng = np.random.default_rng(3)
    ways = [(p, w) for p, w in all_paths(0, 3, 5) if w > 0]
    weights = np.array([w for _, w in ways])
    drawn = [ways[k][0] for k in rng.choice(len(ways), 3000, p=weights / weights.sum())]
    scores = score_paths(drawn, FOUR)
    assert scores.valid == 1
    assert scores.states_jsd < 0.02
    assert scores.log_probability == pytest.approx(scores.expected_log_probability, abs=0.01)


def test_impossible_paths_are_counted():
    scores = score_paths([np.array([0, 1, 2, 3]), np.array([0, 3, 3, 3])], FOUR)
    assert scores.valid == 0.5
    assert np.isfinite(scores.log_probability)
    with pytest.raises(MDGenError, match="a path of 2 points"):
        score_paths([np.array([0, 1])], FOUR)

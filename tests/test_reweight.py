"""Weights of short runs: exact chains and a double well with known populations, and what is not connected."""

import numpy as np
import pytest

from benchmarks.reweighting import CHAIN_EXACT, chain_runs, repeat, well_exact, well_runs
from openmm_mdgen.correction.iterated import iterate_weights, random_clusterings
from openmm_mdgen.correction.markov import estimate_chain, fit_markov
from openmm_mdgen.correction.reversible import connected_parts, reversible_stationary
from openmm_mdgen.correction.reweight import reweight
from openmm_mdgen.errors import MDGenError

pytest.importorskip("deeptime")


def random_counts(n_states: int = 12) -> np.ndarray:
    counts = np.random.default_rng(0).poisson(3, (n_states, n_states)).astype(float)
    return counts + 1000 * np.eye(n_states)


def test_stationary_distribution_is_deeptimes():
    counts = random_counts()
    chain = estimate_chain(counts, np.arange(len(counts)), 1)
    np.testing.assert_allclose(reversible_stationary(counts[None])[0], chain.stationary_distribution, atol=1e-5)


def test_stationary_distributions_of_a_batch_are_those_of_each():
    counts = np.stack([random_counts(), random_counts().T, 7 * random_counts()])
    each = np.concatenate([reversible_stationary(one[None]) for one in counts])
    np.testing.assert_allclose(reversible_stationary(counts), each, rtol=1e-8)
    np.testing.assert_allclose(each[0], each[2], rtol=1e-8)


def test_symmetric_counts_have_their_rows_as_stationary_distribution():
    counts = random_counts() + random_counts().T
    np.testing.assert_allclose(reversible_stationary(counts[None])[0], counts.sum(1) / counts.sum(), rtol=1e-8)


def test_parts_need_both_directions():
    counts = np.array([[5.0, 1, 0, 0], [1, 5, 1, 0], [0, 0, 9, 0], [0, 0, 0, 2]])
    assert [part.tolist() for part in connected_parts(counts)] == [[0, 1], [2], [3]]


def test_weights_of_a_chain_follow_its_stationary_distribution():
    runs = chain_runs(np.random.default_rng(3), n_runs=300, n_steps=60)
    points = np.concatenate(runs)
    for method in ("iterated", "markov"):
        result = reweight(runs, 1, method=method, n_bootstrap=20)
        weights = np.concatenate(result.weights)
        assert weights.sum() == pytest.approx(1)
        np.testing.assert_allclose(weights @ points, CHAIN_EXACT, atol=0.06)
    assert abs(points.mean(0) - CHAIN_EXACT).max() > 0.06  # which the runs themselves do not


@pytest.mark.parametrize("state", range(3))
def test_intervals_of_the_chain_hold_at_the_nominal_rate(state):
    result = repeat(chain_runs, lambda x: x[:, state] > 0.5, CHAIN_EXACT[state], "markov", 1, 30)
    assert abs(result["bias"]) < 0.05
    assert result["held"] >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("method", ["iterated", "markov"])
def test_intervals_of_the_double_well_hold_at_the_nominal_rate(method):
    result = repeat(well_runs, lambda x: x[:, 0] < 0, well_exact(), method, 5, 100)
    assert abs(result["bias"]) < 0.04
    assert 0.88 <= result["held"] <= 1.0
    assert abs(result["unweighted"] - well_exact()) > 0.1


def test_random_clusterings_undo_biased_starts_within_cells():
    """Exact weights are kept; wrong ones within a coarse cell are mended, which one clustering cannot do."""
    rng = np.random.default_rng(1)
    first = rng.choice(4, 40_000, p=(0.55, 0.05, 0.1, 0.3))
    matrix = np.array([[0.7, 0.3, 0, 0], [0.3, 0.4, 0.3, 0], [0, 0.3, 0.4, 0.3], [0, 0, 0.3, 0.7]])  # uniform
    last = (rng.random((len(first), 1)) > matrix.cumsum(1)[first]).sum(1)
    x, y = first[:, None] * 1.0, last[:, None] * 1.0
    clusterings = random_clusterings(x, y, 2, 30, rng)
    weights = iterate_weights(clusterings, np.ones((1, len(first))), 4)[0]
    np.testing.assert_allclose(np.bincount(first, weights), 0.25, atol=0.03)


def test_parts_that_no_run_connects_keep_their_generated_shares():
    rng = np.random.default_rng(0)
    runs = chain_runs(rng, 40, 40)
    away = [np.eye(3)[[0] * 41] @ np.diag([9.0, 1, 1]) for _ in range(5)]
    generated = np.concatenate((np.eye(3)[[0, 1, 2, 1] * 100], [[9.0, 0, 0]] * 100))
    result = reweight([*runs, *away], 1, generated, n_bootstrap=40)
    assert len(result.parts) == 2
    assert result.parts[1].n_runs == 5
    assert result.parts[1].generated == pytest.approx(0.2)
    assert result.parts[1].weight == pytest.approx(0.2, abs=0.03)  # a ninth of all frames of the runs
    assert result.generated is not None and result.generated[-100:].sum() == pytest.approx(0.2, abs=0.03)
    rest = np.concatenate(result.weights[:40]) @ np.concatenate(runs)
    alone = np.concatenate(reweight(runs, 1, generated[:400], n_bootstrap=2).weights) @ np.concatenate(runs)
    np.testing.assert_allclose(rest / rest.sum(), alone, atol=0.02)  # which the runs decide


@pytest.mark.parametrize("method", ["iterated", "markov"])
def test_two_wells_that_are_never_crossed_keep_generated_shares_and_say_so(method):
    rng = np.random.default_rng(0)
    runs = [sign + rng.normal(0, 0.2, (50, 1)) for sign in [-3.0] * 20 + [3.0] * 20]
    generated = np.where(rng.random((1000, 1)) < 0.3, -3.0, 3.0) + rng.normal(0, 0.2, (1000, 1))
    result = reweight(runs, 5, generated, method=method, n_bootstrap=60)
    share = result.share(np.concatenate(runs)[:, 0] < 0)
    assert share.value[0] == pytest.approx((generated < 0).mean(), abs=0.06)
    assert share.low[0] < 0.16 and share.high[0] > 0.5  # a factor of four in the odds either way
    assert result.borrowed.max() == pytest.approx(1)
    assert np.isnan(result.passage_times[0, 1])


@pytest.mark.parametrize("method", ["iterated", "markov"])
def test_enough_moves_overrule_generated_shares(method):
    generated = np.eye(3)[[0] * 900 + [1] * 50 + [2] * 50]
    runs = chain_runs(np.random.default_rng(1), 400, 60)
    result = reweight(runs, 1, generated, method=method, n_bootstrap=3)
    np.testing.assert_allclose(np.concatenate(result.weights) @ np.concatenate(runs), CHAIN_EXACT, atol=0.06)
    assert result.borrowed.max() < 0.1


def test_a_move_without_return_counts_in_part():
    rng = np.random.default_rng(2)
    stay = [sign + rng.normal(0, 0.2, (50, 1)) for sign in [-3.0] * 20 + [3.0] * 20]
    leave = [np.repeat((-3.0, 3.0), 25)[:, None] + rng.normal(0, 0.2, (50, 1)) for _ in range(3)]
    generated = np.repeat((-3.0, 3.0), 500)[:, None] + rng.normal(0, 0.2, (1000, 1))
    inside = np.concatenate([*stay, *leave])[:, 0] < 0
    share = reweight([*stay, *leave], 5, generated, n_bootstrap=2).share(inside).value[0]
    assert 0.05 < share < 0.4  # 0.5 as generated, 0 by the runs alone


def test_generated_frames_get_their_clusters_weight():
    runs = chain_runs(np.random.default_rng(0), 200, 40)
    generated = np.eye(3)[[0] * 7 + [1] * 2 + [2]]
    result = reweight(runs, 1, generated, n_bootstrap=5)
    assert result.generated is not None
    np.testing.assert_allclose(result.generated @ generated, CHAIN_EXACT, atol=0.08)
    assert result.uncovered == pytest.approx(0)
    without = reweight(runs, 1, generated[:9], n_bootstrap=5)
    assert without.uncovered == pytest.approx(CHAIN_EXACT[2], abs=0.08)


def test_same_seed_same_result():
    runs = well_runs(np.random.default_rng(0), 30, 40)
    one, other = (reweight(runs, 3, n_bootstrap=5, seed=4) for _ in range(2))
    np.testing.assert_array_equal(np.concatenate(one.weights), np.concatenate(other.weights))
    np.testing.assert_array_equal(one.replicates, other.replicates)


def test_implied_timescales_and_passage_times_of_a_chain():
    result = reweight(chain_runs(np.random.default_rng(5), 300, 80), 1, n_bootstrap=5)
    exact = -1 / np.log(np.sort(np.linalg.eigvals([[0.95, 0.05, 0], [0.02, 0.96, 0.02], [0, 0.04, 0.96]]).real)[1])
    assert result.timescales[0, 0] == pytest.approx(exact, rel=0.25)
    assert (np.diag(result.passage_times) == 0).all()
    assert (result.passage_times[~np.eye(len(result.passage_times), dtype=bool)] > 1).all()


def test_bad_input():
    runs = chain_runs(np.random.default_rng(0), 10, 10)
    with pytest.raises(MDGenError, match="method 'magic' is not known"):
        reweight(runs, 1, method="magic")
    with pytest.raises(MDGenError, match="runs of 11 frames are too short for a lag of 11"):
        reweight(runs, 11)
    with pytest.raises(MDGenError, match="not numbers"):
        reweight([runs[0] * np.nan, *runs], 1)


def test_nothing_that_moves_gives_the_generated_shares():
    generated = np.repeat((0.0, 1.0), (30, 70))[:, None]
    result = reweight([np.zeros((5, 1)), np.ones((5, 1))], 1, generated, n_bootstrap=5)
    assert sum(w.sum() for w in result.weights[1:]) == pytest.approx(0.7, abs=0.02)
    assert [len(part) for part in fit_markov([np.zeros((5, 1)), np.ones((5, 1))], 1).parts] == [1, 1]
    assert reweight([np.zeros((5, 1))], 1, n_bootstrap=5).after.value.tolist() == [1]

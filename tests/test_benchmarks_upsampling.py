"""What the benchmarks of upsampling measure, on cases whose answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.helpers.tiny import DATA


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent.parent / "benchmarks"))


def wandering(rng: np.random.Generator, *shape: int, step: float = 0.3) -> np.ndarray:
    """(..., frames, T) angles of random walks."""
    return rng.normal(0, step, shape).cumsum(-2)


def test_correlation_of_runs_from_key_frames():
    """A torsion that turns evenly by 0.01 a frame: every start gives cos(0.01 lag)."""
    from upsampling_floor import forward_correlation

    runs = np.broadcast_to(0.01 * np.arange(21)[None, :, None], (3, 21, 2))
    found = forward_correlation(runs, 10)
    np.testing.assert_allclose(found, np.cos(0.01 * np.arange(1, 10))[:, None].repeat(2, 1))


def test_scatter_is_the_same_where_the_real_gaps_are_like_the_tries():
    from upsampling_floor import scatter

    rng = np.random.default_rng(0)
    walks = wandering(rng, 4000, 4, 21, 1)
    among, apart = scatter(walks[:, 1:], walks[:, 0], (2, 10)).T
    np.testing.assert_allclose(among, apart, rtol=0.1)
    quiet = wandering(rng, 4000, 3, 21, 1, step=0.1)
    among, apart = scatter(quiet, walks[:, 0], (2, 10)).T
    assert (apart > 3 * among).all()


def test_scores_of_several_draws(shared):
    """The error is the mean of the draws', not that of their mean; what is not drawn has no spread between seeds."""
    from upsampling import by_model, cartesian, metrics_module, read_bursts, score

    metrics = metrics_module(shared)
    universe, bursts = read_bursts(shared / "data" / "peptides" / "test" / "ACE-V-NME", 100)
    bursts = [burst[:201] for burst in bursts]
    quads = np.array([quad for _, quad in metrics.quadruples(universe)])

    def of(way, seeds):
        return score(metrics, universe, bursts, quads, 10, way, 0.1, seeds)

    drawn = by_model("peptide", 0.1)
    one, other, both = of(drawn, range(1)), of(drawn, range(1, 2)), of(drawn, range(2))
    np.testing.assert_allclose(both.error, (one.error + other.error) / 2, rtol=1e-6)
    assert np.isnan(one.between) and 0 < both.between < one.error.mean() + other.error.mean()
    straight = of(cartesian, range(1))
    assert straight.error.mean() > both.error.mean() and straight.keys_exact and both.keys_exact


def test_mean_of_weights(tmp_path):
    import average_weights

    from openmm_mdgen.weights.checkpoint import load_weights, save_weights
    from tests.helpers.tiny import DATA

    start = load_weights(str(DATA / "tiny-upsample.safetensors"))
    moved = replace(start, state={key: value + 0.5 for key, value in start.state.items()})
    save_weights(tmp_path / "moved.safetensors", moved)
    given = [str(DATA / "tiny-upsample.safetensors"), str(tmp_path / "moved.safetensors")]
    result = CliRunner().invoke(average_weights.main, [*given, "-o", str(tmp_path / "mean.safetensors")])
    assert result.exit_code == 0, result.output
    mean = load_weights(str(tmp_path / "mean.safetensors"))
    assert all(np.allclose(mean.state[key], start.state[key] + 0.25, atol=1e-6) for key in start.state)
    assert (mean.name, mean.task, mean.spacings) == (start.name, start.task, start.spacings)
    other = [str(DATA / "tiny.safetensors"), given[0], "-o", str(tmp_path / "none.safetensors")]
    result = CliRunner().invoke(average_weights.main, other)
    assert result.exit_code == 1 and "differ in shape" in result.output
    scaled = replace(start, tables=start.tables | {"kept": start.tables["kept"] + 0.1})
    save_weights(tmp_path / "scaled.safetensors", scaled)
    other = [given[0], str(tmp_path / "scaled.safetensors"), "-o", str(tmp_path / "none.safetensors")]
    result = CliRunner().invoke(average_weights.main, other)
    assert result.exit_code == 1 and "scaled differently" in result.output
    assert not (tmp_path / "none.safetensors").exists()


def test_bursts_are_scored_with_those_near_their_temperature(tmp_path):
    from MDAnalysis import Universe, Writer
    from upsampling_temperatures import filled, read_bursts

    universe = Universe(str(DATA / "QGRE.pdb"))
    universe.atoms.write(str(tmp_path / "heavy.pdb"))
    rows = ["trajectory,temperature_K"]
    for k, kelvin in enumerate((280.0, 302.5, 314.0, 340.0)):
        with Writer(str(tmp_path / f"burst{k}.xtc"), n_atoms=len(universe.atoms)) as writer:
            for _ in range(25):
                writer.write(universe.atoms)
        rows.append(f"burst{k}.xtc,{kelvin}")
    (tmp_path / "temperatures.csv").write_text("\n".join(rows))
    found, bursts = read_bursts(tmp_path, 300.0, 350.0, 10)
    assert [kelvin for kelvin, _ in bursts] == [302.5, 314.0] and bursts[0][1].shape == (21, len(found.atoms), 3)
    again = filled(found, bursts[0][1], 10, "Cartesian", 300.0, 0)
    np.testing.assert_allclose(again, bursts[0][1], atol=1e-4)

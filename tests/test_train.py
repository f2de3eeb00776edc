"""Training: the cache, the windows, and runs that are deterministic, resumable and learn something."""

import copy
import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from openmm_mdgen.cli import group, main
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.network.velocity import VelocityConfig
from openmm_mdgen.tokens.noise_colour import GapSpectra
from openmm_mdgen.tokens.tokens import N_CHANNELS, Normalization, tokens_to_internal
from openmm_mdgen.train import run as run_module
from openmm_mdgen.train.cache import Cache, build_cache, check_source
from openmm_mdgen.train.flow import build_optimizers, draw_times, flow_loss, rate_factor, slow_modes, update_average
from openmm_mdgen.train.gaps import GapBatches, GapConfig, measure_gap_spectra
from openmm_mdgen.train.run import TrainConfig, train, united
from openmm_mdgen.train.windows import Coverage, WindowBatches, WindowConfig, measure_normalization
from openmm_mdgen.weights.checkpoint import load_task, load_weights, read_weights
from tests.helpers.tiny import DATA, internal, structure

MD = DATA / "md"
UNIT = Normalization(torch.zeros(N_CHANNELS), torch.ones(N_CHANNELS))
CONFIG = TrainConfig(
    network=VelocityConfig(width=16, depth=1, heads=2),
    windows=WindowConfig(n_frames=16, n_tokens=192),
    n_steps=12,
    every=4,
    precision="32-true",
    accelerator="cpu",
    devices="1",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Cache:
    return build_cache([MD], tmp_path_factory.mktemp("cache"))


def run(out, config=CONFIG, **settings):
    """Weights after a run on the committed MD."""
    return read_weights(train([MD], [], out, config, **settings))


def same(a, b) -> bool:
    return all(torch.equal(a.state[k], b.state[k]) for k in a.state)


# the cache -------------------------------------------------------------------------------------------------------


def test_cache_holds_the_internal_coordinates(cache):
    coarse = next(s for s in cache.segments if "coarse" in s.name)
    assert (coarse.n_frames, coarse.interval, coarse.n_residues) == (160, 1.0, 1)
    assert coarse.residue_types == ("ACE", "ALA", "NME")
    universe = mda.Universe(str(MD / "topology.pdb"), str(MD / "coarse.xtc"))
    expected = internal("ACE-A-NME").encode(torch.from_numpy(universe.trajectory[7].positions.astype(float)))
    np.testing.assert_allclose(cache.frames(coarse)[7], expected, atol=1e-5)
    fine = next(s for s in cache.segments if "fine" in s.name)
    assert (fine.n_frames, fine.interval) == (60, 0.1)
    assert isinstance(cache.frames(fine).base, np.memmap | np.ndarray) and not cache.frames(fine).flags.writeable


@pytest.mark.parametrize("suffix", ["dcd", "nc", "trr"])
def test_any_format_and_stride(tmp_path, suffix, cache):
    shutil.copy(MD / "topology.pdb", tmp_path / "other.pdb")
    universe = mda.Universe(str(MD / "topology.pdb"), str(MD / "coarse.xtc"))
    with warnings.catch_warnings(), mda.Writer(str(tmp_path / f"t.{suffix}"), universe.atoms.n_atoms, dt=1.0) as file:
        warnings.simplefilter("ignore")
        for _ in universe.trajectory[:20]:
            file.write(universe.atoms)
    found = build_cache([tmp_path], tmp_path / "out", stride=3, temperature=350.0)
    (segment,) = found.segments
    assert (segment.n_frames, segment.interval) == (7, 3.0)
    coarse = next(s for s in cache.segments if "coarse" in s.name)
    np.testing.assert_allclose(found.frames(segment), cache.frames(coarse)[:20:3], atol=1e-4)


def test_trajectory_without_its_topology(tmp_path):
    shutil.copytree(MD, tmp_path / "good")
    (tmp_path / "bad").mkdir()
    shutil.copy(DATA / "QGRE.pdb", tmp_path / "bad")
    shutil.copy(MD / "fine.xtc", tmp_path / "bad")
    with pytest.warns(MDGenWarning, match=r"bad/fine.xtc left out: no topology beside it has its atoms"):
        assert len(build_cache([tmp_path], tmp_path / "out", temperature=350.0).segments) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # MDAnalysis' half-opened reader
def test_trajectories_that_cannot_be_used_are_left_out(tmp_path):
    """One is no peptide, one is no trajectory; the good one is in the cache."""
    shutil.copytree(MD, tmp_path / "good")
    for name in ("water", "damaged"):
        (tmp_path / name).mkdir()
    shutil.copy(MD / "coarse.xtc", tmp_path / "water")
    text = (MD / "topology.pdb").read_text()
    (tmp_path / "water" / "topology.pdb").write_text(text.replace("ALA", "HOH"))
    shutil.copy(MD / "topology.pdb", tmp_path / "damaged")
    (tmp_path / "damaged" / "coarse.xtc").write_bytes((MD / "coarse.xtc").read_bytes()[100:500])
    with pytest.warns(MDGenWarning) as told:
        found = build_cache([tmp_path], tmp_path / "out", temperature=350.0)
    messages = sorted(str(w.message) for w in told if w.category is MDGenWarning)
    assert len(found.segments) == 2 and all("good" in s.name for s in found.segments)
    assert [m.startswith(str(tmp_path / n)) for m, n in zip(messages, ("damaged", "water"), strict=True)] == [True] * 2
    assert "HOH" in messages[1] and all("coarse.xtc left out: " in m and "\n" not in m for m in messages)
    with pytest.warns(MDGenWarning), pytest.raises(MDGenError, match=r"no peptide trajectories found under .*water"):
        build_cache([tmp_path / "water"], tmp_path / "none", temperature=350.0)


def test_a_cache_of_other_data_is_refused(tmp_path, monkeypatch):
    shutil.copytree(MD, tmp_path / "md")
    built = tmp_path / "cache"
    build_cache([tmp_path / "md"], built, stride=2)
    monkeypatch.chdir(tmp_path)
    check_source(built, [Path("md")], stride=2)  # the same folder, called otherwise
    remedy = "; delete it to have it made anew, or name another folder with -o"
    with pytest.raises(MDGenError, match=rf"cache was built with stride 2, not 1{remedy}"):
        check_source(built, [tmp_path / "md"])
    with pytest.raises(MDGenError, match=rf"cache was built with temperature None, not 300.0{remedy}"):
        check_source(built, [tmp_path / "md"], stride=2, temperature=300.0)
    with pytest.raises(MDGenError, match=rf"cache was built from .*/md, not .*/md, {MD}{remedy}"):
        check_source(built, [tmp_path / "md", MD], stride=2)
    changes = {
        "fine.xtc was changed": lambda: os.utime(tmp_path / "md" / "fine.xtc", (1, 1)),
        "another.xtc was added": lambda: shutil.copy(MD / "fine.xtc", tmp_path / "md" / "another.xtc"),
        "temperatures.csv was changed": lambda: os.utime(tmp_path / "md" / "temperatures.csv", (1, 1)),
        "topology.pdb was changed": lambda: (tmp_path / "md" / "topology.pdb").write_text("other"),
        "coarse.xtc was removed": lambda: (tmp_path / "md" / "coarse.xtc").unlink(),
    }
    for message, change in changes.items():
        shutil.rmtree(tmp_path / "md")
        shutil.copytree(MD, tmp_path / "md")
        check_source(built, [tmp_path / "md"], stride=2)  # copies keep the time of change
        change()
        with pytest.raises(MDGenError, match=rf"md/{message} after token cache .*cache was built{remedy}"):
            check_source(built, [tmp_path / "md"], stride=2)


def test_temperatures_of_a_table_and_of_the_default(tmp_path):
    shutil.copytree(MD, tmp_path / "md")
    table = tmp_path / "md" / "temperatures.csv"
    table.write_text("trajectory,temperature_K\nfine.xtc,310.5\n")
    found = build_cache([tmp_path / "md"], tmp_path / "a", temperature=400.0)
    assert {Path(s.name).name: s.temperature for s in found.segments} == {"fine.xtc": 310.5, "coarse.xtc": 400.0}
    assert {s.temperature for s in Cache(tmp_path / "a").segments} == {310.5, 400.0}
    with pytest.raises(MDGenError, match=r"the temperature of .*coarse.xtc is not known; give --temperature for all"):
        build_cache([tmp_path / "md"], tmp_path / "b")


@pytest.mark.parametrize("text", ["", "file,kelvin\nfine.xtc,300\n", "trajectory,temperature_K\nfine.xtc,warm\n"])
def test_damaged_tables_of_temperatures(tmp_path, text):
    shutil.copytree(MD, tmp_path / "md")
    (tmp_path / "md" / "temperatures.csv").write_text(text)
    with pytest.raises(MDGenError, match=r"temperatures.csv is no table of temperatures|is not known"):
        build_cache([tmp_path / "md"], tmp_path / "a")


@pytest.mark.parametrize("kelvin", [0.0, -300.0, float("nan"), 1e9])
def test_temperatures_that_cannot_be(tmp_path, kelvin):
    shutil.copytree(MD, tmp_path / "md")
    (tmp_path / "md" / "temperatures.csv").unlink()
    with pytest.raises(MDGenError, match="give one above 0 and below 2000 K"):
        build_cache([tmp_path / "md"], tmp_path / "a", temperature=kelvin)


def test_a_cache_that_does_not_say_what_it_was_built_from(tmp_path):
    build_cache([MD], tmp_path, temperature=350.0)
    index = json.loads((tmp_path / "index.json").read_text())
    assert index.pop("source")["folders"] == [str(MD)]
    (tmp_path / "index.json").write_text(json.dumps(index))
    check_source(tmp_path, [tmp_path], stride=7)
    assert len(Cache(tmp_path).segments) == 2


def test_nothing_to_read(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MDGenError, match=r"no peptide trajectories found under .*empty; put each beside a topology"):
        build_cache([tmp_path / "empty"], tmp_path / "out", temperature=350.0)
    with pytest.raises(MDGenError, match=r"absent is not a folder"):
        build_cache([tmp_path / "absent"], tmp_path / "out", temperature=350.0)
    assert not (tmp_path / "out" / "index.json").exists()


def test_cache_of_another_version(tmp_path):
    (tmp_path / "index.json").write_text('{"version": 99, "segments": []}')
    with pytest.raises(MDGenError, match="version 99, not 2; delete it"):
        Cache(tmp_path)


# windows ---------------------------------------------------------------------------------------------------------


def test_windows_are_a_pure_function_of_seed_and_step(cache):
    config = WindowConfig(n_frames=16, n_tokens=192)
    windows, others = (WindowBatches(cache, measure_normalization(cache), config) for _ in range(2))
    batches = [windows.draw(3, step) for step in range(4)]
    np.random.seed(0)
    again = [others.draw(3, step) for step in reversed(range(4))][::-1]
    for one, two in zip(batches, again, strict=True):
        assert torch.equal(one.tokens, two.tokens) and torch.equal(one.counts, two.counts)
        assert _same(one.conditioning, two.conditioning)
    different = windows.draw(4, 0).tokens
    assert different.shape != batches[0].tokens.shape or not torch.equal(different, batches[0].tokens)


def _same(one, two):
    return all((x is None and y is None) or torch.equal(x, y) for x, y in zip(one, two, strict=True))


def test_windows_are_cut_from_the_data(cache):
    windows = WindowBatches(
        cache, UNIT, WindowConfig(n_frames=16, n_tokens=384, intervals=(5.0,), interval_weights=(1.0,))
    )
    batch, given = windows.draw(0, 0), windows.draw(0, 0).conditioning
    assert batch.tokens.shape == (8, 16, 3, N_CHANNELS) and (given.interval == 5).all()
    coarse = torch.from_numpy(np.array(cache.frames(next(s for s in cache.segments if "coarse" in s.name))))
    found = tokens_to_internal(batch.tokens, UNIT)[:, :, 1]
    backwards = 0
    for window in found:
        first, last = (int((coarse[:, 1] - window[k]).abs().amax(-1).argmin()) for k in (0, -1))
        assert abs(last - first) == 75
        in_order, backwards = (window, backwards) if first < last else (window.flip(0), backwards + 1)
        torch.testing.assert_close(in_order, coarse[min(first, last) : max(first, last) + 1 : 5, 1], atol=1e-5, rtol=0)
    assert 0 < backwards < len(found)  # half of the windows run backwards in time
    counted = given.exists.unsqueeze(1) & ~given.given.unsqueeze(-1)
    assert torch.equal(batch.counts, counted)


def test_shares_of_what_is_given(cache):
    """Each kind of window where it alone is asked for; only given torsions are disturbed."""
    base = {"first": 0.0, "ends": 0.0, "scattered": 0.0, "none": 0.0}
    for kind, expected in (("first", {0}), ("ends", {0, 15}), ("none", set())):
        config = WindowConfig(n_frames=16, n_tokens=192, **(base | {kind: 1.0}), perturbed=0.0)
        batch = WindowBatches(cache, UNIT, config).draw(0, 0)
        given = batch.conditioning.given
        assert set(given[0, :, 0].nonzero().flatten().tolist()) == expected
        assert torch.equal(batch.conditioning.values, batch.tokens)
    config = WindowConfig(n_frames=16, n_tokens=192, **(base | {"scattered": 1.0}), perturbed=1.0)
    batch = WindowBatches(cache, UNIT, config).draw(0, 0)
    assert batch.conditioning.given.any(1).all() and not batch.conditioning.given.all(1).any()
    difference = (batch.conditioning.values - batch.tokens).abs().amax((0, 1, 2))
    assert (difference[2:6] > 0.01).all() and (difference[14:] == 0).all()


@pytest.mark.parametrize(("kind", "furthest"), [("history", 8), ("regular", 15)])
def test_frames_at_equal_steps_are_given(cache, kind, furthest):
    none = {"first": 0.0, "ends": 0.0, "scattered": 0.0, "none": 0.0}
    settings = {"intervals": (10.0,), "interval_weights": (1.0,)} | none | {kind: 1.0}
    windows = WindowBatches(cache, UNIT, WindowConfig(n_frames=16, n_tokens=192, **settings))
    steps = set()
    for number in range(20):
        for given in windows.draw(0, number).conditioning.given[:, :, 0]:
            places = given.nonzero().flatten()
            step = places.diff().unique()
            assert places[0] == 0 and len(step) == 1 and len(places) < 16
            assert places[-1] <= max(furthest, int(step)) and (kind == "history" or places[-1] + step > 15)
            steps.add(int(step))
    assert len(steps) > 4


def test_one_temperature_a_batch(cache, tmp_path):
    """Where it is asked for, windows of a batch share a temperature, and all temperatures come up."""
    for kelvin in (300, 400):
        folder = tmp_path / "md" / str(kelvin)
        folder.mkdir(parents=True)
        for name in ("topology.pdb", "coarse.xtc"):
            shutil.copy(MD / name, folder)
        (folder / "temperatures.csv").write_text(f"trajectory,temperature_K\ncoarse.xtc,{kelvin}\n")
    tempered = build_cache([tmp_path / "md"], tmp_path / "cache")
    one, any_ = (
        WindowBatches(
            tempered, UNIT, WindowConfig(n_frames=16, n_tokens=768, one_temperature=wanted, interval_weights=(1.0,) * 7)
        )
        for wanted in (True, False)
    )
    drawn = [set(one.draw(0, k).conditioning.temperature.tolist()) for k in range(20)]
    assert all(len(found) == 1 for found in drawn) and set.union(*drawn) == {300.0, 400.0}
    assert any(len(set(any_.draw(0, k).conditioning.temperature.tolist())) > 1 for k in range(20))


def test_last_legal_start_is_drawn(cache):
    """160 frames hold windows of 16 frames 10 ps apart at starts 0 to 9."""
    config = WindowConfig(n_frames=16, n_tokens=960, intervals=(10.0,), interval_weights=(1.0,), reversed=0.0)
    batch = WindowBatches(cache, UNIT, config).draw(0, 0)
    coarse = cache.frames(next(s for s in cache.segments if "coarse" in s.name))
    first = tokens_to_internal(batch.tokens, UNIT)[:, 0, 1].numpy()
    starts = {int(np.abs(coarse[:, 1] - f).max(-1).argmin()) for f in first}
    assert 9 in starts and max(starts) <= 9


def test_normalization_standardises_what_exists(cache):
    windows = WindowBatches(cache, measure_normalization(cache), WindowConfig(n_frames=64, n_tokens=4000))
    batch = windows.draw(0, 1)
    exists = batch.conditioning.exists[0, 1]
    tokens = batch.tokens[:, :, 1, exists]
    assert tokens[..., -5:].mean().abs() < 1 and 0.3 < float(tokens.std()) < 3


def test_intervals_that_the_data_lack(cache):
    with pytest.raises(MDGenError, match=r"no trajectory in the data has frames \(0.03,\) ps apart"):
        WindowBatches(cache, UNIT, WindowConfig(intervals=(0.03,), interval_weights=(1.0,)))
    with pytest.raises(MDGenError, match=r"frames \(0.03,\) ps apart; upsampling is learned from finely saved MD"):
        measure_gap_spectra(cache, GapConfig(intervals=(0.03,), interval_weights=(1.0,)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], 0.0),
        (["--task", "upsample"], 0.3),
        (["--task", "upsample", "--forget", "0"], 0.0),
        (["--forget", "1"], 1.0),
    ],
)
def test_how_much_is_forgotten_by_default(monkeypatch, arguments, expected):
    seen = []
    monkeypatch.setattr(run_module, "train", lambda *given, **settings: seen.append(given[3]))
    result = CliRunner().invoke(group, ["train", str(MD), *arguments])
    assert result.exit_code == 0, result.output
    assert [config.hidden_neighbours for config in seen] == [expected]


def test_half_of_the_gaps_run_backwards(cache):
    """GapBatches drawn with ``reversed`` 0 and 1 are the same ones, the other way round."""
    config = GapConfig(spacings=(1.0,), spacing_weights=(1.0,), intervals=(0.1,), interval_weights=(1.0,), n_tokens=90)
    spectra = measure_gap_spectra(cache, config)
    ahead, back = (GapBatches(cache, spectra, replace(config, reversed=share)).draw(0, 3) for share in (0.0, 1.0))
    torch.testing.assert_close(back.tokens, ahead.tokens.flip(1), atol=1e-3, rtol=0)
    mixed = [GapBatches(cache, spectra, config).draw(0, k).tokens for k in range(20)]
    same = [GapBatches(cache, spectra, replace(config, reversed=0.0)).draw(0, k).tokens for k in range(20)]
    kept = [torch.equal(x, y) for a, b in zip(mixed, same, strict=True) for x, y in zip(a, b, strict=True)]
    assert 0.3 < np.mean(kept) < 0.7


def test_gaps(cache):
    config = GapConfig(n_tokens=600)
    spectra = measure_gap_spectra(cache, config)
    assert isinstance(spectra, GapSpectra) and set(spectra.pairs[:, 0].tolist()) == {1.0, 2.0, 5.0, 10.0, 20.0, 50.0}
    assert (spectra.kept[:7] == 0).all() and (spectra.kept <= 1).all() and (spectra.variance > 0).all()
    gaps = GapBatches(cache, spectra, config)
    one, two = gaps.draw(1, 2), GapBatches(cache, spectra, config).draw(1, 2)
    assert torch.equal(one.tokens, two.tokens) and torch.equal(one.conditioning.values, two.conditioning.values)
    assert one.counts.any() and (one.tokens[~one.counts] == 0).all()
    spread = torch.cat([gaps.draw(1, k).tokens[..., 1, :7].flatten() for k in range(10)])
    assert 0.5 < float(spread.std()) < 3  # white, as far as so few gaps can tell


def test_gaps_at_several_temperatures(cache):
    """Gaps of the same motion, half of which are said to be hotter: that motion counts for less, and noise for more."""
    config = GapConfig(n_tokens=600, spacings=(1.0,), spacing_weights=(1.0,))
    plain = measure_gap_spectra(cache, config)
    assert plain.temperature is None and "temperature" not in config.tables(cache)
    mixed, hot = copy.copy(cache), copy.copy(cache)
    mixed.segments = [replace(s, temperature=(350.0, 450.0)[k % 2]) for k, s in enumerate(cache.segments)]
    hot.segments = [replace(s, temperature=450.0) for s in cache.segments]
    assert float(config.tables(mixed)["temperature"]) == 350.0
    assert (measure_gap_spectra(mixed, config).variance <= plain.variance * 1.001).all()
    at_350 = replace(plain, temperature=torch.tensor(350.0))
    cooler, hotter = (GapBatches(c, at_350, config).draw(0, 0) for c in (cache, hot))
    torch.testing.assert_close(hotter.tokens * math.sqrt(450 / 350), cooler.tokens, rtol=1e-3, atol=1e-3)
    assert (hotter.conditioning.temperature == 450.0).all()


def test_weights_of_one_temperature_start_a_run_of_several(cache):
    start, config = load_weights(str(DATA / "tiny-upsample.safetensors")), GapConfig()
    same, mixed = copy.copy(cache), copy.copy(cache)
    same.segments = [replace(s, temperature=start.temperature) for s in cache.segments]
    mixed.segments = [replace(s, temperature=300.0 + 50 * (k % 2)) for k, s in enumerate(cache.segments)]
    assert config.adopted(start, same) is start
    adopted = config.adopted(start, mixed)
    assert float(adopted.tables["temperature"]) == start.temperature and adopted.state is start.state
    assert config.adopted(adopted, same) is adopted


# optimisation ----------------------------------------------------------------------------------------------------


def test_rates():
    factors = [rate_factor(step, 1000, 100, 0.4) for step in range(1000)]
    assert factors[0] == 0.01 and factors[99] == factors[600] == 1.0 and factors[800] == pytest.approx(0.5)
    assert min(factors) > 0 and rate_factor(1000, 1000, 100, 0.4) == 0


def test_flow_times_lie_in_the_middle_more_often():
    times = draw_times(20_000, torch.Generator().manual_seed(0))
    assert (times >= 0).all() and (times <= 1).all() and float(times.mean()) == pytest.approx(0.5, abs=0.01)
    middle, ends = ((times - 0.5).abs() < 0.1).float().mean(), ((times - 0.5).abs() > 0.4).float().mean()
    assert 0.24 < middle < 0.34 and 0.05 < ends < 0.13


def test_forgetting_neighbours(cache):
    """The loss of a batch with all neighbours told, with none, and the same draw twice."""
    batch = WindowBatches(cache, measure_normalization(cache), WindowConfig(n_frames=16, n_tokens=192)).draw(0, 0)
    network = load_task(DATA / "tiny.safetensors", "cpu").network

    def loss(hidden: float) -> float:
        return float(flow_loss(network, batch, torch.Generator().manual_seed(1), torch.ones(N_CHANNELS), hidden))

    assert loss(0.0) == loss(1e-9) and loss(0.5) == loss(0.5)
    assert abs(loss(1.0) - loss(0.0)) > 1e-4


def test_slow_modes_weigh_more():
    """A slow error costs more than a fast one of the same size; all modes together keep the mean square."""
    n = torch.arange(1, 10)
    slow, fast = (torch.sin(math.pi * k * n / 10).reshape(1, 9, 1, 1) for k in (1, 9))
    assert slow_modes(slow).square().sum() > 2.5 * slow_modes(fast).square().sum()
    error = torch.randn(500, 9, 1, 1, generator=torch.Generator().manual_seed(0))
    assert float(slow_modes(error).square().mean() / error.square().mean()) == pytest.approx(1, abs=0.05)


def test_every_parameter_has_one_optimizer():
    network = load_task(DATA / "tiny.safetensors").network
    groups = [p for o in build_optimizers(network, 1e-3, 1e-3) for g in o.param_groups for p in g["params"]]
    assert len({id(p) for p in groups}) == len(groups) == len(list(network.parameters()))


def test_average_follows():
    average, network = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    for layer, value in ((average, 0.0), (network, 1.0)):
        torch.nn.init.constant_(layer.weight, value)
    update_average(average, network, 10_000, 0.9)
    assert float(average.weight.detach()) == pytest.approx(0.1)


# runs ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("finished")
    run(out)
    return out


def test_outputs(finished):
    rows = list(csv.reader((finished / "losses.csv").open()))
    assert rows[0] == ["step", "train", "validation", "seconds"] and [r[0] for r in rows[1:]] == ["4", "8", "12"]
    assert (finished / "losses.png").read_bytes().startswith(b"\x89PNG")
    weights = read_weights(finished / "model.safetensors")
    assert weights.training["steps"] == 12 and weights.temperature == 350
    assert (weights.lengths, weights.intervals, weights.spacings) == ((1, 1), (1.0, 20.0), ())
    frames = load_task(finished / "model.safetensors").bind(structure("ACE-A-NME"))
    assert np.isfinite(frames.next_block(structure("ACE-A-NME").positions, 1)).all()


def test_deterministic_under_a_seed(finished, tmp_path):
    torch.manual_seed(99)
    expected = read_weights(finished / "model.safetensors")
    assert same(run(tmp_path / "same"), expected)
    assert not same(run(tmp_path / "other", replace(CONFIG, seed=1)), expected)


def test_a_run_that_is_over_changes_nothing(finished):
    before = (finished / "model.safetensors").read_bytes()
    run(finished)
    assert (finished / "model.safetensors").read_bytes() == before


def test_loss_falls(tmp_path, monkeypatch):
    """With scales not made for these data, so that a mean and a variance wait to be learned."""
    monkeypatch.setattr(run_module, "WARMUP", 5)
    config = replace(CONFIG, n_steps=80, every=20, muon_rate=0.01, adamw_rate=0.01, ema=0.9)
    run(tmp_path, config, init=str(DATA / "tiny.safetensors"))
    rows = list(csv.DictReader((tmp_path / "losses.csv").open()))
    start, first, last = rows[0], rows[1], rows[-1]
    assert start["step"] == "0" and not start["train"]
    assert float(last["validation"]) < float(start["validation"])
    assert float(last["train"]) < 0.93 * float(first["train"])
    assert float(last["validation"]) < 0.96 * float(first["validation"])  # the average has learned some by its first


def test_fine_tuning_starts_from_the_weights(tmp_path):
    start = read_weights(DATA / "tiny.safetensors")
    config = replace(CONFIG, network=VelocityConfig(width=64), n_steps=1, muon_rate=0.0, adamw_rate=0.0)
    tuned = run(tmp_path, config, init=str(DATA / "tiny.safetensors"))
    assert tuned.config == start.config and same(tuned, start)
    assert all(torch.equal(tuned.tables[k], start.tables[k]) for k in start.tables)


def test_fine_tuning_widens_the_range(tmp_path):
    """The data have one residue and intervals up to 20 ps, the weights 1 to 6 residues and 1 to 100 ps."""
    start = read_weights(DATA / "tiny.safetensors")
    weights = run(tmp_path / "simulate", replace(CONFIG, n_steps=1), init=str(DATA / "tiny.safetensors"))
    assert (weights.lengths, weights.intervals, weights.spacings) == ((1, 6), (1.0, 100.0), ())
    assert weights.training["init"] == {"name": "tiny", "content_hash": start.content_hash}
    assert "init" not in run(tmp_path / "fresh", replace(CONFIG, n_steps=1)).training
    start = read_weights(DATA / "tiny-upsample.safetensors")
    config = replace(CONFIG, n_steps=1, windows=GapConfig(n_tokens=192))
    weights = run(tmp_path / "upsample", config, init=str(DATA / "tiny-upsample.safetensors"))
    assert (weights.spacings, weights.training["init"]["name"]) == ((1.0, 50.0), start.name)


def test_ranges_are_united():
    start = replace(read_weights(DATA / "tiny.safetensors"), lengths=(2, 5), intervals=(1.0, 10.0))
    assert united(Coverage((4, 8), (0.5, 2.0), (300.0, 400.0)), start) == Coverage(
        (2, 8), (0.5, 10.0), (300.0, 400.0), ()
    )
    assert united(
        Coverage((4, 4), (2.0, 2.0), (300.0, 300.0), (1.0, 5.0)), replace(start, spacings=(2.0, 9.0))
    ).spacings == (1.0, 9.0)


def test_fine_tuning_for_another_task(tmp_path):
    with pytest.raises(
        MDGenError, match=r"--init names a model for 'upsample', not 'simulate'; choose --task upsample"
    ):
        run(tmp_path, init=str(DATA / "tiny-upsample.safetensors"))


ARGUMENTS = [str(MD), *"--width 16 --depth 1 --heads 2 --frames 16 --tokens 192 --threads 1 --accelerator cpu".split()]


KILLED = """
import os, signal, sys
from openmm_mdgen.cli import main
from openmm_mdgen.train import run

step, last = run._Run._one_step, int(sys.argv[1])

def one_step(self, batch, progress):
    if self.course.step == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, progress)

run._Run._one_step = one_step
main(sys.argv[2:])
"""


def test_killed_and_resumed_is_the_uninterrupted_run(tmp_path):
    """SIGKILL between two checkpoints, and right after one; then the same command to the end."""
    arguments = [*ARGUMENTS, *"--steps 40 --every 10 --precision 32-true --devices 1".split()]
    for last in (14, 30):
        command = [sys.executable, "-c", KILLED, str(last), "train", *arguments, "-o", str(tmp_path / "killed")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
    for name in ("killed", "whole"):
        result = CliRunner().invoke(group, ["train", *arguments, "-o", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert ("resuming at step" in result.output) == (name == "killed")
    killed, whole = (read_weights(tmp_path / name / "model.safetensors") for name in ("killed", "whole"))
    assert same(killed, whole)
    losses = [list(csv.reader((tmp_path / name / "losses.csv").open())) for name in ("killed", "whole")]
    assert [row[:3] for row in losses[0]] == [row[:3] for row in losses[1]]


def test_a_cache_that_was_not_finished_is_made_anew(tmp_path):
    (tmp_path / "cache" / "train").mkdir(parents=True)
    (tmp_path / "cache" / "train" / "internal.npy").write_bytes(b"half")
    (tmp_path / "cache" / "train" / "index.json.tmp").write_text("{")
    assert run(tmp_path, replace(CONFIG, n_steps=1))


def test_a_run_of_other_data_is_refused(finished):
    before = (finished / "model.safetensors").read_bytes()
    with pytest.raises(MDGenError, match=r"cache/train was built with stride 1, not 2; delete it"):
        run(finished, stride=2)
    assert (finished / "model.safetensors").read_bytes() == before


# command line ----------------------------------------------------------------------------------------------------


def test_upsampling_by_command(tmp_path):
    arguments = ["train", *ARGUMENTS, "--task", "upsample", "--steps", "2", "--name", "fine", "-o", str(tmp_path)]
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0 and "weights: " in result.output
    task = load_task(tmp_path / "model.safetensors")
    assert (task.name, task.spacings, task.intervals, task.lengths) == ("fine", (1.0, 50.0), (0.1, 1.0), (1, 1))


@pytest.mark.slow
def test_two_processes_train_together(tmp_path):
    """With batches that inpaint, whose losses use the network twice, and batches that leave parts of it out."""
    arguments = ["train", *ARGUMENTS, "--steps", "4", "--inpaint", "0.5", "--devices", "2", "-o", str(tmp_path)]
    command = [sys.executable, "-m", "openmm_mdgen", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert load_task(tmp_path / "model.safetensors", "cpu").network.config.inpaints


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["absent"], "absent is not a folder"),
        ([str(MD), "--init", "protein"], "protein does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(tmp_path, monkeypatch, capsys, change, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["train", *change, "--accelerator", "cpu"])
    (line,) = (x for x in capsys.readouterr().err.splitlines() if x.startswith("error: "))
    assert stopped.value.code == 2 and message in line
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_lightning_absent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning", None)
    with pytest.raises(MDGenError, match=r"pip install 'openmm-mdgen\[train\]'"):
        run(tmp_path)


@pytest.mark.parametrize("windows", [WindowConfig(residues=0.2), WindowConfig(), GapConfig()])
def test_a_task_says_what_it_needs_of_the_network(windows):
    shape = windows.shape(VelocityConfig(inpaints=False))
    assert shape.inpaints == (windows.task == "simulate" and windows.residues > 0)
    assert (shape.channels == VelocityConfig().channels) == (windows.task == "simulate")
    assert windows.shape(shape) == shape
    assert windows.about()["n_tokens"] == windows.n_tokens

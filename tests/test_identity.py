"""The model that guesses identities: what it learns of made-up motion, what does not matter, its file, its training."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from openmm_mdgen.cli import group
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.closure import build_run
from openmm_mdgen.geometry.internal import INTERNAL, OMEGA, PHI, PSI
from openmm_mdgen.geometry.sidechains import TYPES
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.identity import (
    N_AVERAGES,
    N_EFFECTS,
    N_MOVING,
    N_STILL,
    PLACES,
    Place,
    averages_to_features,
    frame_averages,
    frame_lags,
    gap_distances,
    surroundings,
)
from openmm_mdgen.tokens.spans import residue_frame
from openmm_mdgen.tokens.tokens import sequence_to_indices
from openmm_mdgen.train.cache import VERSION, Cache, Segment
from openmm_mdgen.train.identity import IdentityConfig, fit_identities, measure_recovery
from openmm_mdgen.train.identity_examples import usable_segments
from openmm_mdgen.weights.checkpoint import load_task, read_weights
from openmm_mdgen.weights.header import IDENTITIES as FORMAT
from openmm_mdgen.weights.header import bundled_path
from openmm_mdgen.weights.identities import load_identities, save_identities
from tests.helpers.tiny import DATA, identities, internal, moving, structure

LENGTHS = (1.46, 1.52, 1.335, 1.94, 2.03, 2.12, 1.93, 1.93, 1.98)  # Å and radians, in the order of INTERNAL
ALPHABET = ("GLY", "ALA", "VAL", "PRO")
MEMORY = {"GLY": 0.2, "ALA": 0.9, "VAL": 0.2, "PRO": 0.9}  # of a frame's torsions in the next one's


class Toys:
    """A cache of peptides that move as their residues' types say: two by two they dwell alike or are as fast."""

    def __init__(self, n_peptides: int = 24, n_frames: int = 400, *, dwell: bool = True, fast: bool = True, seed=0):
        rng = np.random.default_rng(seed)
        self.arrays, self.segments = [], []
        for k in range(n_peptides):
            types = tuple(rng.choice(ALPHABET, 4))
            x = np.tile(np.array([np.pi, -1.3, 2.3, *(0.0,) * 4, *LENGTHS]), (n_frames, 4, 1))
            for place, kind in enumerate(types):
                memory = MEMORY[kind] if fast else 0.5
                steps = rng.normal(0, 0.25, (n_frames, 2))
                for t in range(1, n_frames):
                    steps[t] = memory * steps[t - 1] + np.sqrt(1 - memory**2) * steps[t]
                x[:, place, [PHI, PSI]] += steps + (0.6 if dwell and kind in ("GLY", "ALA") else 0.0)
            x[..., len(LENGTHS) - 2 :] += rng.normal(0, 0.02, x[..., len(LENGTHS) - 2 :].shape)
            exists = tuple((True,) * len(INTERNAL) for _ in types)
            self.segments.append(Segment(str(k), types, exists, 10.0, k, n_frames))
            self.arrays.append(x.astype(np.float32))

    def frames(self, segment: Segment) -> np.ndarray:
        return self.arrays[segment.start]

    def write(self, folder) -> Cache:
        """The same as a cache on disk."""
        folder.mkdir(parents=True)
        rows = [x.reshape(-1, len(INTERNAL)) for x in self.arrays]
        starts = np.cumsum([0, *map(len, rows)])
        segments = [vars(replace(s, start=int(k))) for s, k in zip(self.segments, starts, strict=False)]
        np.save(folder / "internal.npy", np.concatenate(rows))
        (folder / "index.json").write_text(json.dumps({"version": VERSION, "segments": segments}))
        return Cache(folder)


@pytest.fixture(scope="module")
def fitted():
    return fit_identities(Toys(), IdentityConfig(folds=6))


def whole(recovered, place=Place(1, 0), moving=True):  # noqa: B008
    """Recovery from all frames."""
    return [r for r in recovered if r.place == place and r.moving == moving][-1]


# what is looked at -----------------------------------------------------------------------------------------------


def test_distances_are_those_of_the_atoms():
    frames = torch.from_numpy(moving("QGRE", 5))
    coordinates = internal("QGRE")
    found = gap_distances(coordinates.encode(frames), 1, 2)
    names = {name: k for k, name in enumerate(("N", "CA", "C"))}
    heavy = Peptide.from_structure(structure("QGRE")).heavy
    for a, i in names.items():
        for b, j in names.items():
            expected = (frames[:, heavy[0, a]] - frames[:, heavy[3, b]]).norm(dim=-1)
            torch.testing.assert_close(found[:, 3 * i + j], expected, atol=1e-6, rtol=0)


def test_the_order_of_frames_matters_to_speeds_alone():
    z = torch.randn(300, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).cumsum(0) / 10
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    one, two, back = (averages_to_features(frame_averages(x, (1, 3, 10))) for x in (z, z[order], z.flip(0)))
    assert one.shape == (N_MOVING,) and frame_averages(z, ()).shape == (N_STILL,) and N_AVERAGES == N_STILL + 27
    torch.testing.assert_close(one[:N_STILL], two[:N_STILL])
    assert (one[N_STILL:-9] - two[N_STILL:-9]).abs().min() > 0.5
    torch.testing.assert_close(one, back)


@pytest.mark.parametrize(
    ("interval", "lags"), [(10.0, (1, 3, 10)), (0.1, (100, 300, 1000)), (2.5, (4, 12, 40)), (4.0, ()), (20.0, ())]
)
def test_lags_in_frames(interval, lags):
    assert frame_lags(interval) == lags


def test_surroundings():
    """Neighbours, ends, caps; nothing of the run itself."""
    told = surroundings(sequence_to_indices(("ACE", "GLY", "PRO", "ALA", "VAL")), 2, 2)
    assert len(told) == N_EFFECTS - 20
    expected = {TYPES.index("GLY"), 20 + TYPES.index("ALA"), 42, 44}
    assert set(told.nonzero().flatten().tolist()) == expected
    ends = surroundings(sequence_to_indices(("GLY", "PRO", "ALA")), 1, 1)
    assert set(ends[40:].nonzero().flatten().tolist()) == {0, 1, 4}
    other = surroundings(sequence_to_indices(("GLY", "TRP", "ALA")), 1, 1)
    assert torch.equal(ends, other)


# what is learned -------------------------------------------------------------------------------------------------


def test_it_learns_what_the_motion_tells(fitted):
    """Of peptides that were left out; from still frames no more than the two that dwell alike leave open."""
    _, recovered = fitted
    moving_, still = whole(recovered), whole(recovered, moving=False)
    assert moving_.n_examples == 46 and moving_.first > 0.85 and moving_.probability > 0.7
    assert 0.3 < still.first < moving_.first - 0.1
    assert still.first_five > 0.85
    shorter = [r.log_probability for r in recovered if r.place == Place(1, 0) and not r.moving]
    assert shorter == sorted(shorter) and shorter[0] > np.log(1 / 20) - 0.05


def test_it_does_not_learn_what_is_not_there():
    """Peptides that all move alike: no better than one in four, which is how many kinds of residue it has seen."""
    _, recovered = fit_identities(Toys(dwell=False, fast=False), IdentityConfig(folds=6))
    assert np.mean([r.first for r in recovered]) < 0.3
    assert all(r.probability < 0.25 and r.log_probability < np.log(1 / 4) for r in recovered)


def test_the_same_seed_fits_the_same(fitted):
    model, recovered = fitted
    again, same = fit_identities(Toys(), IdentityConfig(folds=6))
    assert recovered == same
    for place in PLACES:
        assert torch.equal(model.moving[place].effects, again.moving[place].effects)
    _, other = fit_identities(Toys(), IdentityConfig(folds=6, seed=1))
    assert other != recovered


def test_new_peptides(fitted):
    """Probabilities of a run are those that recovery is measured with."""
    model, _ = fitted
    toys = Toys(3, seed=9)
    found = whole(measure_recovery(model, toys))
    assert found.n_examples == 6 and found.first > 0.6
    rows = []
    for segment in toys.segments:
        x, sequence = torch.from_numpy(toys.frames(segment)), sequence_to_indices(segment.residue_types)
        for place in (1, 2):
            free = torch.arange(4) == place
            probabilities, known = model.probabilities(x, free, sequence, 10.0)
            assert torch.equal(known, free)
            rows.append(float(probabilities[place, sequence[place]]))
    assert np.mean(rows) == pytest.approx(found.probability, abs=0.1)


def test_more_frames_say_more(fitted):
    model, _ = fitted
    toys = Toys(6, seed=5)
    means = []
    for n in (1, 20, 100, 400):
        logs = []
        for segment in toys.segments:
            x, sequence = torch.from_numpy(toys.frames(segment))[:n], sequence_to_indices(segment.residue_types)
            found, _ = model.probabilities(x, torch.arange(4) == 1, sequence, 10.0)
            torch.testing.assert_close(found[1].sum(), torch.tensor(1.0, dtype=torch.float64))
            logs.append(float(found[1, sequence[1]].log()))
        means.append(np.mean(logs))
    assert means[0] < means[2] < means[3] and means[0] > np.log(1 / 20) - 0.3


def test_the_run_itself_does_not_matter(fitted):
    """Another path through the run to the same place gives the same answer."""
    model, _ = fitted
    x = torch.from_numpy(Toys(1).arrays[0][:50]).double()
    sequence = sequence_to_indices(("GLY", "ALA", "ALA", "GLY"))
    free = torch.tensor([False, True, True, False])
    expected, _ = model.probabilities(x, free, sequence, 10.0)
    atoms = build_run(x, 0, 3)
    bent = x.clone()
    bent[:, 1, INTERNAL.index("N-CA-CB")] += 0.5
    bent[:, 1:3, 3:7] += 1.0
    assert torch.equal(residue_frame(build_run(bent, 0, 3)[:, -3:]), residue_frame(atoms[:, -3:]))
    other = sequence_to_indices(("GLY", "TRP", "PRO", "GLY"))
    found, _ = model.probabilities(bent, free, other, 10.0)
    torch.testing.assert_close(found, expected)
    bent[:, 2, OMEGA] += 0.3
    assert (model.probabilities(bent, free, sequence, 10.0)[0] - expected).abs().max() > 1e-3


# data that are too few -------------------------------------------------------------------------------------------


def test_too_few_peptides():
    with pytest.raises(MDGenError, match=r"1 peptides in the data are not enough to learn design from: two at least"):
        fit_identities(Toys(1), IdentityConfig())


def test_two_peptides_are_enough():
    model, recovered = fit_identities(Toys(2, 70), IdentityConfig())
    assert set(model.still) == set(PLACES) and all(np.isfinite(r.log_probability) for r in recovered)


def test_one_long_trajectory_among_short_ones():
    """Noise of a duration that one peptide alone has is not measured."""
    toys = Toys(6, 400)
    toys.segments = [replace(s, n_frames=60) for s in toys.segments[:5]] + toys.segments[5:]
    toys.arrays = [x[:60] for x in toys.arrays[:5]] + toys.arrays[5:]
    model, _ = fit_identities(toys, IdentityConfig())
    assert 3000.0 not in model.still[Place(1, 0)].durations[:-1]
    assert model.moving[Place(1, 0)].durations[0] == 600


def test_a_window_is_whole_frames():
    """One frame less than 600 ps does not serve, so that no window is left empty."""
    toys = Toys(2, 59)
    with pytest.raises(MDGenError, match="600 ps long"):
        usable_segments(toys)


@pytest.mark.parametrize("interval", [4.0, 0.1])
def test_trajectories_that_do_not_serve(interval):
    """An interval that does not divide 10 ps, or 40 ps in all."""
    toys = Toys(2)
    toys.segments = [replace(s, interval=interval) for s in toys.segments]
    with pytest.raises(
        MDGenError,
        match=r"no trajectory in the data, or in the validation, is 600 ps long with an interval that divides 10 ps",
    ):
        usable_segments(toys)


# files -----------------------------------------------------------------------------------------------------------


def test_round_trip(tmp_path, fitted):
    model, path = fitted[0], tmp_path / "model.safetensors"
    save_identities(path, model)
    again = load_identities(path)
    assert (again.name, again.lengths, again.temperature) == (model.name, model.lengths, model.temperature)
    assert len(again.content_hash) == 64 and again.training == model.training
    x, sequence = torch.from_numpy(Toys(1, seed=4).arrays[0]), sequence_to_indices(("GLY", "ALA", "PRO", "VAL"))
    for free in (torch.tensor([False, True, True, False]), torch.tensor([True, False, True, False])):
        expected, found = (m.probabilities(x, free, sequence, 10.0)[0] for m in (model, again))
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    assert load_identities(again) is again


def test_bad_files(tmp_path):
    path = tmp_path / "model.safetensors"
    save_identities(path, identities())
    with pytest.raises(MDGenError, match=r"format 'openmm-mdgen identities 1', .*; give it to design as identities="):
        load_task(path)
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}  # not a view of the file
    about = json.dumps({"name": "x", "temperature": 1.0, "lengths": [1, 2], "training": {}})
    for change, message in (
        ({"still.1.0.rest": torch.zeros(2, 2)}, r"rest is \(2, 2\), not \(3, 3\)"),
        ({"frequencies": torch.ones(3)}, r"frequencies are \(3,\), not \(20,\)"),
        ({"still.1.0.odd": torch.ones(3)}, r"does not fit its model"),
        ({"still.1.0.effects": torch.full((65, 3), float("nan"))}, r"effects has values that are no numbers"),
        ({"still.1.0.rest": -torch.eye(3)}, r"rest is no covariance"),
    ):
        save_file({**tensors, **change}, path, metadata={"format": FORMAT, "about": about})
        with pytest.raises(MDGenError, match=message):
            load_identities(path)
    save_file(tensors, path, metadata={"format": FORMAT, "about": "{}"})
    with pytest.raises(MDGenError, match=r"does not fit its model \('name'\)"):
        load_identities(path)


def test_its_name_is_no_model_of_a_trajectory():
    with pytest.raises(MDGenError, match="give it to design as identities="):
        load_task("peptide-design")


def test_early_weights_had_an_answer_of_their_own(tmp_path):
    """Networks whose last layer guessed identities load without it."""
    path = tmp_path / "early.safetensors"
    tensors = load_file(DATA / "tiny-inpaint.safetensors")
    tensors |= {"network.identity_out.weight": torch.zeros(20, 16), "network.identity_out.bias": torch.zeros(20)}
    with safe_open(DATA / "tiny-inpaint.safetensors", framework="pt") as handle:
        save_file(tensors, path, metadata=handle.metadata())
    assert not any(k.startswith("identity_out") for k in read_weights(path).state)
    assert "inpaint" in load_task(path).tasks


@pytest.mark.skipif(not bundled_path("peptide-design").exists(), reason="the bundled model is absent")
def test_bundled():
    model = load_identities("peptide-design")
    assert model.name == "peptide-design" and set(model.still) == set(model.moving) == set(PLACES)
    assert bundled_path("peptide-design").stat().st_size < 1e6
    assert bundled_path("peptide-design").with_suffix(".md").exists()


# the command -----------------------------------------------------------------------------------------------------


def test_train(tmp_path):
    """Weights and a table of what was recovered; again, the same."""
    written = []
    for run in ("a", "b"):
        out = tmp_path / run
        for part, seed in (("train", 0), ("validation", 1)):
            Toys(8, 100, seed=seed).write(out / "cache" / part)
        words = ["train", str(tmp_path), "--validation", str(tmp_path), "--task", "design", "-o", str(out)]
        result = CliRunner().invoke(group, [*words, "--name", "mine", "--threads", "1"], catch_exceptions=False)
        assert result.exit_code == 0 and result.output == f"weights: {out / 'model.safetensors'}\n"
        written.append(load_file(out / "model.safetensors"))
        rows = list(csv.DictReader((out / "recovery.csv").open()))
        assert {r["peptides"] for r in rows} == {"left out", "validation"}
        assert {(r["run"], r["place"]) for r in rows} == {("1", "1"), ("2", "1"), ("2", "2")}
        assert all(0 <= float(r["probability"]) <= 1 for r in rows)
    assert all(torch.equal(written[0][k], written[1][k]) for k in written[0] | written[1])
    assert load_identities(out / "model.safetensors").name == "mine"


def test_train_reads_md(tmp_path):
    """A folder with a peptide that has no residue between two others."""
    shutil.copytree(DATA / "md", tmp_path / "md")
    words = ["train", str(tmp_path / "md"), "--task", "design", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(group, words)
    assert isinstance(result.exception, MDGenError)
    assert "no trajectory in the data, or in the validation, is 600 ps long" in str(result.exception)
    shutil.copy(DATA / "tiny.safetensors", tmp_path / "out" / "model.safetensors")
    result = CliRunner().invoke(group, words)
    assert "holds weights of another kind; name another folder with -o" in str(result.exception)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (DATA / "tiny.safetensors").read_bytes()
    save_identities(tmp_path / "out" / "model.safetensors", identities())
    result = CliRunner().invoke(group, ["train", str(tmp_path / "md"), "-o", str(tmp_path / "out"), "--steps", "1"])
    assert "holds weights of another kind; name another folder with -o" in str(result.exception)
    load_identities(tmp_path / "out" / "model.safetensors")
    result = CliRunner().invoke(group, [*words, "--init", "peptide"])
    assert "--init names a model to start from, but design is fitted anew" in str(result.exception)

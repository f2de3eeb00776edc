"""Upsampling at a temperature: from the weights to files, and what is refused."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from MDAnalysis import Universe

from openmm_mdgen import upsample
from openmm_mdgen.cli import main
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.train.run import with_temperature
from openmm_mdgen.upsampling.models import load_gap_model, model_identity
from openmm_mdgen.upsampling.named import NamedModel
from openmm_mdgen.weights.checkpoint import load_weights, save_weights
from tests.helpers.gap_fillers import Model
from tests.helpers.tiny import DATA

ONE = DATA / "tiny-upsample.safetensors"
PDB = str(DATA / "QGRE.pdb")


@pytest.fixture(scope="module")
def tempered(tmp_path_factory) -> Path:
    """Weights of 280 to 450 K whose network heeds no temperature yet, so that all that changes is the noise."""
    start = with_temperature(load_weights(str(ONE)))
    tables = start.tables | {"temperature": torch.tensor(350.0)}
    path = tmp_path_factory.mktemp("weights") / "tempered.safetensors"
    save_weights(path, replace(start, tables=tables, temperatures=(280.0, 450.0)))
    return path


@pytest.fixture
def coarse(tmp_path) -> Universe:
    """Three frames alike, 10 ps apart."""
    universe = Universe(PDB)
    universe.load_new(np.stack([universe.atoms.positions] * 3), dt=10.0)
    universe.atoms.write(str(tmp_path / "coarse.dcd"), frames="all")
    return universe


def made(universe: Universe, **settings: object) -> np.ndarray:
    """(F, N, 3) Å of the finer trajectory."""
    return np.array([ts.positions.copy() for ts in upsample(universe, 1.0, **settings).trajectory])


def size(frames: np.ndarray) -> float:
    """Mean way of an atom from the first key frame, Å."""
    return float(np.linalg.norm(frames[1:10] - frames[0], axis=-1).mean())


def test_hotter_moves_more_and_the_models_own_is_the_default(tempered, coarse):
    cold, hot = (made(coarse, model=tempered, temperature=kelvin) for kelvin in (280, 450))
    assert size(cold) < size(made(coarse, model=tempered)) < size(hot)
    np.testing.assert_array_equal(made(coarse, model=tempered), made(coarse, model=tempered, temperature=350))
    np.testing.assert_array_equal(cold[::10], hot[::10])


def test_weights_of_one_temperature_take_that_one_only(coarse):
    np.testing.assert_array_equal(made(coarse, model=ONE), made(coarse, model=ONE, temperature=350))
    with pytest.raises(MDGenError, match=r"300 K is not one of model .* which learned 350 K"):
        upsample(coarse, 1.0, model=ONE, temperature=300)


@pytest.mark.parametrize("kelvin", [200, 600, 0, -300, float("nan"), float("inf")])
def test_a_temperature_that_was_not_learned(tempered, coarse, kelvin):
    with pytest.raises(MDGenError, match="which learned 280 to 450 K"):
        upsample(coarse, 1.0, model=tempered, temperature=kelvin)


def test_models_without_one_take_none(coarse):
    with pytest.raises(MDGenError, match="'linear' knows no temperature, 300 K was given"):
        upsample(coarse, 1.0, model="linear", temperature=300)
    with pytest.raises(MDGenError, match="does not say what temperatures it knows"):
        upsample(coarse, 1.0, model=Model(), temperature=300)


def test_the_temperature_travels_and_an_interrupted_run_must_find_it_again(tempered):
    model = load_gap_model(tempered, "cpu", 300.0)
    assert isinstance(model, NamedModel)
    there = pickle.loads(pickle.dumps(model))
    assert there.loaded().temperature == 300.0
    other = load_gap_model(tempered, "cpu", 310.0)
    assert model_identity(model) == model_identity(there) != model_identity(other)
    assert model_identity(load_gap_model(ONE, "cpu")).endswith(load_weights(str(ONE)).content_hash)


@pytest.mark.parametrize("name", ["fine.dcd", "fine.xtc"])
def test_the_command_makes_the_frames_of_the_function(tempered, coarse, tmp_path, name):
    arguments = ["-t", PDB, "--dt", "10ps", "--interval", "1ps", "--model", str(tempered), "--temperature", "300"]
    with pytest.raises(SystemExit) as ended:
        main(["upsample", str(tmp_path / "coarse.dcd"), *arguments, "-o", str(tmp_path / name), "--quiet"])
    assert ended.value.code == 0
    found = Universe(PDB, str(tmp_path / name)).trajectory.timeseries(order="fac")
    np.testing.assert_allclose(found, made(coarse, model=tempered, temperature=300), atol=0.02)


def test_the_command_refuses_what_was_not_learned(tempered, coarse, tmp_path, capfd):
    arguments = ["-t", PDB, "--dt", "10ps", "--model", str(tempered), "--temperature", "30", "-o", "fine.xtc"]
    with pytest.raises(SystemExit) as ended:
        main(["upsample", str(tmp_path / "coarse.dcd"), *arguments])
    assert ended.value.code != 0 and "a temperature of 30 K is not one of model" in capfd.readouterr().err
    assert not (tmp_path / "fine.xtc").exists()


def test_the_bundled_weights_know_temperatures(coarse):
    cold, hot = (made(coarse, temperature=kelvin) for kelvin in (280, 450))
    assert 1.1 < size(hot) / size(cold) < 2
    with pytest.raises(MDGenError, match="a temperature of 500 K is not one of model 'peptide-upsample'"):
        upsample(coarse, 1.0, temperature=500)

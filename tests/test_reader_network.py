"""The reader with a real network (small, untrained), in this process and in others."""

import multiprocessing
import os
import pickle
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
import torch
from MDAnalysis.analysis.rms import RMSD

from openmm_mdgen.api.simulate import simulate
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.tokens.tokens import N_CHANNELS
from openmm_mdgen.trajectory.recipe_file import write_recipe
from openmm_mdgen.weights.checkpoint import Weights, save_weights

N_FRAMES = 70  # two blocks


def save_tiny(path, seed=0):
    """A small random network as a .safetensors file."""
    torch.manual_seed(seed)
    config = VelocityConfig(width=64, depth=1, heads=2)
    network = VelocityNetwork(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    tables = {"mean": torch.zeros(N_CHANNELS), "std": torch.ones(N_CHANNELS)}
    save_weights(path, Weights(config, network.state_dict(), tables, name="tiny", intervals=(1.0, 100.0)))
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture
def universe(data, weights):
    return simulate(data / "ACE-A-NME.pdb", time=10.0 * N_FRAMES, model=weights, seed=5)


@pytest.fixture(scope="module")
def frames(weights):
    data = Path(__file__).parent / "data"
    other = simulate(data / "ACE-A-NME.pdb", time=10.0 * N_FRAMES, model=weights, seed=5)
    return np.array([ts.positions.copy() for ts in other.trajectory])


@pytest.fixture
def threads():
    """Several torch threads in the parent, as users have them."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _last_positions(universe):
    return universe.trajectory[-1].positions.copy()


def test_random_access_equals_sequential_bitwise(universe, frames):
    for index in (69, 3, 64, 0):
        np.testing.assert_array_equal(universe.trajectory[int(index)].positions, frames[index])
    assert np.isfinite(frames).all() and np.ptp(frames, axis=0).max() > 0.1


def test_network_is_loaded_once_for_all_readers(data, weights):
    runs = simulate(data / "ACE-A-NME.pdb", time=50, model=weights, replicas=2)
    assert len({id(run.trajectory.model) for run in runs}) == 1


def test_pickles_hold_no_weights(universe):
    assert len(pickle.dumps(universe.trajectory)) < 20_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_after_frames_were_made_in_the_parent(threads, universe, frames):
    universe.trajectory[-1]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(_last_positions, [universe, universe]).get(timeout=600)
    np.testing.assert_array_equal(found, [frames[-1], frames[-1]])


def test_spawned(universe, frames):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(_last_positions, (universe,)), frames[-1])


@pytest.mark.parametrize("backend", ["multiprocessing", "dask"])
def test_analysis_backends_equal_serial(universe, backend):
    serial = RMSD(universe, select="all").run().results.rmsd
    parallel = RMSD(universe, select="all").run(backend=backend, n_workers=2).results.rmsd
    np.testing.assert_array_equal(parallel, serial)


def test_recipe_with_weights_by_path(universe, frames, data, tmp_path):
    write_recipe(universe.trajectory.recipe, tmp_path / "a.mdgen")
    again = mda.Universe(str(data / "ACE-A-NME.pdb"), str(tmp_path / "a.mdgen"))
    np.testing.assert_array_equal(again.trajectory.timeseries(order="fac"), frames)


def test_weights_that_changed(data, tmp_path):
    path = save_tiny(tmp_path / "w.safetensors")
    first = simulate(data / "ACE-A-NME.pdb", time=10, model=path)
    write_recipe(first.trajectory.recipe, tmp_path / "a.mdgen")
    save_tiny(path, seed=1)
    os.utime(path, ns=(1, 1))
    with pytest.raises(MDGenError, match="the recipe was written with"):
        mda.Universe(str(data / "ACE-A-NME.pdb"), str(tmp_path / "a.mdgen"))


def test_weights_that_are_missing(data, tmp_path):
    path = save_tiny(tmp_path / "w.safetensors")
    write_recipe(simulate(data / "ACE-A-NME.pdb", time=10, model=path).trajectory.recipe, tmp_path / "a.mdgen")
    path.unlink()
    with pytest.raises(MDGenError, match=r"w\.safetensors"):
        mda.Universe(str(data / "ACE-A-NME.pdb"), str(tmp_path / "a.mdgen"))


def test_interval_outside_the_models_range(data, weights):
    with pytest.raises(MDGenError, match="interval"):
        simulate(data / "ACE-A-NME.pdb", time=10_000, interval=5_000, model=weights)


def test_structure_that_is_no_peptide(data, weights, tmp_path):
    text = (data / "ACE-A-NME.pdb").read_text().replace("ALA", "XYZ")
    (tmp_path / "bad.pdb").write_text(text)
    with pytest.raises(MDGenError):
        simulate(tmp_path / "bad.pdb", time=100, model=weights)

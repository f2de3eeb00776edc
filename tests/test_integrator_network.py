"""The integrator with a real network (small, untrained) from a file."""

from pathlib import Path

import numpy as np
import openmm as mm
import pytest
import torch
from openmm import app, unit

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.integrator import GenerativeIntegrator
from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.tokens.tokens import N_CHANNELS
from openmm_mdgen.weights.checkpoint import Weights, load_task, save_weights

BLOCK = 63  # frames


def make_weights(path: Path, seed: int = 0, temperatures: tuple[float, ...] = ()) -> Path:
    """A small network's file, untrained."""
    torch.manual_seed(seed)
    config = VelocityConfig(width=32, depth=1, heads=2, tempered=bool(temperatures))
    network = VelocityNetwork(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    tables = {"mean": torch.zeros(N_CHANNELS), "std": torch.ones(N_CHANNELS)}
    about = {"name": "tiny", "intervals": (1.0, 100.0), "lengths": (1, 3), "temperatures": temperatures}
    save_weights(path, Weights(config, network.state_dict(), tables, **about))
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return make_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def qgre(data):
    return app.PDBFile(str(data / "QGRE.pdb"))


def frames(simulation: app.Simulation, count: int) -> np.ndarray:
    """(count, N, 3) nm."""
    found = []
    for _ in range(count):
        simulation.step(2500)
        found.append(simulation.context.getState(positions=True).getPositions(asNumpy=True)._value)
    return np.array(found)


def test_resuming_is_bitwise(make_simulation, make_integrator, weights, tmp_path):
    """Over the seam of two blocks, from State XML, in an integrator with other weights in memory and another seed."""
    whole = make_simulation(make_integrator(model=weights))
    expected = frames(whole, BLOCK + 7)
    assert np.isfinite(expected).all() and np.abs(np.diff(expected, axis=0)).max(axis=(1, 2)).min() > 1e-3
    broken = make_simulation(make_integrator(model=weights))
    broken.step(2500 * (BLOCK - 3))
    broken.saveState(str(tmp_path / "saved.xml"))
    resumed = make_simulation(make_integrator(model=load_task(weights), seed=1))
    resumed.minimizeEnergy(maxIterations=2)
    resumed.loadState(str(tmp_path / "saved.xml"))
    assert np.array_equal(frames(resumed, 10), expected[BLOCK - 3 :])


def test_a_network_of_several_temperatures(make_simulation, make_integrator, tmp_path):
    """Its frames depend on the temperature, in mid-run too, and a restart gives the same bits."""
    weights = make_weights(tmp_path / "tempered.safetensors", temperatures=(300.0, 450.0))
    warm, cold = (make_simulation(make_integrator(model=weights, temperature=t)) for t in (450, 300))
    assert np.abs(frames(warm, 1) - frames(cold, 1)).max() > 1e-4
    warm.integrator.setTemperature(310 * unit.kelvin)
    warm.saveState(str(tmp_path / "saved.xml"))
    expected = frames(warm, 2)
    resumed = make_simulation(make_integrator(model=weights, seed=1))
    resumed.loadState(str(tmp_path / "saved.xml"))
    assert np.array_equal(frames(resumed, 2), expected)


def test_ranges_of_the_model(make_integrator, make_simulation, weights, qgre):
    with pytest.raises(MDGenError, match=r"0.1 ps is outside the model's range, 1 to 100 ps"):
        make_integrator(model=weights, frameInterval=0.1)
    with pytest.warns(MDGenWarning, match=r"300 K is not the model's 350 K"):
        make_integrator(model=weights, temperature=300)
    system = app.ForceField("amber14-all.xml").createSystem(qgre.topology)
    integrator = GenerativeIntegrator(qgre.topology, model=weights)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(qgre.positions)
    with pytest.raises(MDGenError, match=r"QGRE has 4 residues, outside .*range 1 to 3"):
        integrator.step(1)


def test_names_and_files_that_are_not_there(make_integrator, tmp_path):
    with pytest.raises(MDGenError, match=r"'protein' is unknown; known are .*peptide"):
        make_integrator(model="protein")
    with pytest.raises(MDGenError, match=r"absent"):
        make_integrator(model=tmp_path / "absent.safetensors")


def test_cuda_absent(make_integrator, weights, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MDGenError, match=r"'cuda:0' is not present on this machine; choose device='cpu'"):
        make_integrator(model=weights, device="cuda:0")


def test_plain_numbers_and_quantities(make_integrator, make_simulation, weights):
    """Plain numbers are OpenMM's units."""
    integrator = make_integrator(model=weights, temperature=350.0, stepSize=0.002, frameInterval=100 * unit.picosecond)
    simulation = make_simulation(integrator)
    simulation.step(50_000)
    assert simulation.context.getTime().value_in_unit(unit.picosecond) == pytest.approx(100)

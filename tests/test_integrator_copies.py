"""copy, deepcopy and pickle give an equal integrator, as of every stock one."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import openmm as mm
import pytest
from openmm import app, unit
from test_integrator_network import make_weights

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator import GenerativeIntegrator
from tests.helpers.toys import Doubling, TorchWalk


def pickled(integrator: GenerativeIntegrator) -> GenerativeIntegrator:
    return pickle.loads(pickle.dumps(integrator))


COPIERS = [copy.copy, copy.deepcopy, pickled]


def walk() -> TorchWalk:
    return TorchWalk(22)


def settings(integrator: GenerativeIntegrator) -> list[object]:
    return [
        integrator.getTemperature(),
        integrator.getFriction(),
        integrator.getStepSize(),
        integrator.getFrameInterval(),
        integrator.getRandomNumberSeed(),
        integrator.getConstraintTolerance(),
        mm.XmlSerializer.serialize(integrator),
    ]


def frames(simulation: app.Simulation, count: int) -> np.ndarray:
    found = []
    for _ in range(count):
        simulation.step(2500)
        state = simulation.context.getState(positions=True, velocities=True)
        found.append([state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value])
    return np.array(found)


@pytest.mark.parametrize("copier", COPIERS)
def test_an_equal_integrator(alanine, make_simulation, copier):
    original = GenerativeIntegrator(
        alanine.topology, 340, 2 / unit.picosecond, "4fs", "10ps", model=walk(), seed=2**45 + 1, strict=True
    )
    original.setConstraintTolerance(1e-7)
    duplicate = copier(original)
    assert type(duplicate) is GenerativeIntegrator and duplicate is not original
    assert settings(duplicate) == settings(original)
    one, other = make_simulation(original), make_simulation(duplicate)
    assert np.array_equal(frames(one, 9), frames(other, 9))


@pytest.mark.parametrize("copier", COPIERS)
def test_a_copy_in_the_middle_of_a_run(alanine, make_simulation, copier):
    """It has the state, and goes on where its positions are the original's."""
    original = make_simulation(GenerativeIntegrator(alanine.topology, 350, model=walk(), seed=3))
    original.step(2500 * 9)
    duplicate = make_simulation(copier(original.integrator))
    duplicate.context.setPositions(original.context.getState(positions=True).getPositions())
    duplicate.currentStep = original.currentStep
    assert settings(duplicate.integrator) == settings(original.integrator)
    assert np.array_equal(frames(original, 9), frames(duplicate, 9))


@pytest.mark.parametrize("copier", COPIERS)
def test_a_copy_goes_its_own_way(alanine, copier):
    original = GenerativeIntegrator(alanine.topology, 350, model=walk(), seed=3)
    duplicate = copier(original)
    duplicate.setRandomNumberSeed(4)
    duplicate.setTemperature(300)
    duplicate.setStepSize("2fs")
    assert settings(original)[:5] == [
        350 * unit.kelvin,
        0 / unit.picosecond,
        4 * unit.femtoseconds,
        10 * unit.picosecond,
        3,
    ]


class Labelled(GenerativeIntegrator):
    """A script's own."""

    label = "none"


@pytest.mark.parametrize("copier", COPIERS)
def test_attributes_that_a_script_added(alanine, copier):
    original = Labelled(alanine.topology, 350, model=walk(), seed=3)
    original.label = "warm"
    assert type(copier(original)) is Labelled and copier(original).label == "warm"


@pytest.mark.parametrize("copier", COPIERS)
def test_copies_of_copies(alanine, make_simulation, copier):
    original = GenerativeIntegrator(alanine.topology, 350, model=walk(), seed=3)
    duplicate = copier(copier(original))
    assert np.array_equal(frames(make_simulation(original), 2), frames(make_simulation(duplicate), 2))


def test_pickled_to_another_process(alanine, data, tmp_path, make_simulation):
    """By name and hash: the pickle holds no weights, and the other process finds them from another folder."""
    weights = make_weights(tmp_path / "tiny.safetensors")
    original = GenerativeIntegrator(alanine.topology, model=weights, seed=3)
    content = pickle.dumps(original)
    assert len(content) < 40_000 < weights.stat().st_size
    (tmp_path / "integrator.pickle").write_bytes(content)
    (tmp_path / "elsewhere").mkdir()
    script = f"""
import pickle, sys, numpy as np, openmm as mm
from openmm import app
integrator = pickle.load(open({str(tmp_path / "integrator.pickle")!r}, "rb"))
pdb = app.PDBFile({str(data / "ACE-A-NME.pdb")!r})
system = app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=app.HBonds, hydrogenMass=3)
simulation = app.Simulation(pdb.topology, system, integrator, mm.Platform.getPlatformByName("Reference"))
simulation.context.setPositions(pdb.positions)
simulation.step(2500)
np.save("end.npy", simulation.context.getState(positions=True).getPositions(asNumpy=True)._value)
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path / "elsewhere", check=True)
    simulation = make_simulation(original)
    simulation.step(2500)
    expected = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    assert np.allclose(np.load(tmp_path / "elsewhere" / "end.npy"), expected, atol=1e-5)


def test_weights_that_are_gone_or_others(alanine, tmp_path):
    weights = make_weights(tmp_path / "tiny.safetensors")
    content = pickle.dumps(GenerativeIntegrator(alanine.topology, model=weights))
    weights.unlink()
    with pytest.raises(MDGenError, match=r"^[^\n]*tiny.safetensors[^\n]*$"):
        pickle.loads(content)
    make_weights(weights, seed=1)
    with pytest.raises(
        MDGenError, match=r"tiny.safetensors' has content \w{12}, the pickled .* \w{12}; put those weights"
    ):
        pickle.loads(content)


def test_a_model_that_cannot_be_pickled(alanine):
    class Local(Doubling):
        pass

    with pytest.raises(
        MDGenError, match=r"cannot be pickled with its model, a Local .*; give the model by name or file"
    ):
        pickle.dumps(GenerativeIntegrator(alanine.topology, 350, model=Local()))


def test_a_loaded_model_travels_as_it_is(alanine, tmp_path):
    from openmm_mdgen.weights.checkpoint import load_task

    task = load_task(make_weights(tmp_path / "tiny.safetensors"), "cpu")
    (tmp_path / "tiny.safetensors").unlink()
    duplicate = pickled(GenerativeIntegrator(alanine.topology, model=task, seed=3))
    assert duplicate._model.info.content_hash == task.info.content_hash

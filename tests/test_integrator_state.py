"""Checkpoints, State XML, rewinding, reinitialising: bitwise what an uninterrupted run gives."""

import copy
import math

import numpy as np
import openmm as mm
import pytest
from openmm import app

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator import GenerativeIntegrator
from openmm_mdgen.integrator import state as state_module
from openmm_mdgen.integrator.state import GeneratorState, StateVariables, fingerprint

BREAKS = [2500, 6 * 2500, 10_000, 11_234]
"""In a block, in the second block, at the end of a block (of 4 frames), between frames."""


def run(simulation: app.Simulation, until: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities at every frame from here to an absolute step."""
    rows = []
    while simulation.currentStep < until:
        simulation.step(2500 - simulation.currentStep % 2500)
        state = simulation.context.getState(positions=True, velocities=True)
        rows.append((state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value))
    positions, velocities = zip(*rows, strict=True)
    return np.array(positions), np.array(velocities)


def assert_same(left: tuple[np.ndarray, ...], right: tuple[np.ndarray, ...]) -> None:
    for one, other in zip(left, right, strict=True):
        assert np.array_equal(one[-len(other) :], other)


@pytest.mark.parametrize("at", BREAKS)
@pytest.mark.parametrize("save, load", [("saveCheckpoint", "loadCheckpoint"), ("saveState", "loadState")])
def test_resuming_in_a_new_simulation(make_simulation, make_integrator, make_toy, tmp_path, save, load, at):
    """The new integrator has another seed and other starting positions: all that matters is in the file."""
    whole, broken = (make_simulation(make_integrator(model=make_toy())) for _ in range(2))
    expected = run(whole, 30_000)
    broken.step(at)
    getattr(broken, save)(str(tmp_path / "saved"))

    resumed = make_simulation(make_integrator(model=make_toy(), seed=99))
    resumed.context.setPositions(resumed.context.getState(positions=True).getPositions(asNumpy=True) * 1.5)
    getattr(resumed, load)(str(tmp_path / "saved"))
    assert resumed.currentStep == at
    assert_same(expected, run(resumed, 30_000))


@pytest.mark.parametrize("at", BREAKS)
def test_rewinding(make_simulation, make_integrator, tmp_path, at):
    simulation = make_simulation(make_integrator())
    simulation.step(at)
    simulation.saveCheckpoint(str(tmp_path / "saved.chk"))
    first = run(simulation, 30_000)
    simulation.loadCheckpoint(str(tmp_path / "saved.chk"))
    assert_same(first, run(simulation, 30_000))


def test_a_checkpoint_from_before_the_first_frame(make_simulation, make_integrator, tmp_path):
    simulation = make_simulation(make_integrator())
    simulation.saveCheckpoint(str(tmp_path / "saved.chk"))
    first = run(simulation, 20_000)
    simulation.loadCheckpoint(str(tmp_path / "saved.chk"))
    assert_same(first, run(simulation, 20_000))


class Rounding(GenerativeIntegrator):
    """Gives its variables back as a platform of single precision would."""

    def getPerDofVariableByName(self, name):
        return np.array(super().getPerDofVariableByName(name), dtype=np.float32).astype(np.float64)

    def getGlobalVariable(self, index):
        return float(np.float32(super().getGlobalVariable(index)))


@pytest.mark.parametrize("at", BREAKS)
def test_single_precision_resumes_too(make_simulation, make_toy, alanine, tmp_path, at):
    whole, broken, resumed = (
        make_simulation(Rounding(alanine.topology, 350, model=make_toy(), seed=seed))
        for seed in (2**60 + 1, 2**60 + 1, 5)
    )
    expected = run(whole, 30_000)
    broken.step(at)
    broken.saveCheckpoint(str(tmp_path / "saved.chk"))
    resumed.loadCheckpoint(str(tmp_path / "saved.chk"))
    assert_same(expected, run(resumed, 30_000))


def test_moved_positions_ride_in_a_checkpoint(make_simulation, make_integrator, tmp_path):
    """Moved after the last frame, saved, resumed: conditioned on anew, as in the run that went on."""
    simulation = make_simulation(make_integrator())
    simulation.step(5000)
    moved = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value * 1.01
    simulation.context.setPositions(moved)
    simulation.saveState(str(tmp_path / "saved.xml"))
    expected = run(simulation, 25_000)
    resumed = make_simulation(make_integrator(seed=1))
    resumed.loadState(str(tmp_path / "saved.xml"))
    assert_same(expected, run(resumed, 25_000))


@pytest.mark.parametrize("at", BREAKS)
def test_reinitialize_preserving_state(make_simulation, make_integrator, at):
    whole, again = make_simulation(make_integrator()), make_simulation(make_integrator())
    expected = run(whole, 25_000)
    again.step(at)
    again.context.reinitialize(preserveState=True)
    assert_same(expected, run(again, 25_000))


def test_reinitialize_without_state(make_simulation, make_integrator, alanine):
    """The Context forgets positions and geometries; set anew they are conditioned on, in a block of their own."""
    simulation = make_simulation(make_integrator())
    first = run(simulation, 10_000)
    simulation.context.reinitialize()
    with pytest.raises(MDGenError, match="positions are unset"):
        simulation.step(2500)
    simulation.currentStep = 0
    simulation.context.setPositions(alanine.positions)
    second = run(simulation, 10_000)
    assert np.abs(first[0] - second[0]).max() > 1e-3


@pytest.mark.parametrize("at", BREAKS)
def test_a_checkpoint_after_reinitialising_with_the_same_positions(
    make_simulation, make_integrator, make_toy, tmp_path, at
):
    """The idiom getPositions, reinitialize, setPositions: geometries that the Context forgot are stored again."""
    simulation = make_simulation(make_integrator(model=Bindable(make_toy())))
    simulation.step(at)
    positions = simulation.context.getState(positions=True).getPositions()
    simulation.context.reinitialize()
    simulation.context.setPositions(positions)
    simulation.step(5000)
    simulation.saveState(str(tmp_path / "saved.xml"))
    expected = run(simulation, 30_000)
    resumed = make_simulation(make_integrator(model=Bindable(make_toy()), seed=99))
    resumed.loadState(str(tmp_path / "saved.xml"))
    assert_same(expected, run(resumed, 30_000))


def test_a_state_saved_right_after_reinitialising_still_resumes(make_simulation, make_integrator, tmp_path):
    simulation = make_simulation(make_integrator())
    simulation.step(5000)
    positions = simulation.context.getState(positions=True).getPositions()
    simulation.context.reinitialize()
    simulation.context.setPositions(positions)
    simulation.saveState(str(tmp_path / "saved.xml"))
    first, second = (make_simulation(make_integrator(seed=seed)) for seed in (1, 2))
    for resumed in (first, second):
        resumed.loadState(str(tmp_path / "saved.xml"))
    assert_same(run(first, 20_000), run(second, 20_000))


def test_positions_of_a_langevin_state_are_a_start(make_simulation, make_integrator, toy_propagator, tmp_path):
    """Its integrator's parameters are not ours, and OpenMM refuses them; its positions are taken."""
    langevin = make_simulation(mm.LangevinMiddleIntegrator(350, 1, 0.002))
    langevin.step(10)
    langevin.saveState(str(tmp_path / "md.xml"))
    simulation = make_simulation(make_integrator())
    with pytest.raises(mm.OpenMMException):
        simulation.loadState(str(tmp_path / "md.xml"))
    state = mm.XmlSerializer.deserialize((tmp_path / "md.xml").read_text())
    simulation.context.setPositions(state.getPositions())
    simulation.step(2500)
    assert np.allclose(toy_propagator.calls[0][0], state.getPositions(asNumpy=True)._value * 10)


def test_a_block_in_memory_is_not_taken_for_anothers(make_simulation, make_integrator):
    """Rewound to a block's end and moved, the next block has the number of the one in memory but another anchor."""
    simulation = make_simulation(make_integrator())
    simulation.step(10_000)
    saved = simulation.context.createCheckpoint()
    start = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    blocks = []
    for shift in (1.0, 2.0):
        simulation.context.loadCheckpoint(saved)
        simulation.context.setPositions(start + shift)
        blocks.append(run(simulation, 20_000)[0] - shift)
    assert np.allclose(*blocks, atol=1e-4)


class Bindable:
    """A task whose frames show which reference geometry it was bound to."""

    temperature = 350.0
    intervals = (0.1, 100.0)

    def __init__(self, toy):
        self.toy, self.references = toy, []

    def bind(self, structure, interval, *, reference=None):
        self.references.append(reference.copy())
        assert np.allclose(structure.positions, reference) and interval == 10
        return Shifted(self.toy, float(reference[0, 0] - reference[1, 0]))


class Shifted:
    n_frames = 4

    def __init__(self, toy, shift):
        self.toy, self.shift = toy, shift

    def next_block(self, start, seed):
        return self.toy.next_block(start, seed) + self.shift


def test_the_reference_geometry_rides_too(make_simulation, make_integrator, make_toy, alanine, tmp_path):
    task = Bindable(make_toy())
    simulation = make_simulation(make_integrator(model=task))
    start = alanine.getPositions(asNumpy=True)._value
    simulation.context.setPositions(start)
    simulation.step(5000)
    simulation.saveState(str(tmp_path / "saved.xml"))
    expected = run(simulation, 25_000)
    assert len(task.references) == 1 and np.allclose(task.references[0], start * 10)

    resumed = make_simulation(make_integrator(model=Bindable(make_toy())))
    resumed.context.setPositions(start * 1.2)
    resumed.step(10)
    resumed.loadState(str(tmp_path / "saved.xml"))
    assert_same(expected, run(resumed, 25_000))


def test_an_interrupted_block_keeps_the_reference(make_simulation, make_integrator, make_toy):
    """Ctrl-C while a block is generated, then the rest: the same frames, with the same bond lengths."""

    class Interrupted(make_toy):
        def next_block(self, start, seed):
            if len(self.calls) == 2:
                self.calls.append(None)
                raise KeyboardInterrupt
            return super().next_block(start, seed)

    task = Bindable(Interrupted())
    simulation, whole = (make_simulation(make_integrator(model=model)) for model in (task, Bindable(make_toy())))
    with pytest.raises(KeyboardInterrupt):
        simulation.step(30_000)
    assert simulation.currentStep < 30_000
    assert_same(run(whole, 30_000), run(simulation, 30_000))
    assert len(task.references) == 1


def test_the_reference_is_the_geometry_at_the_first_frame(make_simulation, make_integrator, make_toy):
    task = Bindable(make_toy())
    simulation = make_simulation(make_integrator(model=task))
    simulation.step(100)
    simulation.minimizeEnergy(maxIterations=20)
    minimised = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    simulation.step(25_000)
    assert np.allclose(task.references[-1], minimised * 10)
    assert len(task.references) == 2


def test_deserialised_xml_writes_nothing(make_simulation, make_integrator, tmp_path):
    integrator = mm.XmlSerializer.deserialize(mm.XmlSerializer.serialize(make_integrator()))
    simulation = make_simulation(integrator)
    simulation.reporters.append(app.DCDReporter(str(tmp_path / "junk.dcd"), 10))
    with pytest.raises(ValueError, match=r"(?i)nan|infinite"):
        simulation.step(10)


def test_deserialised_after_frames_were_given_writes_nothing(make_simulation, make_integrator, tmp_path):
    driven = make_simulation(make_integrator())
    driven.step(5000)
    simulation = make_simulation(mm.XmlSerializer.deserialize(mm.XmlSerializer.serialize(driven.integrator)))
    simulation.loadCheckpoint(_checkpoint(driven, tmp_path))
    simulation.reporters.append(app.XTCReporter(str(tmp_path / "junk.xtc"), 10))
    with pytest.raises(ValueError, match=r"(?i)nan|infinite"):
        simulation.step(10)


def _checkpoint(simulation: app.Simulation, folder) -> str:
    simulation.saveCheckpoint(str(folder / "driven.chk"))
    return str(folder / "driven.chk")


def test_a_compound_integrator_writes_nothing(make_simulation, make_integrator, tmp_path):
    compound = mm.CompoundIntegrator()
    compound.addIntegrator(make_integrator())
    compound.addIntegrator(mm.VerletIntegrator(0.001))
    simulation = make_simulation(compound)
    simulation.reporters.append(app.PDBReporter(str(tmp_path / "junk.pdb"), 10))
    with pytest.raises(ValueError, match=r"(?i)nan|infinite"):
        simulation.step(10)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_a_copy_goes_its_own_way(make_simulation, make_integrator, copier):
    """The copy of an integrator at work belongs to no Context yet and has the other's state."""
    original = make_simulation(make_integrator())
    original.step(2500)
    duplicate = make_simulation(copier(original.integrator))
    duplicate.context.setState(original.context.getState(positions=True, integratorParameters=True))
    assert duplicate.currentStep == 2500
    expected = run(original, 20_000)
    assert_same(expected, run(duplicate, 20_000))


@pytest.mark.parametrize(
    "state",
    [
        GeneratorState(seed=0),
        GeneratorState(
            seed=2**63 - 1,
            block=2**40 + 5,
            index=17,
            anchor_key=2**48 - 1,
            reference_key=1,
            started=1,
            source_key=2**48 - 2,
        ),
    ],
)
def test_state_to_variables_and_back(alanine_system, state):
    integrator = mm.CustomIntegrator(0.001)
    variables = StateVariables(integrator, GeneratorState(3))
    assert variables.read(integrator) == GeneratorState(seed=3)
    variables.write(integrator, state)
    assert variables.read(integrator) == state
    values = [integrator.getGlobalVariable(i) for i in range(integrator.getNumGlobalVariables())]
    assert all(math.floor(value) == value < 2**24 for value in values)
    context = mm.Context(alanine_system, integrator, mm.Platform.getPlatformByName("Reference"))
    assert context and variables.read(integrator) == state


def test_fingerprints_tell_positions_apart():
    positions = np.random.default_rng(0).normal(size=(5, 3))
    assert fingerprint(positions) == fingerprint(positions.copy()) < 2**48
    assert fingerprint(positions) != fingerprint(np.nextafter(positions, 1))
    assert state_module.EXHAUSTED < 2**24

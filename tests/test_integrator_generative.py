"""Stepping: step counts, times, frames, constraints, velocities, and the idioms of real scripts."""

from collections.abc import Callable

import numpy as np
import openmm as mm
import pytest
from openmm import app, unit

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.tasks.propagator import block_seed

Simulations = Callable[..., app.Simulation]


def positions_of(simulation: app.Simulation) -> np.ndarray:
    """(N, 3) nm."""
    return simulation.context.getState(positions=True).getPositions(asNumpy=True)._value


@pytest.fixture
def simulation(make_simulation, make_integrator) -> app.Simulation:
    return make_simulation(make_integrator())


def frames_at(simulation: app.Simulation, steps: list[int]) -> list[np.ndarray]:
    """Positions after each number of further steps."""
    found = []
    for count in steps:
        simulation.step(count)
        found.append(positions_of(simulation))
    return found


def test_a_frame_appears_every_2500_steps_and_is_held_between(simulation):
    start = positions_of(simulation)
    before, first, held, second = frames_at(simulation, [2499, 1, 2499, 1])
    assert np.array_equal(before, start)
    assert not np.array_equal(first, start)
    assert np.array_equal(held, first)
    assert not np.array_equal(second, first)


def test_step_count_and_time_advance_as_ever(simulation):
    simulation.step(1234)
    assert simulation.currentStep == 1234
    assert simulation.context.getTime().value_in_unit(unit.picosecond) == pytest.approx(1234 * 0.004)
    simulation.step(6266)
    assert simulation.context.getStepCount() == 7500
    assert simulation.context.getTime().value_in_unit(unit.picosecond) == pytest.approx(30)


def test_one_call_gives_what_many_give(make_simulation, make_integrator):
    at_once, in_tens = make_simulation(make_integrator()), make_simulation(make_integrator())
    at_once.integrator.step(12_500)
    for _ in range(1250):
        in_tens.integrator.step(10)
    assert np.array_equal(positions_of(at_once), positions_of(in_tens))


def test_frames_are_the_propagators(simulation, toy_propagator, alanine):
    """Where no constraint moves atoms, frames are those of the block, and the last one starts the next block."""
    free = [atom.index for atom in alanine.topology.atoms() if atom.name in ("C", "O") and atom.residue.name != "NME"]
    given = frames_at(simulation, [2500] * 6)
    (first_start, first_seed), (second_start, second_seed) = toy_propagator.calls
    expected = type(toy_propagator)().next_block(first_start, first_seed) / 10
    assert np.allclose(first_start / 10, alanine.getPositions(asNumpy=True)._value)
    assert np.array_equal(np.array(given[:4])[:, free], expected[:, free])
    assert np.allclose(second_start, given[3] * 10, atol=1e-12)
    assert first_seed == block_seed(7, 0) and second_seed == block_seed(7, 1)


def test_python_and_context_hold_the_same_integrator(simulation):
    assert simulation.context.getIntegrator() is simulation.integrator


def test_constraints_hold_in_every_frame(simulation):
    system = simulation.system
    pairs = [system.getConstraintParameters(i) for i in range(system.getNumConstraints())]
    assert len(pairs) == 12
    for frame in frames_at(simulation, [2500] * 3):
        for i, j, length in pairs:
            assert np.linalg.norm(frame[i] - frame[j]) == pytest.approx(length._value, rel=2e-5)


def test_energy_is_the_systems_own(simulation, alanine, alanine_system):
    simulation.step(2500)
    state = simulation.context.getState(positions=True, energy=True)
    other = mm.Context(alanine_system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    other.setPositions(state.getPositions())
    assert state.getPotentialEnergy()._value == pytest.approx(other.getState(energy=True).getPotentialEnergy()._value)


@pytest.mark.parametrize("remove", [True, False])
def test_reported_temperature_is_the_one_asked_for(alanine, make_simulation, make_integrator, make_toy, remove):
    """With and without a CMMotionRemover, which changes how degrees of freedom are counted."""
    system = app.ForceField("amber14-all.xml").createSystem(
        alanine.topology, constraints=app.HBonds, removeCMMotion=remove
    )
    simulation = make_simulation(make_integrator(frameInterval=0.004, model=make_toy(n_frames=50)), system)
    freedom = 3 * 22 - 12 - 3 * remove
    kinetic = []
    for _ in range(1500):
        simulation.step(1)
        kinetic.append(simulation.context.getState(energy=True).getKineticEnergy()._value)
    temperature = 2 * np.mean(kinetic) / (freedom * unit.MOLAR_GAS_CONSTANT_R._value / 1000)
    error = 350 * np.sqrt(2 / freedom / 1500)
    assert temperature == pytest.approx(350, abs=4 * error)
    assert error < 350 / freedom  # one degree of freedom more or less would be seen


def test_centre_of_mass_is_at_rest_and_constraints_bind_velocities(simulation):
    simulation.step(2500)
    state = simulation.context.getState(velocities=True, positions=True)
    velocities, positions = state.getVelocities(asNumpy=True)._value, state.getPositions(asNumpy=True)._value
    masses = np.array([simulation.system.getParticleMass(i)._value for i in range(22)])
    assert np.abs(masses @ velocities).max() < 1e-9
    for i in range(simulation.system.getNumConstraints()):
        a, b, _ = simulation.system.getConstraintParameters(i)
        assert abs((velocities[a] - velocities[b]) @ (positions[a] - positions[b])) < 1e-4


def test_massless_atoms_stay(make_simulation, make_integrator, alanine, alanine_system):
    system = app.ForceField("amber14-all.xml").createSystem(alanine.topology)
    system.setParticleMass(8, 0.0)
    simulation = make_simulation(make_integrator(), system)
    start = positions_of(simulation)
    simulation.step(25_000)
    state = simulation.context.getState(positions=True, velocities=True)
    moved = np.abs(state.getPositions(asNumpy=True)._value - start).max(axis=1)
    assert moved[8] == 0 and (np.delete(moved, 8) > 0).all()
    assert not state.getVelocities(asNumpy=True)._value[8].any()


def test_moved_positions_are_conditioned_on(simulation, toy_propagator):
    simulation.step(2500)
    elsewhere = positions_of(simulation) + 1.0
    simulation.context.setPositions(elsewhere)
    simulation.step(2500)
    assert len(toy_propagator.calls) == 2
    assert np.allclose(toy_propagator.calls[1][0], elsewhere * 10)


def test_positions_set_again_unchanged_are_not_a_move(simulation, toy_propagator):
    simulation.step(2500)
    simulation.context.setPositions(positions_of(simulation) + 0.5e-4)
    simulation.step(2500)
    assert len(toy_propagator.calls) == 1


def test_minimised_positions_are_conditioned_on(simulation, toy_propagator):
    simulation.step(2500)
    simulation.minimizeEnergy(maxIterations=20)
    minimised = positions_of(simulation)
    simulation.step(2500)
    assert np.allclose(toy_propagator.calls[1][0], minimised * 10)


def test_idioms_of_a_script(simulation):
    """Minimise, draw velocities, equilibrate for an odd number of steps, count from zero."""
    simulation.minimizeEnergy(maxIterations=5)
    simulation.context.setVelocitiesToTemperature(350 * unit.kelvin)
    simulation.step(1234)
    simulation.currentStep = 0
    held = positions_of(simulation)
    before, first = frames_at(simulation, [2499, 1])
    assert np.array_equal(before, held) and not np.array_equal(first, held)
    assert simulation.currentStep == 2500


def test_a_context_without_a_simulation(alanine, alanine_system, make_integrator):
    integrator = make_integrator()
    context = mm.Context(alanine_system, integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(alanine.positions)
    integrator.step(5000)
    assert context.getStepCount() == 5000


def test_the_same_seed_gives_the_same_frames(make_simulation, make_integrator):
    same, again, other = (make_simulation(make_integrator(seed=seed)) for seed in (1, 1, 2))
    for simulation in (same, again, other):
        simulation.step(2500)
    assert np.array_equal(positions_of(same), positions_of(again))
    assert not np.array_equal(positions_of(same), positions_of(other))


def test_seeding_later(make_simulation, make_integrator):
    integrators = [make_integrator(seed=1), make_integrator(seed=2)]
    for integrator in integrators:
        integrator.setRandomNumberSeed(2**40 + 3)
        assert integrator.getRandomNumberSeed() == 2**40 + 3
    first, second = (
        positions_of(simulation) for simulation in map(make_simulation, integrators) if simulation.step(2500) is None
    )
    assert np.array_equal(first, second)


def test_seeding_in_the_middle_of_a_block_starts_another(simulation, toy_propagator):
    simulation.step(2500)
    simulation.integrator.setRandomNumberSeed(5)
    simulation.step(2500)
    assert len(toy_propagator.calls) == 2


def test_a_seed_left_out_or_zero_is_drawn(make_integrator):
    assert make_integrator(seed=None).getRandomNumberSeed() != make_integrator(seed=None).getRandomNumberSeed()
    integrator = make_integrator()
    integrator.setRandomNumberSeed(0)
    assert integrator.getRandomNumberSeed() != 0
    assert make_integrator(seed=0).getRandomNumberSeed() == 0


def test_temperature_friction_and_interval_of_a_langevin_integrator(make_integrator):
    integrator = make_integrator(temperature=350.0)
    assert integrator.getTemperature() == 350 * unit.kelvin
    integrator.setTemperature(300 * unit.kelvin)
    assert integrator.getTemperature() == 300 * unit.kelvin
    integrator.setFriction(1 / unit.picosecond)
    assert integrator.getFriction() == 1 / unit.picosecond
    assert integrator.getFrameInterval() == 10 * unit.picoseconds
    assert integrator.getStepSize() == 4 * unit.femtoseconds


def test_another_step_size_keeps_the_interval(simulation):
    simulation.integrator.setStepSize(2 * unit.femtoseconds)
    start = positions_of(simulation)
    held, frame = frames_at(simulation, [4999, 1])
    assert np.array_equal(held, start) and not np.array_equal(frame, start)
    assert simulation.context.getTime().value_in_unit(unit.picosecond) == pytest.approx(10)


def test_bind_takes_the_simulation_or_its_context(make_simulation, make_integrator):
    for whole in (True, False):
        simulation = make_simulation(make_integrator())
        simulation.integrator.bind(simulation if whole else simulation.context)
        simulation.step(2500)
        assert simulation.currentStep == 2500


def test_bind_refuses_another_simulation(make_simulation, make_integrator):
    integrator = make_integrator()
    with pytest.raises(MDGenError, match="made with another integrator"):
        integrator.bind(make_simulation(make_integrator()))


def test_holders_whose_attributes_python_keeps_apart(simulation):
    """Looking at an object's __dict__ makes it a dict of its own, which then refers to the integrator."""
    assert vars(simulation)["integrator"] is vars(simulation.context)["_integrator"]
    simulation.step(2500)
    assert simulation.currentStep == 2500


def test_stepping_without_a_context(make_integrator):
    with pytest.raises(MDGenError, match=r"belongs to no Context.*bind\(simulation\)"):
        make_integrator().step(1)


def test_an_interrupted_block_is_taken_up_again(make_simulation, make_integrator, make_toy):
    class Interrupted(make_toy):
        def next_block(self, start, seed):
            if len(self.calls) == 1:
                self.calls.append(None)
                raise KeyboardInterrupt
            return super().next_block(start, seed)

    simulation, whole = make_simulation(make_integrator(model=Interrupted())), make_simulation(make_integrator())
    with pytest.raises(KeyboardInterrupt):
        simulation.step(25_000)
    simulation.step(25_000 - simulation.currentStep)
    whole.step(25_000)
    assert np.array_equal(positions_of(simulation), positions_of(whole))


def test_a_fitting_script_gives_no_warning(simulation, recwarn):
    simulation.reporters.append(app.StateDataReporter(open("/dev/null", "w", encoding="utf-8"), 5000, step=True))
    simulation.step(5000)
    assert not [warning for warning in recwarn if issubclass(warning.category, MDGenWarning)]

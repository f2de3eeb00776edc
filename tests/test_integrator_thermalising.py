"""Steps of dynamics after every frame: felt, counted by nobody, repeated bit for bit; bad input."""

import copy

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from openmm_mdgen.errors import MDGenError, MDGenWarning

STEPS = 5


def frames(simulation, until: int) -> np.ndarray:
    """Positions and velocities (F, 2, N, 3) at every frame up to an absolute step."""
    out = []
    while simulation.currentStep < until:
        simulation.step(2500 - simulation.currentStep % 2500)
        state = simulation.context.getState(positions=True, velocities=True)
        out.append((state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value))
    return np.array(out)


def test_frames_move_a_little_and_time_goes_on_as_ever(make_simulation, make_integrator):
    plain, warm = (make_simulation(make_integrator(thermalise=n)) for n in (0, STEPS))
    away = np.linalg.norm(frames(warm, 5000)[:, 0] - frames(plain, 5000)[:, 0], axis=-1)
    assert 1e-4 < away.mean() < 0.02
    assert warm.currentStep == 5000
    assert warm.context.getTime()._value == pytest.approx(20.0)


def test_velocities_are_those_of_the_temperature(make_simulation, make_integrator, make_toy):
    simulation = make_simulation(make_integrator(thermalise=100, model=make_toy(scale=0.0)))
    system = simulation.system
    masses = np.array([system.getParticleMass(k)._value for k in range(system.getNumParticles())])
    freedom = 3 * len(masses) - system.getNumConstraints()
    kinetic = 0.5 * (masses[:, None] * frames(simulation, 60 * 2500)[:, 1] ** 2).sum((1, 2))
    kelvin = 2 * kinetic.mean() / (freedom * unit.MOLAR_GAS_CONSTANT_R._value * 1e-3)
    assert kelvin == pytest.approx(350, rel=0.15)


@pytest.mark.parametrize("at", [2500, 10_000, 11_234])
@pytest.mark.parametrize("save, load", [("saveCheckpoint", "loadCheckpoint"), ("saveState", "loadState")])
def test_resumed_runs_are_the_same_to_the_last_bit(make_simulation, make_integrator, tmp_path, save, load, at):
    whole, broken = (make_simulation(make_integrator(thermalise=STEPS)) for _ in range(2))
    expected = frames(whole, 22_500)
    broken.step(at)
    getattr(broken, save)(str(tmp_path / "saved"))
    resumed = make_simulation(make_integrator(thermalise=STEPS, seed=99))
    getattr(resumed, load)(str(tmp_path / "saved"))
    rest = frames(resumed, 22_500)
    np.testing.assert_array_equal(rest, expected[-len(rest) :])


def test_a_copy_goes_its_own_way_with_the_same_frames(make_simulation, make_integrator):
    integrator = make_integrator(thermalise=STEPS)
    twin = copy.deepcopy(integrator)
    np.testing.assert_array_equal(frames(make_simulation(integrator), 5000), frames(make_simulation(twin), 5000))


def test_positions_that_the_script_moved_are_gone_on_from(make_simulation, make_integrator, make_toy):
    simulation = make_simulation(make_integrator(thermalise=STEPS, model=make_toy(scale=0.0)))
    simulation.step(2500)
    moved = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value + np.array([1.0, 0.0, 0.0])
    simulation.context.setPositions(moved)
    simulation.step(2500)
    after = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    assert np.abs(after - moved).max() < 0.1


def test_a_restraint_is_felt_and_its_warning_says_for_how_long(
    make_simulation, make_integrator, alanine_system, make_toy
):
    force = mm.CustomExternalForce("strength*(x - 1)^2")
    force.addGlobalParameter("strength", 0.0)
    for atom in range(22):
        force.addParticle(atom, [])
    system = copy.deepcopy(alanine_system)
    system.addForce(force)
    simulation = make_simulation(make_integrator(thermalise=50, model=make_toy(scale=0.0)), system)
    start = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value[:, 0].mean()
    simulation.context.setParameter("strength", 300.0)  # as scripts turn a parameter
    with pytest.warns(MDGenWarning, match="will act for the 50 steps after each frame only"):
        simulation.step(2500)
    end = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value[:, 0].mean()
    assert abs(end - 1) < abs(start - 1) - 0.02


def test_massless_atoms_stay(make_simulation, make_integrator, alanine_system):
    system = copy.deepcopy(alanine_system)
    while system.getNumConstraints():
        system.removeConstraint(0)
    system.setParticleMass(8, 0.0)
    simulation = make_simulation(make_integrator(thermalise=STEPS), system)
    before = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value[8].copy()
    with pytest.warns(MDGenWarning, match="massless"):
        simulation.step(2500)
    np.testing.assert_array_equal(
        simulation.context.getState(positions=True).getPositions(asNumpy=True)._value[8], before
    )


def test_a_checkpoint_of_another_number_of_steps_goes_on_from_its_positions(make_simulation, make_integrator, tmp_path):
    simulation = make_simulation(make_integrator(thermalise=STEPS))
    simulation.step(2500)
    simulation.saveCheckpoint(str(tmp_path / "saved.chk"))
    other = make_simulation(make_integrator(thermalise=2 * STEPS))
    with pytest.warns(MDGenWarning, match="another model or frameInterval"):
        other.loadCheckpoint(str(tmp_path / "saved.chk"))
    other.step(2500)
    assert other.currentStep == 5000


@pytest.mark.parametrize("steps", [-1, 2.5, True])
def test_steps_must_be_a_whole_number(make_integrator, steps):
    with pytest.raises(MDGenError, match=f"thermalise {steps!r} must be a whole number of 1 or more"):
        make_integrator(thermalise=steps)


def test_a_frame_that_blows_up_is_named(make_simulation, make_integrator, make_toy):
    simulation = make_simulation(make_integrator(thermalise=STEPS, model=make_toy(scale=1.5)))
    simulation.integrator.setConstraintTolerance(1e-5)
    with pytest.raises(MDGenError, match=r"the frame at \S+ ps blew up within 5 steps"):
        for _ in range(20):
            simulation.step(2500)

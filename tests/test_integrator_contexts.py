"""What changes under an integrator: the System, by reinitialize, and its variables, by another's checkpoint."""

import copy
import warnings

import numpy as np
import openmm as mm
import pytest
from openmm import app, unit

from openmm_mdgen.errors import MDGenError, MDGenWarning


def positions_of(simulation: app.Simulation) -> np.ndarray:
    return simulation.context.getState(positions=True).getPositions(asNumpy=True)._value


def velocities_of(simulation: app.Simulation) -> np.ndarray:
    return simulation.context.getState(velocities=True).getVelocities(asNumpy=True)._value


def bare_system(alanine: app.PDBFile, **settings) -> mm.System:
    return app.ForceField("amber14-all.xml").createSystem(alanine.topology, **settings)


def bond_lengths(alanine: app.PDBFile, positions: np.ndarray) -> np.ndarray:
    pairs = np.array([(first.index, second.index) for first, second in alanine.topology.bonds()])
    return np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)


BACKBONE = [4, 6, 8, 10]  # C of ACE; N, CA, C of ALA


@pytest.mark.filterwarnings("ignore:.*massless")
@pytest.mark.parametrize("preserve", [True, False])
def test_masses_given_back(make_simulation, make_integrator, alanine, preserve):
    system = bare_system(alanine)
    masses = [system.getParticleMass(atom) for atom in BACKBONE]
    for atom in BACKBONE:
        system.setParticleMass(atom, 0.0)
    simulation = make_simulation(make_integrator(), system)
    start = positions_of(simulation)
    simulation.step(5000)
    assert np.array_equal(positions_of(simulation)[BACKBONE], start[BACKBONE])
    for atom, mass in zip(BACKBONE, masses, strict=True):
        simulation.system.setParticleMass(atom, mass)
    held = positions_of(simulation)
    simulation.context.reinitialize(preserveState=preserve)
    if not preserve:
        simulation.context.setPositions(held)
    simulation.step(2500)
    assert (np.abs(positions_of(simulation) - start)[BACKBONE].max(axis=1) > 1e-4).all()
    assert (np.abs(velocities_of(simulation))[BACKBONE].max(axis=1) > 0).all()


@pytest.mark.filterwarnings("ignore:.*massless")
def test_atoms_frozen_later(make_simulation, make_integrator, alanine):
    simulation = make_simulation(make_integrator(), bare_system(alanine))
    simulation.step(5000)
    for atom in BACKBONE:
        simulation.system.setParticleMass(atom, 0.0)
    held = positions_of(simulation)
    simulation.context.reinitialize(preserveState=True)
    simulation.step(25_000)
    moved = np.abs(positions_of(simulation) - held).max(axis=1)
    assert not moved[BACKBONE].any() and (np.delete(moved, BACKBONE) > 0).all()
    assert not velocities_of(simulation)[BACKBONE].any()


@pytest.mark.filterwarnings("ignore:.*massless")
def test_released_atoms_are_conditioned_on_where_they_are(make_simulation, make_integrator, alanine, toy_propagator):
    """In the middle of a block, whose other frames are those of a molecule that moved on without them."""
    system = bare_system(alanine)
    system.setParticleMass(8, 0.0)
    simulation = make_simulation(make_integrator(), system)
    simulation.step(2500)
    system.setParticleMass(8, 12.01)
    simulation.context.reinitialize(preserveState=True)
    held = positions_of(simulation)
    simulation.step(2500)
    assert len(toy_propagator.calls) == 2
    assert np.allclose(toy_propagator.calls[1][0], held * 10, atol=1e-9)


def test_masses_of_the_system_as_it_was_at_the_latest_reinitialize(make_simulation, make_integrator, alanine):
    """A System that is only edited changes nothing, as for every integrator."""
    simulation = make_simulation(make_integrator(), bare_system(alanine))
    simulation.step(2500)
    simulation.system.setParticleMass(8, 0.0)
    before = positions_of(simulation)
    simulation.step(2500)
    assert np.abs(positions_of(simulation) - before)[8].max() > 0


def test_heavier_hydrogens_later(make_simulation, make_integrator, alanine):
    """Velocities are of the new masses: kinetic energy stays that of the temperature."""
    simulation = make_simulation(make_integrator(frameInterval="4fs"), bare_system(alanine))
    simulation.step(1)
    for first, second in alanine.topology.bonds():
        heavy, light = sorted((first, second), key=lambda atom: -atom.element.mass._value)
        if light.element is app.element.hydrogen:
            for atom, change in ((light.index, 3.0), (heavy.index, -3.0)):
                mass = simulation.system.getParticleMass(atom)._value
                simulation.system.setParticleMass(atom, mass + change)
    simulation.context.reinitialize(preserveState=True)
    kinetic = []
    for _ in range(400):
        simulation.step(1)
        kinetic.append(simulation.context.getState(energy=True).getKineticEnergy()._value)
    expected = (3 * 22 - 3) / 2 * unit.MOLAR_GAS_CONSTANT_R._value / 1000 * 350
    assert np.mean(kinetic) == pytest.approx(expected, rel=4 * np.sqrt(2 / 63 / 400))


def test_a_motion_remover_taken_out(make_simulation, make_integrator, alanine):
    simulation = make_simulation(make_integrator(), bare_system(alanine))
    masses = np.array([simulation.system.getParticleMass(i)._value for i in range(22)])
    simulation.step(2500)
    assert np.abs(masses @ velocities_of(simulation)).max() < 1e-9
    forces = [type(force).__name__ for force in simulation.system.getForces()]
    simulation.system.removeForce(forces.index("CMMotionRemover"))
    simulation.context.reinitialize(preserveState=True)
    simulation.step(2500)
    assert np.abs(masses @ velocities_of(simulation)).max() > 0.1


def test_constraints_put_in(make_simulation, make_integrator, alanine):
    simulation = make_simulation(make_integrator(), bare_system(alanine))
    simulation.step(2500)
    simulation.system.addConstraint(4, 5, 0.1229)
    simulation.context.reinitialize(preserveState=True)
    simulation.step(2500)
    positions = positions_of(simulation)
    assert np.linalg.norm(positions[4] - positions[5]) == pytest.approx(0.1229, rel=2e-5)


@pytest.mark.parametrize("change", ["barostat", "particle"])
def test_a_system_that_does_not_fit_any_more(make_simulation, make_integrator, alanine, change):
    topology = copy.deepcopy(alanine.topology)
    topology.setPeriodicBoxVectors(np.eye(3) * 3.0 * unit.nanometer)
    system = app.ForceField("amber14-all.xml").createSystem(topology, nonbondedMethod=app.PME)
    simulation = make_simulation(make_integrator(), system)
    with pytest.warns(MDGenWarning, match="periodic"):
        simulation.step(2500)
    if change == "barostat":
        system.addForce(mm.MonteCarloBarostat(1, 300))
    else:
        system.setParticleMass(4, 32.06)
    simulation.context.reinitialize(preserveState=True)
    with pytest.raises(MDGenError, match=r"MonteCarloBarostat|atom 4 \(C of ACE1\) weighs 32"):
        simulation.step(1)


def test_nothing_is_told_twice(make_simulation, make_integrator, alanine):
    system = bare_system(alanine)
    system.setParticleMass(8, 0.0)
    simulation = make_simulation(make_integrator(), system)
    with pytest.warns(MDGenWarning, match=r"1 of 22 atoms are massless and stay.*give masses back"):
        simulation.step(10)
    simulation.context.reinitialize(preserveState=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulation.step(10)


def test_other_contexts_go_on_as_ever(make_simulation, make_integrator):
    make_integrator()
    simulation = make_simulation(mm.LangevinMiddleIntegrator(300, 1, 0.002))
    simulation.step(10)
    state, at = simulation.context.createCheckpoint(), positions_of(simulation)
    simulation.step(10)
    simulation.context.loadCheckpoint(state)
    simulation.context.reinitialize(preserveState=True)
    assert np.array_equal(positions_of(simulation), at)


def _custom() -> mm.CustomIntegrator:
    """As many variables as ours, all of them numbers that ours could be."""
    integrator = mm.CustomIntegrator(0.001)
    for index in range(20):
        integrator.addGlobalVariable(f"g{index}", index + 1.0)
    integrator.addPerDofVariable("p", 3.0)
    integrator.addComputePerDof("v", "v")
    return integrator


FOREIGN = {
    "LangevinMiddle": lambda: mm.LangevinMiddleIntegrator(300, 1, 0.001),
    "Langevin": lambda: mm.LangevinIntegrator(300, 1, 0.001),
    "Verlet": lambda: mm.VerletIntegrator(0.001),
    "VariableVerlet": lambda: mm.VariableVerletIntegrator(0.001),
    "VariableLangevin": lambda: mm.VariableLangevinIntegrator(300, 1, 0.001),
    "NoseHoover": lambda: mm.NoseHooverIntegrator(300, 1, 0.001),
    "MTSLangevin": lambda: mm.MTSLangevinIntegrator(300, 1, 0.001, [(0, 1)]),
    "Custom": _custom,
}


def equilibrated(alanine, system, kind: str, platform: mm.Platform) -> app.Simulation:
    simulation = app.Simulation(alanine.topology, copy.deepcopy(system), FOREIGN[kind](), platform)
    simulation.context.setPositions(alanine.positions)
    simulation.step(20)
    return simulation


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_checkpoint_of_another_integrator(alanine, alanine_system, make_integrator, make_toy, kind, platform):
    """Positions and steps are its own; seed and temperature the constructor's, and replicas differ."""
    machine = mm.Platform.getPlatformByName(platform)
    md = equilibrated(alanine, alanine_system, kind, machine)
    checkpoint, expected = md.context.createCheckpoint(), positions_of(md)
    ends = []
    for seed in (11, 12):
        integrator = make_integrator(seed=seed, temperature=340 * unit.kelvin, model=make_toy())
        simulation = app.Simulation(alanine.topology, copy.deepcopy(alanine_system), integrator, machine)
        with pytest.warns(
            MDGenWarning, match=rf"with another integrator: positions, .*, seed {seed} and temp.* 340.0? K"
        ):
            simulation.context.loadCheckpoint(checkpoint)
        assert np.array_equal(positions_of(simulation), expected) and simulation.currentStep == 20
        assert integrator.getRandomNumberSeed() == seed
        assert integrator.getTemperature() == 340 * unit.kelvin
        simulation.step(5000)
        assert integrator._source._propagator.calls[0][0] / 10 == pytest.approx(expected)
        ends.append(positions_of(simulation))
    assert np.abs(ends[0] - ends[1]).max() > 1e-3


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_state_of_another_integrator(alanine, alanine_system, make_simulation, make_integrator, tmp_path, kind):
    md = equilibrated(alanine, alanine_system, kind, mm.Platform.getPlatformByName("Reference"))
    md.saveState(str(tmp_path / "md.xml"))
    integrator = make_integrator(seed=11)
    simulation = make_simulation(integrator)
    with pytest.raises(MDGenError, match=r"^the State was written with another integrator: its positions, [^\n]*$"):
        simulation.loadState(str(tmp_path / "md.xml"))
    assert positions_of(simulation) == pytest.approx(positions_of(md), abs=1e-12) and simulation.currentStep == 20
    assert integrator.getRandomNumberSeed() == 11 and integrator.getTemperature() == 350 * unit.kelvin
    simulation.step(5000)
    assert simulation.currentStep == 5020


def test_a_foreign_checkpoint_in_the_middle_of_a_run(alanine, alanine_system, make_simulation, make_integrator):
    md = equilibrated(alanine, alanine_system, "LangevinMiddle", mm.Platform.getPlatformByName("Reference"))
    simulation = make_simulation(make_integrator())
    simulation.step(5000)
    with pytest.warns(MDGenWarning, match="another integrator"):
        simulation.context.loadCheckpoint(md.context.createCheckpoint())
    simulation.step(2500)
    simulation.context.loadCheckpoint(simulation.context.createCheckpoint())
    assert simulation.integrator.getRandomNumberSeed() == 7


def test_a_damaged_checkpoint_leaves_the_variables(make_simulation, make_integrator):
    simulation = make_simulation(make_integrator())
    simulation.step(2500)
    with pytest.raises(mm.OpenMMException):
        simulation.context.loadCheckpoint(b"junk" * 100)
    assert simulation.integrator.getRandomNumberSeed() == 7


@pytest.mark.parametrize("n_frames, other", [(4, {"frameInterval": "20ps"}), (6, {})])
@pytest.mark.parametrize("save, load", [("saveCheckpoint", "loadCheckpoint"), ("saveState", "loadState")])
def test_a_state_with_another_model_or_interval(
    make_simulation, make_integrator, make_toy, tmp_path, save, load, n_frames, other
):
    """The number of a frame in its block means another frame there."""
    first = make_simulation(make_integrator(model=make_toy(), seed=5))
    first.step(5000)
    getattr(first, save)(str(tmp_path / "saved"))
    toy = make_toy(n_frames=n_frames)
    second = make_simulation(make_integrator(model=toy, seed=9, **other))
    with pytest.warns(MDGenWarning, match=r"another model or frameInterval: the trajectory goes on from its positions"):
        getattr(second, load)(str(tmp_path / "saved"))
    second.step(5000)
    assert toy.calls[0][0] / 10 == pytest.approx(positions_of(first))
    assert second.integrator.getRandomNumberSeed() == 5
    third = make_simulation(make_integrator(model=make_toy(n_frames=n_frames), **other))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(second, save)(str(tmp_path / "again"))
        getattr(third, load)(str(tmp_path / "again"))

"""Bad input: one line that names value, limit and remedy."""

import copy
import warnings

import numpy as np
import openmm as mm
import pytest
from openmm import app, unit

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.integrator import GenerativeIntegrator


class Task:
    """A task that asks for nothing but has the ranges of one."""

    temperature = 350.0
    intervals = (0.1, 100.0)
    lengths = (1, 8)

    def bind(self, structure, interval, *, reference=None):
        raise MDGenError("12 residues is outside the model's range, 1 to 8")


def test_positions_unset(alanine, alanine_system, make_integrator):
    simulation = app.Simulation(
        alanine.topology, alanine_system, make_integrator(), mm.Platform.getPlatformByName("Reference")
    )
    with pytest.raises(MDGenError, match=r"positions are unset.*setPositions\(pdb.positions\)"):
        simulation.step(1)


def test_positions_with_nan(make_simulation, make_integrator):
    simulation = make_simulation(make_integrator())
    positions = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    positions[3, 1] = np.nan
    simulation.context.setPositions(positions)
    with pytest.raises(MDGenError, match="atom 3 has a NaN"):
        simulation.step(1)


def test_positions_with_nan_in_the_middle(make_simulation, make_integrator):
    simulation = make_simulation(make_integrator())
    simulation.step(2500)
    simulation.context.setPositions(np.full((22, 3), np.inf))
    with pytest.raises(MDGenError, match="atom 0 has a NaN or infinite"):
        simulation.step(2500)


@pytest.mark.parametrize(
    "force",
    [
        mm.MonteCarloBarostat(1, 300),
        mm.MonteCarloAnisotropicBarostat(mm.Vec3(1, 1, 1), 300),
        mm.MonteCarloMembraneBarostat(
            1, 0, 300, mm.MonteCarloMembraneBarostat.XYIsotropic, mm.MonteCarloMembraneBarostat.ZFree
        ),
        mm.MonteCarloFlexibleBarostat(1, 300),
        mm.AndersenThermostat(300, 1),
    ],
    ids=lambda force: type(force).__name__,
)
def test_barostats_and_thermostats(make_simulation, make_integrator, alanine, force):
    topology = copy.deepcopy(alanine.topology)
    topology.setPeriodicBoxVectors(np.eye(3) * 3.0 * unit.nanometer)
    system = app.ForceField("amber14-all.xml").createSystem(topology, nonbondedMethod=app.PME)
    system.addForce(copy.deepcopy(force))
    simulation = make_simulation(make_integrator(), system)
    name = type(force).__name__
    with pytest.raises(MDGenError, match=rf"holds a {name}.*remove the line `system.addForce\({name}"):
        simulation.step(1)


def test_a_barostat_added_later(make_simulation, make_integrator):
    simulation = make_simulation(make_integrator())
    simulation.step(10_000)
    simulation.context.getSystem().addForce(mm.MonteCarloBarostat(1, 300))
    with pytest.raises(MDGenError, match="MonteCarloBarostat"):
        simulation.step(2500)


def test_a_system_of_another_size(make_simulation, make_integrator, alanine):
    modeller = app.Modeller(alanine.topology, alanine.positions)
    modeller.delete([atom for atom in modeller.topology.atoms() if atom.index == 0])
    integrator = GenerativeIntegrator(modeller.topology, 350, model=make_integrator()._source._model)
    with pytest.raises(MDGenError, match="System has 22 particles and the Topology 21 atoms; give"):
        make_simulation(integrator).step(1)


def test_a_system_of_other_atoms(make_simulation, make_integrator, alanine, alanine_system):
    system = copy.deepcopy(alanine_system)
    system.setParticleMass(4, 32.06)
    with pytest.raises(MDGenError, match=r"atom 4 \(C of ACE1\) weighs 32.06 amu .* 12.01 in the Topology"):
        make_simulation(make_integrator(), system).step(1)


@pytest.mark.parametrize("hydrogen_mass", [None, 1.5, 4.0])
def test_repartitioned_hydrogens_fit(make_simulation, make_integrator, alanine, hydrogen_mass):
    system = app.ForceField("amber14-all.xml").createSystem(alanine.topology, hydrogenMass=hydrogen_mass)
    make_simulation(make_integrator(), system).step(2500)


def test_a_periodic_system_gives_a_warning(make_simulation, make_integrator, alanine):
    topology = copy.deepcopy(alanine.topology)
    topology.setPeriodicBoxVectors(np.eye(3) * 3.0 * unit.nanometer)
    system = app.ForceField("amber14-all.xml").createSystem(topology, nonbondedMethod=app.PME)
    simulation = make_simulation(make_integrator(), system)
    with pytest.warns(MDGenWarning, match=r"periodic.*nonbondedMethod=NoCutoff"):
        simulation.step(2500)


def solvated(alanine, **names: str) -> app.Modeller:
    """The peptide in salt water, whose residues are called as told; `names` are by OpenMM's."""
    modeller = app.Modeller(alanine.topology, alanine.positions)
    forcefield = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    modeller.addSolvent(forcefield, boxSize=mm.Vec3(2.2, 2.2, 2.2), ionicStrength=0.5 * unit.molar)
    for residue in modeller.topology.residues():
        residue.name = names.get(residue.name, residue.name)
    return modeller


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"HOH": "WAT", "NA": "Na+", "CL": "Cl-"},
        {"HOH": "SOL", "NA": "SOD", "CL": "CLA"},
        {"HOH": "TIP3P", "NA": "NIO", "CL": "CIO"},
        {"HOH": "opc3"},
        {"HOH": "W3"},
    ],
    ids=str,
)
def test_waters_and_ions(alanine, names):
    """They are known by what they are made of; the error's lines take the peptide out."""
    modeller = solvated(alanine, **names)
    with pytest.raises(
        MDGenError, match=r"holds \d{3} waters and [1-9]\d* ions.*modeller.deleteWater\(\).*barostat"
    ) as error:
        GenerativeIntegrator(modeller.topology, 350, stepSize="2fs", model=Task())
    lines = str(error.value).split("\n", 1)[1]
    script: dict[str, object] = {"GenerativeIntegrator": lambda *given, **named: None, "pdb": modeller}
    exec("from openmm.app import *\nfrom openmm.unit import *", script)
    script["Simulation"] = lambda topology, system, integrator: Kept(topology, system)
    exec(lines, script)
    simulation = script["simulation"]
    assert simulation.topology.getNumAtoms() == simulation.system.getNumParticles() == 22
    assert simulation.topology.getPeriodicBoxVectors() is None
    assert not simulation.system.usesPeriodicBoundaryConditions()
    assert "stepSize=2*femtoseconds" in lines


class Kept:
    """A Simulation's arguments."""

    def __init__(self, topology, system):
        self.topology, self.system, self.context = topology, system, self

    def setPositions(self, positions):
        assert len(positions) == self.topology.getNumAtoms()


def test_a_water_of_four_sites(alanine):
    modeller = app.Modeller(alanine.topology, alanine.positions)
    forcefield = app.ForceField("amber14-all.xml", "amber14/tip4pew.xml")
    modeller.addSolvent(forcefield, model="tip4pew", boxSize=mm.Vec3(2.2, 2.2, 2.2))
    with pytest.raises(MDGenError, match=r"holds \d{3} waters and 0 ions"):
        GenerativeIntegrator(modeller.topology, 350, model=Task())


def test_waters_of_oxygens_alone(alanine):
    topology = copy.deepcopy(alanine.topology)
    for _ in range(3):
        topology.addAtom("O", app.element.oxygen, topology.addResidue("HOH", topology.addChain()))
    with pytest.raises(MDGenError, match="holds 3 waters and 0 ions"):
        GenerativeIntegrator(topology, 350, model=Task())


def test_a_propagator_of_ones_own_may_have_waters(alanine, toy_propagator):
    modeller = app.Modeller(alanine.topology, alanine.positions)
    modeller.addSolvent(app.ForceField("amber14-all.xml", "amber14/tip3p.xml"), numAdded=3)
    GenerativeIntegrator(modeller.topology, 350, model=toy_propagator)


def test_what_the_model_cannot_bind_is_told_at_the_first_step(make_simulation, make_integrator):
    with pytest.raises(MDGenError, match="12 residues is outside"):
        make_simulation(make_integrator(model=Task())).step(1)


@pytest.mark.parametrize("interval, remedy", [(0.04, "0.1"), (200.0, "100")])
def test_an_interval_outside_the_models_range(make_integrator, interval, remedy):
    with pytest.raises(MDGenError, match=rf"{interval:g} ps is outside .* 0.1 to 100 ps; .*={remedy}\*picoseconds"):
        make_integrator(model=Task(), frameInterval=interval)


@pytest.mark.parametrize("interval", [0.1, 10, 100 * unit.picoseconds])
def test_an_interval_at_the_edge(make_integrator, interval):
    make_integrator(model=Task(), frameInterval=interval)


def test_an_interval_that_is_no_multiple(make_integrator):
    message = (
        r"10 ps is not a multiple of stepSize 3 fs; use stepSize=3.0003\d+\*femtoseconds or frameInterval=9.999\*pico"
    )
    with pytest.raises(MDGenError, match=message):
        make_integrator(stepSize=3 * unit.femtoseconds)
    with pytest.raises(MDGenError, match=message):
        make_integrator().setStepSize(0.003)
    with pytest.raises(MDGenError, match="not a multiple"):
        make_integrator(stepSize=20, frameInterval=10)


@pytest.mark.parametrize("step", [0.5, 1, 2, 4, 5, 2.5, 0.1])
def test_steps_that_fit(make_integrator, step):
    assert make_integrator(stepSize=step * unit.femtoseconds)._steps_per_frame == round(10_000 / step)


@pytest.mark.parametrize("name", ["stepSize", "frameInterval"])
@pytest.mark.parametrize("value", [0, -0.004, float("nan"), float("inf")])
def test_times_not_above_zero(make_integrator, name, value):
    with pytest.raises(MDGenError, match=rf"{name} .* ps is not above zero"):
        make_integrator(**{name: value})


def test_a_temperature_unlike_the_models(make_integrator):
    message = r"300 K is not the model's 350 K: frames are of the .* at 350 K, velocities are drawn at 300 K; use temp"
    with pytest.warns(MDGenWarning, match=message):
        integrator = make_integrator(model=Task(), temperature=300 * unit.kelvin)
    with pytest.raises(MDGenError, match=message):
        make_integrator(model=Task(), temperature=300 * unit.kelvin, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        integrator.setTemperature(350 * unit.kelvin)
    with pytest.warns(MDGenWarning, match=message):
        integrator.setTemperature(300)
    strict = make_integrator(model=Task(), strict=True)
    with pytest.raises(MDGenError, match=message):
        strict.setTemperature(300)
    assert strict.getTemperature() == 350 * unit.kelvin


def test_a_temperature_left_out(make_integrator):
    assert make_integrator(model=Task(), temperature=None).getTemperature() == 350 * unit.kelvin
    with pytest.raises(MDGenError, match="names no temperature; give one"):
        make_integrator(temperature=None)


@pytest.mark.parametrize("temperature", [0, -5])
def test_temperatures_not_above_zero(make_integrator, temperature):
    with pytest.raises(MDGenError, match="is not above zero"):
        make_integrator(temperature=temperature)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_out_of_range(make_integrator, seed):
    with pytest.raises(MDGenError, match="outside 0 to"):
        make_integrator(seed=seed)
    with pytest.raises(MDGenError, match="outside 0 to"):
        make_integrator().setRandomNumberSeed(seed)


def test_something_else_than_a_topology(alanine, toy_propagator):
    with pytest.raises(MDGenError, match=r"is a PDBFile, not .*; pass its \.topology"):
        GenerativeIntegrator(alanine, 350, model=toy_propagator)
    with pytest.raises(MDGenError, match=r"pass pdb\.topology"):
        GenerativeIntegrator("pep.pdb", 350, model=toy_propagator)


def test_blocks_of_the_wrong_shape(make_simulation, make_integrator, make_toy):
    class Short(make_toy):
        def next_block(self, start, seed):
            return super().next_block(start, seed)[:, 1:]

    with pytest.raises(MDGenError, match=r"shape \(4, 21, 3\), expected \(4, 22, 3\)"):
        make_simulation(make_integrator(model=Short())).step(2500)


def test_blocks_with_nan(make_simulation, make_integrator, make_toy):
    class Broken(make_toy):
        def next_block(self, start, seed):
            frames = super().next_block(start, seed)
            frames[2, 5] = np.nan
            return frames

    simulation = make_simulation(make_integrator(model=Broken()))
    start = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    with pytest.raises(MDGenError, match="NaN or infinite positions in frame 2;"):
        simulation.step(2500)
    assert np.array_equal(simulation.context.getState(positions=True).getPositions(asNumpy=True)._value, start)

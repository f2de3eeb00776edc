"""Forces that will not act are named once; a force field's own are not."""

import copy
import warnings

import openmm as mm
import pytest
from openmm import app, unit

from openmm_mdgen.errors import MDGenWarning
from openmm_mdgen.integrator.forces import idle_forces


def restraint() -> mm.CustomExternalForce:
    force = mm.CustomExternalForce("k*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    force.addGlobalParameter("k", 1000.0)
    for name in ("x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    force.addParticle(8, [0, 0, 0])
    return force


def field() -> mm.CustomExternalForce:
    force = mm.CustomExternalForce("-x")
    for atom in range(22):
        force.addParticle(atom, [])
    force.setName("field")
    return force


def collective() -> mm.CustomCVForce:
    phi = mm.CustomTorsionForce("theta")
    phi.addTorsion(4, 6, 8, 10)
    force = mm.CustomCVForce("10*phi")
    force.addCollectiveVariable("phi", phi)
    return force


def custom_bond(*atoms: int) -> mm.CustomBondForce:
    force = mm.CustomBondForce("1000*(r-0.5)^2")
    force.addBond(*atoms, [])
    return force


def custom_torsion(*terms: tuple[int, ...]) -> mm.CustomTorsionForce:
    force = mm.CustomTorsionForce("1000*(theta-1)^2")
    for term in terms:
        force.addTorsion(*term, [])
    return force


def harmonic(*atoms: int) -> mm.HarmonicBondForce:
    force = mm.HarmonicBondForce()
    force.addBond(*atoms, 0.5, 1000)
    return force


def periodic(*atoms: int) -> mm.PeriodicTorsionForce:
    force = mm.PeriodicTorsionForce()
    force.addTorsion(*atoms, 1, 0.0, 10)
    return force


def groups() -> mm.CustomNonbondedForce:
    force = mm.CustomNonbondedForce("r")
    for _ in range(22):
        force.addParticle([])
    force.addInteractionGroup([1], [20])
    return force


def turnable() -> mm.CustomNonbondedForce:
    force = mm.CustomNonbondedForce("scale*r")
    force.addGlobalParameter("scale", 1.0)
    for _ in range(22):
        force.addParticle([])
    return force


def centroids() -> mm.CustomCentroidBondForce:
    force = mm.CustomCentroidBondForce(2, "distance(g1,g2)")
    for atom in (1, 20):
        force.addGroup([atom])
    force.addBond([0, 1], [])
    return force


BIASES = {
    "restraint": restraint,
    "field": field,
    "collective": collective,
    "centroids": centroids,
    "rmsd": lambda: mm.RMSDForce([mm.Vec3(0, 0, i) for i in range(22)], list(range(10))),
    "distant pair": lambda: custom_bond(1, 20),
    "near pair": lambda: custom_bond(4, 8),
    "torsion": lambda: custom_torsion((4, 6, 8, 10)),
    "harmonic pair": lambda: harmonic(1, 20),
    "harmonic near pair": lambda: harmonic(4, 8),
    "periodic torsion": lambda: periodic(4, 6, 8, 10),
    "groups": groups,
    "turnable": turnable,
}


@pytest.mark.parametrize("name", BIASES)
def test_biases_are_named(alanine, alanine_system, name):
    system, force = copy.deepcopy(alanine_system), BIASES[name]()
    system.addForce(force)
    (found,) = idle_forces(system, alanine.topology)
    assert found.split()[0] == type(force).__name__


def test_names_that_a_script_gave(alanine, alanine_system):
    system = copy.deepcopy(alanine_system)
    system.addForce(field())
    assert idle_forces(system, alanine.topology) == ["CustomExternalForce 'field'"]


@pytest.mark.parametrize(
    "files",
    [
        ["amber14-all.xml"],
        ["amber14-all.xml", "implicit/obc2.xml"],
        ["amber99sb.xml", "amber99_obc.xml"],
        ["amber19-all.xml", "implicit/gbn2.xml"],
        ["charmm36_2024.xml"],
        ["amoeba2018.xml"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["ACE-A-NME", "QGRE"])
def test_a_force_fields_own_are_not(data, files, name):
    pdb = app.PDBFile(str(data / f"{name}.pdb"))
    try:
        forcefield = app.ForceField(*files)
    except ValueError as error:
        pytest.skip(f"this OpenMM lacks it: {error}")
    system = forcefield.createSystem(pdb.topology, hydrogenMass=3 * unit.amu)
    assert idle_forces(system, pdb.topology) == []


def test_impropers_of_charmm_are_valence_terms(alanine, alanine_system):
    """Angles about the carbonyl carbon: one atom with its three neighbours."""
    system = copy.deepcopy(alanine_system)
    system.addForce(custom_torsion((4, 0, 5, 6)))
    assert idle_forces(system, alanine.topology) == []


@pytest.mark.skipif(not hasattr(mm, "PythonForce"), reason="this OpenMM has no PythonForce")
def test_a_learned_potential_alone_is_the_potential(alanine, alanine_system):
    potential = mm.PythonForce(lambda state: (0.0, state.getPositions(asNumpy=True) * 0))
    system = mm.System()
    for atom in alanine.topology.atoms():
        system.addParticle(atom.element.mass)
    system.addForce(potential)
    assert idle_forces(system, alanine.topology) == []
    both = copy.deepcopy(alanine_system)
    both.addForce(mm.PythonForce(lambda state: (0.0, state.getPositions(asNumpy=True) * 0)))
    assert idle_forces(both, alanine.topology) == ["PythonForce"]


def test_one_warning_names_them_all(make_simulation, make_integrator, alanine_system):
    system = copy.deepcopy(alanine_system)
    system.addForce(field())
    system.addForce(collective())
    simulation = make_simulation(make_integrator(), system)
    message = r"^CustomCVForce, CustomExternalForce 'field' will not act: .* remove them, .* or run MD where they act$"
    with pytest.warns(MDGenWarning, match=message) as seen:
        simulation.step(10)
    assert len([warning for warning in seen if warning.category is MDGenWarning]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulation.step(5000)


def test_metadynamics(make_simulation, make_integrator, alanine_system, tmp_path):
    system = copy.deepcopy(alanine_system)
    phi = mm.CustomTorsionForce("theta")
    phi.addTorsion(4, 6, 8, 10)
    variable = app.metadynamics.BiasVariable(phi, -3.2, 3.2, 0.35, True)
    app.metadynamics.Metadynamics(system, [variable], 350, 5, 1, 2500)
    simulation = make_simulation(make_integrator(), system)
    with pytest.warns(MDGenWarning, match="CustomCVForce.* will not act"):
        simulation.step(10)


def test_a_force_added_later_is_named(make_simulation, make_integrator, alanine_system):
    system = copy.deepcopy(alanine_system)
    system.addForce(field())
    simulation = make_simulation(make_integrator(), system)
    with pytest.warns(MDGenWarning, match="field"):
        simulation.step(10)
    simulation.system.addForce(collective())
    simulation.context.reinitialize(preserveState=True)
    with pytest.warns(MDGenWarning, match="^CustomCVForce will not act"):
        simulation.step(10)


def test_a_plain_system_gives_no_warning(make_simulation, make_integrator):
    simulation = make_simulation(make_integrator())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulation.step(2500)

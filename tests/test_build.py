"""Sequence to structure and System."""

import random

import numpy as np
import openmm
import pytest
from openmm import app, unit

from openmm_mdgen.convert.structures import topology_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.build import build_peptide, build_system, sequence_to_residues
from openmm_mdgen.peptide.peptide import Peptide


def _energy(system: openmm.System, positions: np.ndarray) -> float:
    """Potential energy in kJ/mol of positions in Å."""
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPositions(positions / 10)
    return context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


def test_sequence_to_residues():
    assert sequence_to_residues("STHK") == ["SER", "THR", "HIS", "LYS"]
    assert sequence_to_residues("ACE-A-NME") == ["ACE", "ALA", "NME"]
    assert sequence_to_residues("AG", caps="capped") == ["ACE", "ALA", "GLY", "NME"]
    assert sequence_to_residues("ACE-AG", caps="capped") == ["ACE", "ALA", "GLY"]


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("STXK", "'X', which is no residue"),
        ("", "has no residue"),
        ("ACE-NME", "has no residue"),
        ("A-G", "a '-' between"),
    ],
)
def test_unknown_sequence(sequence, message):
    with pytest.raises(MDGenError, match=message):
        sequence_to_residues(sequence)


def test_unknown_caps():
    with pytest.raises(MDGenError, match="'amide' are not known; choose"):
        sequence_to_residues("A", caps="amide")


def test_one_charged_residue_needs_a_cap():
    with pytest.raises(MDGenError, match="cap it: ACE-A-NME"):
        build_peptide("A")


@pytest.mark.parametrize("sequence", ["ACDEFGHI", "KLMNPQRS", "ACE-TVWY-NME", "PP", "ACE-P-NME"])
def test_built_peptide_is_an_l_peptide_at_a_minimum(sequence):
    topology, positions = build_peptide(sequence)
    peptide = Peptide.from_structure(
        topology_to_structure(topology, positions / 10)
    )  # refuses D-residues and allo forms
    assert peptide.sequence == sequence.removeprefix("ACE-").removesuffix("-NME")
    assert peptide.charged_n_terminus == (not sequence.startswith("ACE"))
    assert peptide.charged_c_terminus == (not sequence.endswith("NME"))
    system = build_system(topology)
    noise = np.random.default_rng(0).normal(0, 0.01, positions.shape)
    assert _energy(system, positions) < _energy(system, positions + noise)


def test_building_is_deterministic_and_leaves_the_global_generator_alone():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    first = build_peptide("TK")[1]
    assert random.random() == expected
    np.testing.assert_array_equal(first, build_peptide("TK")[1])


@pytest.mark.parametrize("sequence", ["STHK", "ACE-A-NME"])
def test_native_obc_has_the_energy_of_obc2_xml(sequence):
    topology, positions = build_peptide(sequence)
    field = app.ForceField("amber14-all.xml", "implicit/obc2.xml")
    custom = field.createSystem(topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds)
    native = build_system(topology)
    assert not any(isinstance(force, openmm.CustomGBForce) for force in native.getForces())
    assert _energy(native, positions) == pytest.approx(_energy(custom, positions), abs=5e-4)


def test_constraints_and_hydrogen_mass():
    topology, _ = build_peptide("ACE-A-NME")
    system = build_system(topology, hydrogen_mass=3.0)
    hydrogens = [atom.index for atom in topology.atoms() if atom.element is app.element.hydrogen]
    assert system.getNumConstraints() == len(hydrogens)
    assert {system.getParticleMass(atom).value_in_unit(unit.amu) for atom in hydrogens} == {3.0}


def test_system_of_heavy_atoms_alone(data):
    file = app.PDBFile(str(data / "ACE-A-NME.pdb"))
    modeller = app.Modeller(file.topology, file.positions)
    modeller.delete([atom for atom in file.topology.atoms() if atom.element is app.element.hydrogen])
    with pytest.raises(MDGenError, match=r"No template found .* needs complete, standard residues"):
        build_system(modeller.topology)

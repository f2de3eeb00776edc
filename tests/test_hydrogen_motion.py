"""Hydrogens that move: lengths and heavy atoms stay, bonded energies have their thermal mean, seeds decide."""

import numpy as np
import openmm as mm
import pytest
from openmm import unit

import openmm_mdgen
from openmm_mdgen import MDGenError, Recipe, read_recipe, write_recipe
from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.geometry.hydrogen_motion import HydrogenMotion
from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.geometry.skeleton import Skeleton
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.hydrogens import skeleton_of

KT = 8.314462618e-3 * 350.0


@pytest.fixture(params=["QGRE.pdb", "PSWYP.pdb", "ACE-A-NME.pdb"])
def case(request, data):
    structure = load_structure(data / request.param)
    peptide = Peptide.from_structure(structure)
    bonds = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms).bonds
    return structure, peptide, bonds, motion_of(structure, peptide, bonds, 350.0)


def motion_of(structure, peptide, bonds, temperature) -> HydrogenMotion:
    """Of all hydrogens."""
    return HydrogenMotion(skeleton_of(peptide, bonds), structure.positions, temperature)


def test_heavy_atoms_and_bond_lengths_stay(case):
    structure, peptide, _, motion = case
    frames = np.repeat(structure.positions[None], 20, 0)
    moved = motion.moved(frames, seed=1)
    heavy = sorted(peptide.heavy.values())
    np.testing.assert_array_equal(moved[:, heavy], frames[:, heavy])
    for hydrogen, parent in peptide.hydrogens.items():
        length = np.linalg.norm(moved[:, hydrogen] - moved[:, parent], axis=-1)
        before = np.linalg.norm(structure.positions[hydrogen] - structure.positions[parent])
        np.testing.assert_allclose(length, before, rtol=1e-10)
    assert np.linalg.norm(moved - frames, axis=-1)[:, motion.atoms].mean() > 0.1


def test_a_pure_function_of_frames_and_seed(case):
    structure, _, _, motion = case
    frames = np.repeat(structure.positions[None], 5, 0)
    np.testing.assert_array_equal(motion.moved(frames, 3), motion.moved(frames, 3))
    assert not np.array_equal(motion.moved(frames, 3), motion.moved(frames, 4))


def test_turns_with_the_molecule(case):
    structure, _, _, motion = case
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    frames = np.repeat(structure.positions[None], 4, 0)
    np.testing.assert_allclose(motion.moved(frames @ turn, 2), motion.moved(frames, 2) @ turn, atol=1e-9)


def test_bond_angles_have_their_thermal_energy(case):
    """Angles to hydrogens gain about half kT for each of two degrees of freedom; turns and planes take their part."""
    structure, peptide, _, motion = case
    system = build_system(structure_to_topology(structure))
    for force in system.getForces():
        force.setForceGroup(1 if isinstance(force, mm.HarmonicAngleForce | mm.PeriodicTorsionForce) else 0)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))

    def energy(positions: np.ndarray) -> float:
        context.setPositions(positions / 10)
        found = context.getState(energy=True, groups={1}).getPotentialEnergy()
        return found.value_in_unit(unit.kilojoule_per_mole)

    frames = np.repeat(structure.positions[None], 200, 0)
    gained = np.mean([energy(frame) for frame in motion.moved(frames, 5)]) - energy(structure.positions)
    expected = KT * len(peptide.hydrogens)
    assert 0.7 * expected < gained < 1.35 * expected


def test_a_peptide_without_hydrogens_is_left_alone(data):
    structure = load_structure(data / "QGRE.pdb")
    peptide = Peptide.from_structure(structure)
    motion = HydrogenMotion(Skeleton((), {}, {}, [], peptide.n_atoms), structure.positions, 300.0)
    np.testing.assert_array_equal(motion.moved(structure.positions[None], 1), structure.positions[None])


def test_colder_hydrogens_move_less(case):
    structure, peptide, bonds, motion = case
    cold = motion_of(structure, peptide, bonds, 10.0)
    frames = np.repeat(structure.positions[None], 20, 0)
    size = [np.abs(m.moved(frames, 1) - frames).max() for m in (cold, motion)]
    assert size[0] < 0.5 * size[1]


def test_recipes_say_it_and_older_ones_are_as_they_were(data, tmp_path):
    path = tmp_path / "a.mdgen"
    recipe = Recipe(data / "tiny.safetensors", data / "ACE-A-NME.pdb", 5, 10.0)
    write_recipe(recipe, path)
    assert read_recipe(path).hydrogens == "moving"
    text = path.read_text()
    path.write_text(text.replace("moving-2", "moving"))
    assert read_recipe(path).hydrogens == "moving-1"
    path.write_text(text.replace(' "hydrogens": "moving-2",\n', ""))
    assert read_recipe(path).hydrogens == "quiet"


def test_bad_input(data):
    with pytest.raises(MDGenError, match="hydrogens 'warm' is not known; choose one of moving, thermal, quiet"):
        openmm_mdgen.simulate(data / "ACE-A-NME.pdb", time=10, hydrogens="warm")


def test_parts_are_moved_as_each_alone(case):
    structure, _, _, motion = case
    frames = np.repeat(structure.positions[None], 9, 0) + np.arange(9.0)[:, None, None]
    sizes, seeds = [4, 0, 3, 2], [5, 1, 6, 5]
    together = np.split(motion.parts_moved(frames, sizes, seeds), np.cumsum(sizes)[:-1])
    for part, seed, found in zip(np.split(frames, np.cumsum(sizes)[:-1]), seeds, together, strict=True):
        np.testing.assert_array_equal(found, motion.moved(part, seed))

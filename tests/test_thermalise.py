"""Real dynamics after every frame: deterministic, local, at its temperature; bad input."""

import pickle

import MDAnalysis as mda
import numpy as np
import openmm as mm
import pytest

import openmm_mdgen
from openmm_mdgen import MDGenError
from openmm_mdgen.trajectory.thermalise import Thermalise


@pytest.fixture
def universe(data):
    path = str(data / "ACE-A-NME.pdb")
    frame = mda.Universe(path).atoms.positions.copy()
    return mda.Universe(path, np.repeat(frame[None], 4, 0), order="fac")


def read(universe, frames=(0, 1, 2, 3)) -> np.ndarray:
    return np.array([universe.trajectory[k].positions.copy() for k in frames])


def test_moves_frames_a_little_and_each_its_own_way(universe):
    before = read(universe)
    universe.trajectory.add_transformations(Thermalise(universe.atoms, 20))
    after = read(universe)
    moved = np.linalg.norm(after - before, axis=-1)
    assert 0.01 < moved.mean() < 0.5
    assert not np.array_equal(after[0], after[1])


def test_order_repetition_and_pickling_make_no_difference(universe):
    transformation = Thermalise(universe.atoms, 10, seed=3)
    other = universe.copy()
    universe.trajectory.add_transformations(transformation)
    expected = read(universe)
    other.trajectory.add_transformations(pickle.loads(pickle.dumps(transformation)))
    np.testing.assert_array_equal(read(other, (3, 1, 1, 0)), expected[[3, 1, 1, 0]])


def test_another_seed_is_another_run(universe):
    other = universe.copy()
    universe.trajectory.add_transformations(Thermalise(universe.atoms, 10, seed=1))
    other.trajectory.add_transformations(Thermalise(other.atoms, 10, seed=2))
    assert not np.array_equal(read(universe), read(other))


def test_restraints_of_a_system_are_felt(universe):
    system = mm.System()
    for _ in universe.atoms:
        system.addParticle(12.0)
    force = mm.CustomExternalForce("1000 * (x - 1)^2")
    for atom in range(len(universe.atoms)):
        force.addParticle(atom, [])
    system.addForce(force)
    before = read(universe)[0, :, 0]
    universe.trajectory.add_transformations(Thermalise(universe.atoms, 20, system, temperature=1.0))
    after = read(universe)[0, :, 0]
    assert np.abs(after - 10).mean() < np.abs(before - 10).mean()


def test_simulate_thermalises_what_is_read_and_goes_on_without(data):
    settings = {"time": 700, "model": data / "tiny.safetensors", "seed": 2}
    plain = openmm_mdgen.simulate(data / "ACE-A-NME.pdb", **settings)
    warm = openmm_mdgen.simulate(data / "ACE-A-NME.pdb", thermalise=2, temperature=350, **settings)
    for frame in (0, 69):
        moved = np.linalg.norm(warm.trajectory[frame].positions - plain.trajectory[frame].positions, axis=-1)
        assert 0 < moved.mean() < 0.5  # the second block started from the plain frames
    again = openmm_mdgen.simulate(data / "ACE-A-NME.pdb", thermalise=2, temperature=350, **settings)
    np.testing.assert_array_equal(again.trajectory[69].positions, warm.trajectory[69].positions)


def test_bad_input(universe):
    with pytest.raises(MDGenError, match="thermalise -1 must be a whole number of 1 or more"):
        Thermalise(universe.atoms, -1)
    with pytest.raises(MDGenError, match="the System has 0 particles, the selection 22 atoms"):
        Thermalise(universe.atoms, 5, mm.System())
    with pytest.raises(MDGenError, match="must be above 0"):
        Thermalise(universe.atoms, 5, temperature=0.0)
    timestep = universe.trajectory[0].copy()
    transformation = Thermalise(universe.atoms, 5)
    timestep.positions[3] = np.nan
    with pytest.raises(MDGenError, match="frame 0 blew up within 5 steps"):
        transformation(timestep)

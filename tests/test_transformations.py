import gc
import multiprocessing
import os
import pickle

import MDAnalysis as mda
import numpy as np
import openmm
import pytest
from MDAnalysis.analysis.rms import RMSD
from MDAnalysis.lib.distances import calc_bonds, calc_dihedrals
from MDAnalysis.transformations import fit_rot_trans, translate

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.trajectory.transformations import PlaceHydrogens, RegenerateSidechains, Relax

N_FRAMES = 4


def noisy(path, scale=0.04):
    """A Universe in memory: frames that jitter about the file's structure and are turned and moved."""
    universe = mda.Universe(str(path))
    rng = np.random.default_rng(0)
    start = universe.atoms.positions
    frames = [start + rng.normal(0, scale, start.shape) @ _rotation(rng) for _ in range(N_FRAMES)]
    universe.load_new(np.array([frame @ _rotation(rng) + rng.normal(0, 3, 3) for frame in frames], np.float32))
    return universe


def _rotation(rng):
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.linalg.det(q)


@pytest.fixture(params=["ACE-A-NME.pdb", "QGRE.pdb"])
def path(request, data):
    return data / request.param


@pytest.fixture
def reference(path):
    return mda.Universe(str(path)).atoms.positions


@pytest.fixture
def universe(path):
    return noisy(path)


class TestRelax:
    def test_energy_falls_and_atoms_stay_near(self, universe):
        relax = Relax(universe.atoms)
        for ts in universe.trajectory:
            before = ts.positions.copy()
            relax(ts)
            after = relax._minimizer.energy(ts.positions)
            assert after < relax._minimizer.energy(before) - 30
            assert np.sqrt(((ts.positions - before) ** 2).sum(-1).mean()) < 0.5

    def test_every_frame_is_relaxed_on_its_own(self, path):
        forwards, backwards = noisy(path).trajectory, noisy(path).trajectory
        one, other = Relax(mda.Universe(str(path)).atoms), Relax(mda.Universe(str(path)).atoms)
        first = [one(forwards[index]).positions.copy() for index in range(N_FRAMES)]
        last = [other(backwards[index]).positions.copy() for index in reversed(range(N_FRAMES))]
        np.testing.assert_array_equal(first, last[::-1])

    def test_constraints_of_the_system_hold(self, universe):
        relax = Relax(universe.atoms)
        system = openmm.XmlSerializer.deserialize(relax._minimizer._system)
        ts = relax(universe.trajectory[1])
        assert system.getNumConstraints() > 0
        for index in range(system.getNumConstraints()):
            first, second, length = system.getConstraintParameters(index)
            a, b = relax._minimizer._order[[first, second]]
            found = np.linalg.norm(ts.positions[a] - ts.positions[b])
            assert found == pytest.approx(length._value * 10, abs=1e-4)

    def test_restraint_holds_atoms_back(self, path):
        universe = noisy(path, scale=0.1)
        heavy = universe.select_atoms("not name H*").indices  # bonds to hydrogen are rigid
        moved = []
        for restraint in (0.0, 1e5):
            before = universe.trajectory[0].positions.copy()
            after = Relax(universe.atoms, restraint=restraint)(universe.trajectory[0].copy())
            moved.append(np.abs(after.positions - before)[heavy].max())
        assert moved[1] < moved[0] / 2

    def test_own_system_and_other_atoms_left_alone(self, universe):
        first = universe.atoms[:3]
        system = openmm.System()
        bond = openmm.HarmonicBondForce()
        for _ in range(3):
            system.addParticle(12.0)
        bond.addBond(0, 1, 0.2, 1e5)
        system.addForce(bond)
        before = universe.trajectory[0].positions.copy()
        after = Relax(first, system, restraint=0.0)(universe.trajectory[0]).positions
        assert calc_bonds(after[0], after[1]) == pytest.approx(2.0, abs=0.01)
        np.testing.assert_array_equal(after[3:], before[3:])

    def test_system_of_other_atoms(self, universe):
        with pytest.raises(MDGenError, match=r"the System has 0 particles, the selection \d+ atoms"):
            Relax(universe.atoms, openmm.System())

    def test_frame_with_nan(self, universe):
        ts = universe.trajectory[0]
        relax = Relax(universe.atoms)
        ts.positions[2] = np.nan
        with pytest.raises(MDGenError, match="NaN or infinite positions cannot be relaxed"):
            relax(ts)

    def test_bad_settings(self, universe):
        with pytest.raises(MDGenError, match=r"platform 'Abacus' is not present; choose one of .*Reference"):
            Relax(universe.atoms, platform="Abacus")
        with pytest.raises(MDGenError, match="max_iterations 0 is below 1"):
            Relax(universe.atoms, max_iterations=0)

    def test_no_complete_peptide(self, path):
        with pytest.raises(MDGenError, match="misses its"):
            Relax(mda.Universe(str(path)).select_atoms("not name CB"))


class TestPlaceHydrogens:
    def test_reference_comes_back_from_its_heavy_atoms(self, path, reference):
        universe = mda.Universe(str(path))
        place = PlaceHydrogens(universe.atoms)
        hydrogens = universe.select_atoms("name H* or name 1H*").indices
        universe.trajectory.ts.positions[hydrogens] = 0
        turn = _rotation(np.random.default_rng(3))
        universe.trajectory.ts.positions = universe.trajectory.ts.positions @ turn
        np.testing.assert_allclose(place(universe.trajectory.ts).positions, reference @ turn, atol=2e-5)
        assert len(hydrogens) > 5

    def test_missing_hydrogens_get_their_bond_lengths_and_heavy_atoms_stay(self, universe, reference):
        place = PlaceHydrogens(universe.atoms, reference)
        hydrogens = place._placer.atoms
        parents = place._placer._frames[:, 0]
        heavy = np.setdiff1d(np.arange(len(reference)), hydrogens)
        for ts in universe.trajectory:
            before = ts.positions.copy()
            ts.positions[hydrogens] = np.nan
            place(ts)
            np.testing.assert_array_equal(ts.positions[heavy], before[heavy])
            np.testing.assert_allclose(
                calc_bonds(ts.positions[hydrogens], ts.positions[parents]),
                calc_bonds(reference[hydrogens], reference[parents]),
                atol=1e-4,
            )
            assert np.linalg.norm(ts.positions[hydrogens] - before[hydrogens], axis=-1).max() < 0.6

    def test_selection_without_hydrogens(self, path):
        with pytest.raises(MDGenError, match="the selection has 0 hydrogens"):
            PlaceHydrogens(mda.Universe(str(path)).select_atoms("not name H*"))

    def test_reference_of_another_shape(self, universe):
        with pytest.raises(MDGenError, match=r"reference of shape \(2, 3\) must hold \d+ finite positions"):
            PlaceHydrogens(universe.atoms, np.zeros((2, 3)))


class TestRegenerateSidechains:
    def test_frame_equal_to_the_reference_stays(self, path, reference):
        universe = mda.Universe(str(path))
        found = RegenerateSidechains(universe.atoms)(universe.trajectory.ts).positions
        np.testing.assert_allclose(found, reference, atol=1e-3)

    def test_backbone_stays_and_torsions_stay(self, data):
        universe = noisy(data / "QGRE.pdb")
        reference = mda.Universe(str(data / "QGRE.pdb")).atoms.positions
        rebuild = RegenerateSidechains(universe.atoms, reference)
        backbone = universe.select_atoms("backbone or name OXT").indices
        chi = [residue.chi1_selection().indices for residue in universe.residues if residue.chi1_selection()]
        assert len(chi) == 3
        ts = universe.trajectory[2]
        before = ts.positions.copy()
        shrunk = universe.select_atoms("not (backbone or name CB OXT H)").indices
        ts.positions[shrunk] = before[shrunk].mean(0) + 0.8 * (before[shrunk] - before[shrunk].mean(0))
        chi_before = [calc_dihedrals(*ts.positions[quad]) for quad in chi]
        rebuild(ts)
        np.testing.assert_array_equal(ts.positions[backbone], before[backbone])
        np.testing.assert_allclose([calc_dihedrals(*ts.positions[quad]) for quad in chi], chi_before, atol=1e-4)
        pairs = [
            (residue.atoms.select_atoms("name CB").indices[0], residue.atoms.select_atoms("name CG").indices[0])
            for residue in universe.residues
            if residue.resname in ("GLN", "ARG", "GLU")
        ]
        for first, second in pairs:
            assert calc_bonds(ts.positions[first], ts.positions[second]) == pytest.approx(
                calc_bonds(reference[first], reference[second]), abs=1e-3
            )

    def test_chi_on_request(self, data):
        universe = noisy(data / "QGRE.pdb")
        ts = RegenerateSidechains(universe.atoms, chi={(2, 1): -60.0})(universe.trajectory[1])
        quad = universe.residues[2].chi1_selection().indices
        assert np.rad2deg(calc_dihedrals(*ts.positions[quad])) == pytest.approx(-60, abs=0.05)

    @pytest.mark.parametrize("slot", [(1, 1), (0, 4), (0, 5), (9, 1)])
    def test_chi_that_does_not_exist(self, data, slot):
        universe = mda.Universe(str(data / "QGRE.pdb"))
        with pytest.raises(MDGenError, match=f"chi{slot[1]} of residue {slot[0]} .* does not exist"):
            RegenerateSidechains(universe.atoms, chi={slot: 0.0})


@pytest.mark.parametrize("transformation", [Relax, PlaceHydrogens, RegenerateSidechains])
class TestAll:
    def test_pickled_copy_does_the_same(self, universe, transformation):
        one = transformation(universe.atoms)
        one(universe.trajectory[0].copy())
        other = pickle.loads(pickle.dumps(one))
        np.testing.assert_array_equal(
            one(universe.trajectory[1].copy()).positions, other(universe.trajectory[1].copy()).positions
        )

    def test_composes_with_mdanalysis(self, path, transformation, tmp_path):
        universe, target = noisy(path), mda.Universe(str(path))
        with mda.Writer(str(tmp_path / "a.dcd"), universe.atoms.n_atoms) as writer:
            for _ in universe.trajectory:
                writer.write(universe.atoms)
        moving = mda.Universe(str(path), str(tmp_path / "a.dcd"))
        moving.trajectory.add_transformations(
            translate([1, 2, 3]),
            transformation(target.atoms),
            fit_rot_trans(moving.atoms, target.atoms),
        )
        serial = RMSD(moving, target).run().results.rmsd
        assert serial[:, 2].max() < 1.0
        parallel = RMSD(moving, target).run(backend="multiprocessing", n_workers=2).results.rmsd
        np.testing.assert_array_equal(parallel, serial)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_does_not_wait_for_the_threads_of_a_forgotten_context(path):
    """A Context in a circle of references is collected some time later: not in a child, which lacks its threads."""
    universe = noisy(path)
    relax = Relax(universe.atoms)
    relax(universe.trajectory[0])
    gc.disable()
    try:
        circle = [relax]
        circle.append(circle)
        del relax, circle, universe
        child = multiprocessing.get_context("fork").Process(target=gc.collect)
        child.start()
        child.join(600)
        code = child.exitcode
        child.kill()
    finally:
        gc.enable()
    assert code == 0

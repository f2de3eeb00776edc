"""Structure checks, superposition and chains on coordinates with known answers; energies; recovery."""

from dataclasses import replace
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation import chains, structure
from openmm_mdgen.evaluation.energies import Energies, energies, overlaps
from openmm_mdgen.evaluation.sequences import sequence_recovery
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles
from tests.helpers.evaluate_toys import heavy_universe, toy_frames, turned


@pytest.fixture(scope="module")
def qgre(data):
    universe = heavy_universe(data / "QGRE.pdb")
    return topology_of(universe.atoms), universe.atoms.positions.astype(float)


def index(topology, residue, name):
    return next(
        i for i, (r, n) in enumerate(zip(topology.residues, topology.names, strict=True)) if (r, n) == (residue, name)
    )


def test_topology_of_a_tetrapeptide(qgre):
    topology, _ = qgre
    assert topology.n_atoms == 34
    assert len(topology.bonds) == 33  # no ring
    assert len(topology.peptide_bonds) == 3
    assert len(topology.chiral) == 3  # glycine has none


def test_sound_structure_passes_every_check(qgre):
    topology, xyz = qgre
    checks = structure.check_structure(xyz, topology)
    assert checks.shares() == {"clash": 0, "broken_bond": 0, "wrong_chirality": 0, "bent_plane": 0}
    assert checks.cn_lengths == pytest.approx(1.33, abs=0.03)
    assert np.rad2deg(checks.ca_c_n) == pytest.approx(117, abs=5)


def test_mirror_image_has_every_residue_wrong_and_nothing_else(qgre):
    topology, xyz = qgre
    assert (structure.chirality(xyz, topology.chiral) > 0).all()
    checks = structure.check_structure(xyz * [-1, 1, 1], topology)
    assert checks.shares() == {"clash": 0, "broken_bond": 0, "wrong_chirality": 1, "bent_plane": 0}


def test_stretched_bond_is_broken_beyond_the_tolerance(qgre):
    topology, xyz = qgre
    oxt, c = index(topology, 3, "OXT"), index(topology, 3, "C")
    unit = (xyz[oxt] - xyz[c]) / np.linalg.norm(xyz[oxt] - xyz[c])
    frames = np.repeat(xyz[None], 3, axis=0)
    for frame, stretch in zip(frames, (0.15, 0.25, -0.25), strict=True):
        frame[oxt] += stretch * unit
    assert structure.check_structure(frames, topology).broken_bond.tolist() == [False, True, True]


@pytest.mark.parametrize("atoms_per_residue", ["dense", "tree"])
def test_clash_of_residues_that_are_not_neighbours(qgre, monkeypatch, atoms_per_residue):
    topology, xyz = qgre
    if atoms_per_residue == "tree":
        monkeypatch.setattr(structure, "_DENSE_ATOMS", 0)
    oxt = index(topology, 3, "OXT")
    frames = np.repeat(xyz[None], 3, axis=0)
    frames[1, oxt] = xyz[index(topology, 0, "O")] + [1.9, 0, 0]  # residues 1 and 4
    frames[2, oxt] = xyz[index(topology, 2, "O")] + [0.5, 0, 0]  # residues 3 and 4: neighbours
    checks = structure.check_structure(frames, topology)
    assert checks.clash.tolist()[:2] == [False, True]
    assert checks.smallest_distance[1] <= np.float32(1.9)
    i, j = structure.nonbonded_pairs(topology).T
    assert (np.abs(topology.residues[i] - topology.residues[j]) > 1).all()
    expected = np.linalg.norm(frames[:, i] - frames[:, j], axis=-1).min(1)
    assert checks.smallest_distance == pytest.approx(expected, abs=1e-5)


def test_dipeptides_cannot_clash(qgre):
    topology, xyz = qgre
    few = topology.residues < 2
    universe = mda.Universe.empty(few.sum(), n_residues=2, atom_resindex=topology.residues[few], trajectory=True)
    universe.add_TopologyAttr("names", np.array(topology.names)[few])
    universe.add_TopologyAttr("resnames", list(topology.sequence[:2]))
    universe.atoms.positions = xyz[few]
    checks = structure.check_structure(xyz[few], topology_of(universe.atoms))
    assert not checks.clash.any()
    assert np.isinf(checks.smallest_distance).all()


@pytest.mark.parametrize(("twist", "bent"), [(0, False), (30, False), (50, True), (180, False)])
def test_twisted_peptide_plane(qgre, twist, bent):
    topology, xyz = qgre
    checks = structure.check_structure(xyz[None], topology)
    quad = tuple(topology.peptide_bonds[1])
    trans = np.pi - checks.omega[0, 1]
    frame = turned(xyz[None], topology, quad, np.array([trans + np.deg2rad(twist)]))
    assert structure.check_structure(frame, replace(topology)).bent_plane.tolist() == [bent]


def test_toy_torsions_turn_by_what_they_are_told(qgre):
    topology, xyz = qgre
    torsion = topology.torsions[3]
    frames = turned(np.repeat(xyz[None], 2, axis=0), topology, torsion.atoms, np.array([0.0, 0.5]))
    angles = torsion_angles(frames, topology.torsions)
    change = np.angle(np.exp(1j * (angles[1] - angles[0]).astype(float)))
    assert change[3] == pytest.approx(0.5, abs=1e-5)
    assert np.delete(change, 3) == pytest.approx(0, abs=1e-5)


def test_rigid_motion_changes_nothing(qgre, data):
    topology, _ = qgre
    frames = toy_frames(data / "QGRE.pdb", 20, seed=0)
    turns = Rotation.from_quat(np.random.default_rng(0).normal(size=(20, 4))).as_matrix()
    moved = np.einsum("fij,fnj->fni", turns, frames) + np.random.default_rng(1).normal(0, 9, (20, 1, 3))
    a, b = structure.check_structure(frames, topology), structure.check_structure(moved, topology)
    for name in ("smallest_distance", "radius_of_gyration", "cn_lengths", "ca_c_n", "c_n_ca"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-4)
    assert torsion_angles(moved, topology.torsions) == pytest.approx(
        torsion_angles(frames, topology.torsions), abs=1e-4
    )


def test_rigid_rotations_have_no_rmsd():
    rng = np.random.default_rng(2)
    shape = rng.normal(0, 5, (12, 3))
    frames = np.einsum("fij,nj->fni", Rotation.from_quat(rng.normal(size=(50, 4))).as_matrix(), shape) + rng.normal(
        0, 20, (50, 1, 3)
    )
    scores = chains.score_chains(frames[:25], frames[25:])
    assert scores.rmsf_reference == pytest.approx(0, abs=1e-6)
    assert scores.pairwise_rmsd_generated == pytest.approx(0, abs=1e-6)
    assert scores.w2_reference_pca == pytest.approx(0, abs=1e-6)
    assert np.isnan(scores.rmsf_r)


def test_superposition_does_not_mirror():
    shape = np.random.default_rng(3).normal(0, 3, (8, 3))
    mirrored = chains.superposed(shape[None] * [1, 1, -1], shape)
    assert np.sqrt(((mirrored - (shape - shape.mean(0))) ** 2).sum(-1).mean()) > 0.5


def test_rmsf_of_gaussian_noise_and_its_profile():
    """Isotropic noise of sigma_i: RMSF_i = sqrt(3) sigma_i, less what superposition takes out of a long chain."""
    rng = np.random.default_rng(4)
    shape, sigma = rng.normal(0, 30, (80, 3)), np.linspace(0.5, 1.0, 80)
    a, b = (shape + rng.normal(size=(1500, 80, 3)) * sigma[:, None] for _ in range(2))
    scores = chains.score_chains(a, b)
    assert scores.rmsf_reference == pytest.approx(np.sqrt(3) * sigma, rel=0.06)
    assert scores.rmsf_r > 0.99
    assert scores.pairwise_rmsd_reference == pytest.approx(np.sqrt(6 * (sigma**2).mean()), rel=0.04)
    assert scores.w2_reference_pca < 1.5 * scores.w2_halves


def test_wasserstein_distance_of_shifted_and_scaled_samples():
    rng = np.random.default_rng(5)
    a = rng.normal(size=(300, 2))
    assert chains.wasserstein_2(a, a[::-1] + np.array([3.0, 4.0])) == pytest.approx(5.0)
    line = np.linspace(-1, 1, 200)[:, None]
    assert chains.wasserstein_2(line, 3 * line) == pytest.approx(2 * np.sqrt((line**2).mean()))


def test_energies_agree_with_openmm_and_need_hydrogens(data: Path):
    from openmm import Context, NonbondedForce, PeriodicTorsionForce, Platform, VerletIntegrator, app

    pdb = app.PDBFile(str(data / "QGRE.pdb"))
    system = app.ForceField("amber14-all.xml", "implicit/obc2.xml").createSystem(pdb.topology)
    for force in system.getForces():
        solvent = force.getName() == "CustomGBForce"
        force.setForceGroup(
            1 if isinstance(force, NonbondedForce) or solvent else 2 if isinstance(force, PeriodicTorsionForce) else 3
        )
    context = Context(system, VerletIntegrator(0.001), Platform.getPlatformByName("Reference"))
    context.setPositions(pdb.positions)
    expected = [context.getState(getEnergy=True, groups={g}).getPotentialEnergy()._value for g in (1, 2)]
    found = energies([mda.Universe(str(data / "QGRE.pdb")).atoms])
    assert [found.nonbonded[0], found.torsional[0]] == pytest.approx(expected, abs=0.5)
    whole = context.getState(getEnergy=True).getPotentialEnergy()._value
    assert found.total[0] == pytest.approx(whole, abs=0.5) and found.bonds[0] > 0 and found.angles[0] > 0
    with pytest.raises(MDGenError, match="0 hydrogens in the trajectory"):
        energies([heavy_universe(data / "QGRE.pdb").atoms])


def test_overlap_of_energies():
    x = np.arange(1000.0)
    pair = [Energies(k * x, x, x, x) for k in (1.0, 2.0)]
    same, wider = overlaps(pair[0], pair[0])["nonbonded"], overlaps(*pair)["nonbonded"]
    assert same.inside == pytest.approx(0.98, abs=0.002) and same.shift == 0 and same.spread == 1
    assert wider.above == pytest.approx(0.5, abs=0.01) and wider.spread == pytest.approx(2)
    assert wider.shift == pytest.approx(500, abs=1)
    assert overlaps(*pair)["bonds"].inside == pytest.approx(0.98, abs=0.002)


def test_foreign_residues_and_other_names():
    universe = mda.Universe.empty(3, n_residues=2, atom_resindex=[0, 0, 1], trajectory=True)
    universe.add_TopologyAttr("names", ["CA", "HA", "OW"])
    universe.add_TopologyAttr("resnames", ["GLY", "HOH"])
    with pytest.raises(MDGenError, match=r"1 residues are not amino acids \(HOH\).*select='protein'"):
        heavy_atoms(universe.atoms)
    assert heavy_atoms(universe.select_atoms("resname GLY")).names.tolist() == ["CA"]


def test_sequence_recovery():
    found = sequence_recovery(["AGGA", "AGVA", "AKGA"], "AGVA", residues=[1, 2])
    assert found.overall == pytest.approx((2 + 1) / 6)
    assert found.per_position == pytest.approx([2 / 3, 1 / 3])
    assert found.chance == pytest.approx((4 / 6 + 1 / 6) / 2)
    with pytest.raises(MDGenError, match="'AG' does not fit 'AGVA'; give 4 letters"):
        sequence_recovery(["AG"], "AGVA")
    with pytest.raises(MDGenError, match="0 designed sequences"):
        sequence_recovery([], "AGVA")

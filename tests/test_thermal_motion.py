"""Side chains, carbonyls and hydrogens that move: torsions stay, bonded energies are thermal, overlaps go."""

from functools import cache

import numpy as np
import openmm as mm
import pytest
import torch
from openmm import app, unit

import openmm_mdgen
from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.geometry.bonded import share_at_rest
from openmm_mdgen.geometry.heavy_motion import HeavyMotion
from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.geometry.thermal_motion import ThermalMotion
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.hydrogens import skeleton_of

KELVIN = 350.0
HALF_KT = 8.314462618e-3 * KELVIN / 2
SEQUENCES = ["WHFCRD", "DNQILS", "TKPEVMY"]
"""All residue types with side chains."""


@cache
def built(sequence: str) -> Structure:
    return load_structure(build_peptide(sequence))


@pytest.fixture(params=["QGRE.pdb", "ACE-A-NME.pdb", *SEQUENCES])
def case(request, data):
    structure = load_structure(data / request.param) if request.param.endswith(".pdb") else built(request.param)
    peptide = Peptide.from_structure(structure)
    internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
    return (
        structure,
        peptide,
        internal,
        ThermalMotion(skeleton_of(peptide, internal.bonds), structure.positions, KELVIN),
    )


def same(structure, number: int) -> np.ndarray:
    return np.repeat(structure.positions[None].astype(float), number, 0)


def test_all_that_a_model_generates_stays(case):
    structure, _, internal, motion = case
    moved = motion.moved(same(structure, 20), seed=1)
    before, after = (internal.encode(torch.as_tensor(x)) for x in (same(structure, 20), moved))
    assert torch.exp(1j * before).sub(torch.exp(1j * after)).abs().max() < 1e-9  # radians, and Å as if they were
    np.testing.assert_array_equal(moved[:, internal.backbone], same(structure, 20)[:, internal.backbone])


def test_bonds_of_side_chains_spread_and_those_to_hydrogen_do_not(case):
    structure, peptide, _, motion = case
    moved = motion.moved(same(structure, 50), seed=1)
    for hydrogen, parent in peptide.hydrogens.items():
        length = np.linalg.norm(moved[:, hydrogen] - moved[:, parent], axis=-1)
        np.testing.assert_allclose(length, length[0], rtol=1e-9)
    oxygens = [(atom, peptide.heavy[r, "C"]) for (r, name), atom in peptide.heavy.items() if name == "O"]
    for oxygen, carbon in oxygens:
        length = np.linalg.norm(moved[:, oxygen] - moved[:, carbon], axis=-1)
        assert 0.01 < length.std() < 0.05


def test_a_pure_function_of_frames_and_seed_in_any_order_of_atoms(case):
    structure, peptide, _, motion = case
    frames = same(structure, 5)
    np.testing.assert_array_equal(motion.moved(frames, 3), motion.moved(frames, 3))
    assert not np.array_equal(motion.moved(frames, 3), motion.moved(frames, 4))
    order = np.random.default_rng(0).permutation(peptide.n_atoms)
    shuffled = structure.take(order)
    other = Peptide.from_structure(shuffled)
    internal = InternalCoordinates(other.residue_types, other.heavy, other.hydrogens, other.n_atoms)
    twin = ThermalMotion(skeleton_of(other, internal.bonds), shuffled.positions, KELVIN)
    np.testing.assert_allclose(twin.moved(same(shuffled, 5), 3), motion.moved(frames, 3)[:, order], atol=1e-4)


def test_turns_with_the_molecule(case):
    structure, _, _, motion = case
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    frames = same(structure, 4)
    np.testing.assert_allclose(motion.moved(frames @ turn, 2), motion.moved(frames, 2) @ turn, atol=1e-6)


@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize("term, kinds", [("bonds", (0,)), ("angles", (1, 2))])
def test_bonded_energies_gain_half_kt_for_each_degree_of_freedom(sequence, term, kinds):
    """Each length, and each angle or plane, of the side chains; impropers and turns count as planes."""
    everything = built(sequence)
    peptide = Peptide.from_structure(everything)
    motion = HeavyMotion(skeleton_of(peptide, ()), everything.positions, KELVIN)
    system = app.ForceField("amber14-all.xml").createSystem(structure_to_topology(everything))
    forces = {"bonds": (mm.HarmonicBondForce,), "angles": (mm.HarmonicAngleForce, mm.PeriodicTorsionForce)}[term]
    for force in system.getForces():
        force.setForceGroup(1 if isinstance(force, forces) else 0)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))

    def energy(positions: np.ndarray) -> float:
        context.setPositions(positions / 10)
        return context.getState(energy=True, groups={1}).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)

    gained = np.mean([energy(x) for x in motion.moved(same(everything, 100), 5)]) - energy(everything.positions)
    free = sum(int(np.isin(rows % 3, kinds).sum()) for rows, _ in motion._draws)
    assert gained == pytest.approx(free * HALF_KT, rel=0.2)


def test_frames_that_overlap_choose_among_draws(data):
    """Oxygens that face each other: drawn apart, where the first draw does not see them."""
    structure = load_structure(data / "QGRE.pdb")
    peptide = Peptide.from_structure(structure)
    internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
    motion = ThermalMotion(skeleton_of(peptide, internal.bonds), structure.positions, KELVIN)
    turned = internal.encode(torch.as_tensor(same(structure, 400)))
    turned[..., :7] += 0.4 * torch.randn(turned[..., :7].shape, generator=torch.Generator().manual_seed(1)).double()
    frames = internal.decode(turned, internal.geometry(torch.as_tensor(structure.positions).double())).numpy()
    first = motion._drawn(frames, [400], [7], 0)
    bad = motion._contacts.overlapping(first)[0]
    assert 20 < len(bad) < 400
    moved = motion.moved(frames, 7)
    good = np.setdiff1d(np.arange(400), bad)
    np.testing.assert_array_equal(moved[good], first[good])
    assert len(motion._contacts.overlapping(moved)[0]) < 0.8 * len(bad)
    blocks = frames.reshape(4, 100, -1, 3)
    for block, seed, found in zip(blocks, [7, 8, 9, 7], motion.blocks_moved(blocks, [7, 8, 9, 7]), strict=True):
        np.testing.assert_allclose(found, motion.moved(block, seed), atol=1e-9)


def test_a_snapshot_of_dynamics_is_not_shaken_twice(data):
    structure = load_structure(data / "QGRE.pdb")
    peptide = Peptide.from_structure(structure)
    internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
    snapshot = ThermalMotion(skeleton_of(peptide, internal.bonds), structure.positions, 300.0).moved(
        same(structure, 1), 1
    )[0]
    assert share_at_rest(skeleton_of(peptide, internal.bonds), structure.positions) == 1.0
    assert share_at_rest(skeleton_of(peptide, internal.bonds), snapshot) < 0.4


def test_a_peptide_without_hydrogens(data):
    structure = load_structure(data / "QGRE.pdb")
    structure = structure.take(np.array(sorted(Peptide.from_structure(structure).heavy.values())))
    peptide = Peptide.from_structure(structure)
    internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
    motion = ThermalMotion(skeleton_of(peptide, internal.bonds), structure.positions, KELVIN)
    assert np.isfinite(motion.moved(same(structure, 3), 1)).all()


def test_simulate_moves_what_the_model_holds_fixed_and_nothing_else(data):
    settings = {"time": 70 * 10.0, "model": data / "tiny.safetensors", "seed": 3}
    moving, quiet = (
        openmm_mdgen.simulate(data / "ACE-A-NME.pdb", hydrogens=kind, **settings) for kind in ("thermal", "quiet")
    )
    backbone = quiet.select_atoms("name N CA C CH3").indices
    one, other = moving.trajectory[0].positions.copy(), quiet.trajectory[0].positions.copy()
    between = [np.linalg.norm(x[backbone][:, None] - x[backbone], axis=-1) for x in (one, other)]
    np.testing.assert_allclose(*between, atol=1e-5)
    assert np.linalg.norm(one - other, axis=-1).mean() > 0.05
    first, second = (np.array([a.dihedral.value() for a in phi_psi(u)]) for u in (moving, quiet))
    np.testing.assert_allclose(first, second, atol=0.01)  # in the second block: tokens of its start are the same
    last = moving.trajectory[69].positions.copy()
    moving.trajectory[0]
    np.testing.assert_array_equal(moving.trajectory[69].positions, last)


def phi_psi(universe):
    """phi and psi at the last frame."""
    universe.trajectory[69]
    residue = universe.residues[1]
    return residue.phi_selection(), residue.psi_selection()

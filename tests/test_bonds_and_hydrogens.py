"""What moves by default: bond lengths and hydrogens; torsions stay, hydrogens that touch choose, parts are as alone."""

from functools import cache

import numpy as np
import openmm as mm
import pytest
import torch
from openmm import app, unit

from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.geometry.bond_motion import BondMotion
from openmm_mdgen.geometry.bonds_and_hydrogens import BondsAndHydrogens
from openmm_mdgen.geometry.heavy_motion import HeavyMotion
from openmm_mdgen.geometry.hydrogen_choice import HydrogenChoice
from openmm_mdgen.geometry.hydrogen_motion import HydrogenMotion
from openmm_mdgen.geometry.hydrogen_rest import HydrogenRest
from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.geometry.pair_energies import charges
from openmm_mdgen.geometry.thermal_motion import ThermalMotion
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.clashes import ClashRepair
from openmm_mdgen.tasks.hydrogens import motion_of, skeleton_of

KELVIN = 350.0
HALF_KT = 8.314462618e-3 * KELVIN / 2
SEQUENCES = ["WHFCRD", "DNQILS", "TKPEVMY"]
"""All residue types with side chains."""


@cache
def built(sequence: str) -> Structure:
    return load_structure(build_peptide(sequence))


class Case:
    """A structure, what it is made of, and frames of it with other torsions, some of which overlap."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.peptide = p = Peptide.from_structure(structure)
        self.internal = InternalCoordinates(p.residue_types, p.heavy, p.hydrogens, p.n_atoms)
        self.skeleton = skeleton_of(p, self.internal.bonds)
        motion = motion_of("moving", p, self.internal.bonds, structure.positions, KELVIN)
        assert isinstance(motion, BondsAndHydrogens)
        self.motion = motion

    def same(self, number: int) -> np.ndarray:
        return np.repeat(self.structure.positions[None].astype(float), number, 0)

    def turned(self, number: int, size: float = 0.4) -> np.ndarray:
        values = self.internal.encode(torch.as_tensor(self.same(number)))
        noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(1)).double()
        values[..., :7] += size * noise[..., :7]
        values[..., 10:] += 0.05 * noise[..., 10:]
        return self.internal.decode(values, self.internal.geometry(torch.as_tensor(self.same(1)[0]))).numpy()

    def bonds(self, temperature: float) -> BondMotion:
        return BondMotion(self.skeleton, self.structure.positions, temperature)

    def hydrogens(self, temperature: float = KELVIN) -> HydrogenMotion:
        return HydrogenMotion(self.skeleton, self.structure.positions, temperature)

    def choice(self, motion: HydrogenMotion) -> HydrogenChoice:
        return HydrogenChoice(motion, self.skeleton, KELVIN)

    def energies(self, frames: np.ndarray, kinds: tuple[type, ...]) -> np.ndarray:
        """kJ/mol (F,) of forces of these kinds, ff14SB in vacuum."""
        system = app.ForceField("amber14-all.xml").createSystem(structure_to_topology(self.structure))
        for force in system.getForces():
            force.setForceGroup(1 if isinstance(force, kinds) else 0)
        context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
        out = []
        for frame in frames:
            context.setPositions(frame / 10)
            state = context.getState(getEnergy=True, groups={1})
            out.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
        return np.array(out)


@pytest.fixture(params=["QGRE.pdb", "ACE-A-NME.pdb", *SEQUENCES])
def case(request, data):
    return Case(load_structure(data / request.param) if request.param.endswith(".pdb") else built(request.param))


def test_all_that_a_model_generates_stays(case):
    before, after = case.turned(20), case.motion.moved(case.turned(20), seed=1)
    values = [case.internal.encode(torch.as_tensor(x)) for x in (before, after)]
    assert torch.exp(1j * values[0]).sub(torch.exp(1j * values[1])).abs().max() < 1e-9
    np.testing.assert_array_equal(before[:, case.internal.backbone], after[:, case.internal.backbone])


def test_bonds_to_hydrogen_keep_their_lengths(case):
    moved = case.motion.moved(case.same(20), seed=1)
    for hydrogen, parent in case.peptide.hydrogens.items():
        length = np.linalg.norm(moved[:, hydrogen] - moved[:, parent], axis=-1)
        np.testing.assert_allclose(length, length[0], rtol=1e-9)


def test_a_pure_function_of_frames_and_seed_in_any_order_of_atoms(case):
    frames = case.turned(8)
    np.testing.assert_array_equal(case.motion.moved(frames, 3), case.motion.moved(frames, 3))
    assert not np.array_equal(case.motion.moved(frames, 3), case.motion.moved(frames, 4))
    order = np.random.default_rng(0).permutation(case.peptide.n_atoms)
    twin = Case(case.structure.take(order))
    np.testing.assert_allclose(
        twin.motion.moved(frames[:, order], 3), case.motion.moved(frames, 3)[:, order], atol=1e-4
    )


def test_blocks_are_to_the_last_bit_what_each_is_alone(case):
    blocks = case.turned(7 * 21).reshape(7, 21, -1, 3)
    seeds = [5, 1, 6, 5, 9, 12, 1]
    for block, seed, found in zip(blocks, seeds, case.motion.blocks_moved(blocks, seeds), strict=True):
        np.testing.assert_array_equal(found, case.motion.moved(block, seed))


def test_turns_with_the_molecule(case):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    frames = case.turned(4)
    np.testing.assert_allclose(case.motion.moved(frames @ turn, 2), case.motion.moved(frames, 2) @ turn, atol=1e-6)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_every_drawn_bond_gains_half_kt(sequence):
    """Those of side chains, rings included but proline's, of carbonyls and of the carboxylate."""
    case = Case(built(sequence))
    p = case.peptide
    motion = HeavyMotion(case.skeleton, case.structure.positions, KELVIN)
    moved = case.bonds(KELVIN).parts_moved(case.same(150), [150], [5])
    kinds = (mm.HarmonicBondForce,)
    gained = case.energies(moved, kinds).mean() - case.energies(case.same(1), kinds)[0]
    in_tree = sum(int((rows % 3 == 0).sum()) for rows, _ in motion._draws)
    closures = sum({"PHE": 1, "TYR": 1, "HIS": 1, "TRP": 2}.get(kind, 0) for kind in p.residue_types)
    assert gained == pytest.approx((in_tree + closures) * HALF_KT, rel=0.2)


def test_heavy_atoms_come_no_nearer_than_generation_keeps_them(case):
    frames = case.turned(400)
    heavy = sorted(case.peptide.heavy.values())
    bare = Case(case.structure.take(np.array(heavy)))
    room = ClashRepair(bare.internal, lambda x: x).room
    before = room(torch.as_tensor(frames[:, heavy])) >= 1
    after = room(torch.as_tensor(case.bonds(KELVIN).parts_moved(frames, [400], [5])[:, heavy])) >= 1
    assert after[before].all()


def test_hydrogens_are_led_to_where_angles_are_least_strained(case):
    kinds = (mm.HarmonicAngleForce,)
    frames = case.turned(20, size=0.0)
    rest = HydrogenRest(case.skeleton, case.structure.positions, set(case.skeleton.rank))
    before, after = case.energies(frames, kinds), case.energies(rest.led(frames, [20]), kinds)
    assert after.mean() < 0.97 * before.mean()
    np.testing.assert_allclose(rest.led(case.same(2), [1, 1]), case.same(2), atol=1e-9)


def test_hydrogens_that_touch_choose_and_others_do_not(case):
    frames = case.turned(300)
    motion = case.hydrogens()
    first = motion.moved(frames, 7)
    chosen = case.choice(motion).chosen(frames, first, [300], [7])
    same = (chosen == first).all(-1)[:, motion.atoms]
    heavy = list(case.peptide.heavy.values())
    np.testing.assert_array_equal(chosen[:, heavy], frames[:, heavy])
    room = ClashRepair(case.internal, lambda x: x).room
    assert 0.4 < same.mean() < 1
    kinds = (mm.NonbondedForce,)
    before, after = case.energies(first, kinds), case.energies(chosen, kinds)
    assert (after < before)[~same.all(1)].mean() > 0.6
    if (room(torch.as_tensor(first)) < 1).sum() > 10:
        assert (room(torch.as_tensor(chosen)) < 1).sum() < (room(torch.as_tensor(first)) < 1).sum()


def test_hydroxyls_turn_to_all_their_wells():
    case = Case(built("DNQILS"))
    motion = case.hydrogens()
    (group,) = [k for k, atoms in enumerate(motion.groups) if motion.wells(k, 2)[0] != motion.wells(k, 2)[1]]
    oxygen = case.peptide.hydrogens[int(motion.groups[group][0])]
    assert case.skeleton.elements[oxygen] == "O"
    np.testing.assert_allclose(np.rad2deg(motion.wells(group, 4)), (120, 240, 360, 120))


def test_charges_go_by_elements_and_bonds():
    case = Case(built("DNQILS"))
    found = charges(case.skeleton)
    heavy = case.peptide.heavy
    assert found[heavy[0, "OD1"]] == found[heavy[0, "OD2"]] == found[heavy[5, "OXT"]] == -0.81
    assert found[heavy[1, "OD1"]] == found[heavy[2, "O"]] == -0.58
    assert found[heavy[5, "OG"]] == -0.65
    ammonium = [h for h, parent in case.peptide.hydrogens.items() if parent == heavy[0, "N"]]
    assert [found[h] for h in ammonium] == [0.33] * 3


def test_a_snapshot_of_dynamics_is_not_stretched_twice(data):
    case = Case(load_structure(data / "QGRE.pdb"))
    p = case.peptide
    snapshot = ThermalMotion(case.skeleton, case.structure.positions, 300.0).moved(case.same(1), 1)[0]
    about = motion_of("moving", p, case.internal.bonds, snapshot, KELVIN)
    assert about is not None
    lengths = [m.moved(x, 1) for m, x in ((about, np.repeat(snapshot[None], 60, 0)), (case.motion, case.same(60)))]
    a, b = p.heavy[0, "CB"], p.heavy[0, "CG"]
    spread = [np.linalg.norm(x[:, a] - x[:, b], axis=-1).std() for x in lengths]
    assert spread[0] < 0.8 * spread[1]


def test_a_peptide_without_hydrogens(data):
    structure = load_structure(data / "QGRE.pdb")
    structure = structure.take(np.array(sorted(Peptide.from_structure(structure).heavy.values())))
    case = Case(structure)
    moved = case.motion.moved(case.same(3), 1)
    assert np.isfinite(moved).all()
    assert np.abs(moved - case.same(3)).max() > 0.01

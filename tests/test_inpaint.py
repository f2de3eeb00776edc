"""Inpainting with a tiny untrained network: what is given stays, what is generated joins it, bad input."""

import functools

import MDAnalysis as mda
import numpy as np
import pytest
import torch

import openmm_mdgen
from openmm_mdgen.convert.structures import topology_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks import model
from openmm_mdgen.tasks.inpaint import Inpaint, free_residues, moved_atoms
from openmm_mdgen.trajectory.memory import frames_to_universe
from tests.helpers.tiny import (
    DATA,
    c_n_lengths,
    center_volumes,
    inpaint_task,
    internal,
    moving,
    moving_universe,
    random_motion,
    rearranged,
    simulate_task,
    structure,
)

inpaint = functools.partial(openmm_mdgen.inpaint, model=inpaint_task())


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    """Whatever this processor is fast at, so that tolerances are the same everywhere."""
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: False)


@pytest.fixture(scope="module")
def capped() -> Structure:
    """ACE-AGS-NME."""
    topology, positions = build_peptide("ACE-AGS-NME")
    return topology_to_structure(topology, positions / 10)


def bound(name: str = "ITVLHC", residues=(2, 3), **changes):
    return Inpaint.from_model(inpaint_task(), **changes).bind_residues(structure(name), residues)


def atoms_of(source: Structure, where: torch.Tensor) -> set[tuple[int, str]]:
    return {(int(source.residues[k]), source.names[k]) for k in where.nonzero().flatten().tolist()}


# what is given, what is generated --------------------------------------------------------------------------------


def test_which_atoms_are_generated():
    """All of the residue's, the oxygen before it, and the hydrogen on nitrogen after it."""
    source = structure("QGRE")
    peptide = Peptide.from_structure(source)
    moved = atoms_of(source, moved_atoms(peptide, free_residues(peptide, [1])))
    assert moved == {(1, n) for k, n in enumerate_names(source) if k == 1} | {(0, "O"), (2, "H")}
    at_end = atoms_of(source, moved_atoms(peptide, free_residues(peptide, [3])))
    assert at_end == {(3, n) for k, n in enumerate_names(source) if k == 3} | {(2, "O")}


def enumerate_names(source: Structure) -> list[tuple[int, str]]:
    return list(zip(source.residues.tolist(), source.names, strict=True))


def test_caps_go_with_their_neighbours(capped):
    peptide = Peptide.from_structure(capped)
    assert free_residues(peptide, [0]).tolist() == [True, True, False, False, False]
    assert free_residues(peptide, [1]).tolist() == [False, False, True, False, False]
    assert free_residues(peptide, [1, 2]).tolist() == [False, False, True, True, True]


CHOICES = [("QGRE", (1,)), ("QGRE", (0,)), ("QGRE", (3,)), ("QGRE", (0, 1, 2)), ("ITVLHC", (2, 3)), ("ITVLHC", (1, 4))]
CHOICES += [("ITVLHC", (0, 2, 5)), ("PSWYP", (1, 2)), ("PSWYP", (0, 4))]


@pytest.mark.parametrize(("name", "residues"), CHOICES, ids=str)
@pytest.mark.parametrize("shown", [True, False], ids=["identities shown", "hidden"])
def test_given_atoms_stay_and_the_rest_joins_them(name, residues, shown):
    """Wherever runs lie: given atoms exactly, junctions as bonds are, chirality kept, two samples different."""
    frames, sampler = moving(name, 12), bound(name, residues, show_identities=shown)
    found = sampler.sample(frames, [1, 2])
    kept = ~sampler.moved.numpy()
    assert found.shape == (2, *frames.shape) and np.isfinite(found).all()
    assert np.array_equal(found[:, :, kept], np.broadcast_to(frames[:, kept], found[:, :, kept].shape))
    assert np.abs(found[0] - found[1])[:, ~kept].max() > 0.3 and np.abs(found[0] - frames).max() > 0.3
    assert np.abs(c_n_lengths(found, structure(name)) - 1.335).max() < 0.2
    volumes = center_volumes(torch.from_numpy(found).flatten(0, 1), name, "CA", ("N", "C", "CB"), skip=("GLY",))
    assert (volumes > 0).all()  # a random network's runs are bent far before they close


@pytest.mark.parametrize(("name", "residues"), CHOICES[:1] + CHOICES[4:6], ids=str)
def test_every_bond_has_a_physical_length(name, residues):
    """Bonds of what is generated, C-N across the junctions and hydrogens included, as in the reference."""
    frames, source = moving(name, 12), structure(name)
    (found,) = bound(name, residues).sample(frames, [4])
    hydrogens = np.array(list(Peptide.from_structure(source).hydrogens.items()))
    bonds = np.concatenate([np.array(internal(name).bonds), hydrogens])
    lengths, expected = (
        np.linalg.norm(x[..., bonds[:, 0], :] - x[..., bonds[:, 1], :], axis=-1) for x in (found, source.positions)
    )
    assert np.abs(lengths - expected).max() < 0.25


def test_a_cap_is_generated_and_another_is_kept(capped):
    frames = np.repeat(capped.positions[None], 5, 0)
    sampler = Inpaint.from_model(inpaint_task()).bind_residues(capped, [0])
    (found,) = sampler.sample(frames, [1])
    moved = {(r, n) for r, n in atoms_of(capped, sampler.moved)}
    assert {(0, "CH3"), (0, "O"), (1, "CB"), (2, "H")} <= moved and not any(r == 4 for r, _ in moved)
    assert np.abs(c_n_lengths(found, capped) - 1.335).max() < 0.2
    assert np.array_equal(found[:, ~sampler.moved.numpy()], frames[:, ~sampler.moved.numpy()])


def test_only_the_given_part_of_the_input_is_used():
    """What the generated atoms do in the input does not matter, as long as the first frame gives their geometry."""
    frames, sampler = moving("ITVLHC", 10), bound()
    other = frames.copy()
    side = [k for k, name in enumerate(structure("ITVLHC").names) if name not in ("N", "CA", "C") and sampler.moved[k]]
    other[:, side] += np.random.default_rng(0).normal(0, 0.1, (10, len(side), 3))
    np.testing.assert_allclose(sampler.sample(other, [1]), sampler.sample(frames, [1]), atol=1e-6)


def test_identities_matter():
    frames = moving("ITVLHC", 10)
    shown, hidden = (bound(show_identities=t).sample(frames, [1]) for t in (True, False))
    assert np.abs(shown - hidden).max() > 0.1


def test_the_given_motion_matters():
    """With the same noise, generated torsions depend on what the given residues do."""
    one, two = (bound().sample(moving("ITVLHC", 10, seed), [1])[0] for seed in (0, 1))
    psi = [internal("ITVLHC").encode(torch.from_numpy(x))[:, 2, 2] for x in (one, two)]
    assert (psi[0] - psi[1]).abs().max() > 0.01


# windows, seeds --------------------------------------------------------------------------------------------------


def test_long_trajectories_are_chained(monkeypatch):
    """Windows of 64 frames that share one, which the later one is given in full."""
    calls, sample = [], model.PeptideModel.sample

    def listen(self, told, seeds, *rest):
        calls.append((told, list(seeds)))
        return sample(self, told, seeds, *rest)

    monkeypatch.setattr(model.PeptideModel, "sample", listen)
    frames = moving("ITVLHC", 130)
    found = bound().sample(frames, [1])
    assert found.shape == (1, 130, *frames.shape[1:]) and np.isfinite(found).all()
    assert [told.given.shape[1] for told, _ in calls] == [64, 64, 4]
    for number, (told, _) in enumerate(calls):
        assert bool(told.given[:, 0].all()) == (number > 0) and not told.given[:, 1:, 2:4].any()
        assert told.given[:, :, [0, 1, 4, 5]].all()
    assert len({seeds[0] for _, seeds in calls}) == 3
    assert (np.abs(np.diff(found[0], axis=0)).max((1, 2)) > 0).all()


def test_seeds():
    frames, sampler = moving("ITVLHC", 6), bound()
    together = sampler.sample(frames, [5, 6])
    assert np.array_equal(bound().sample(frames, [5, 6]), together)
    np.testing.assert_allclose(sampler.sample(frames, [6])[0], together[1], atol=2e-2)  # closure amplifies rounding


# motion, order ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("residues", [(1,), (3,)], ids=str)
@pytest.mark.parametrize(("precision", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-3)])
def test_moving_the_trajectory_moves_the_samples(precision, tolerance, residues):
    frames, (rotation, shift) = moving("QGRE", 12), random_motion(1)
    frames = (frames - frames.mean(1, keepdims=True)).astype(precision).astype(float)
    moved = (frames @ rotation + shift / 10).astype(precision).astype(float)
    sampler = bound("QGRE", residues)
    expected = sampler.sample(frames, [3]) @ rotation + shift / 10
    np.testing.assert_allclose(sampler.sample(moved, [3]), expected, atol=tolerance)


def test_each_frame_may_move_by_itself():
    """A trajectory and its superposed copy give the same molecule frame by frame."""
    frames, sampler = moving("QGRE", 5), bound("QGRE", (1,))
    motions = [random_motion(k) for k in range(5)]
    moved = np.stack([x @ r + s for x, (r, s) in zip(frames, motions, strict=True)])
    expected = np.stack([x @ r + s for x, (r, s) in zip(sampler.sample(frames, [1])[0], motions, strict=True)])
    np.testing.assert_allclose(sampler.sample(moved, [1])[0], expected, atol=1e-6)


def test_atoms_come_in_the_users_order():
    frames, order = moving("QGRE", 6), np.random.default_rng(0).permutation(66)
    other = Inpaint.from_model(inpaint_task()).bind_residues(rearranged(structure("QGRE"), order), [1])
    np.testing.assert_allclose(
        other.sample(frames[:, order], [1]), bound("QGRE", (1,)).sample(frames, [1])[:, :, order], atol=1e-6
    )


# the API ---------------------------------------------------------------------------------------------------------


def test_samples_are_universes_of_the_same_atoms_and_times():
    universe = moving_universe("ITVLHC", 9, first_time=35.0)
    universe.add_TopologyAttr("tempfactors", np.arange(universe.atoms.n_atoms))
    samples = inpaint(universe, [3, 4], n_samples=2)
    assert len(samples) == 2
    kept = ~bound().moved.numpy()
    for sample in samples:
        assert [ts.time for ts in sample.trajectory] == [35.0 + 10 * k for k in range(9)]
        assert sample.atoms.tempfactors.tolist() == universe.atoms.tempfactors.tolist()
        for ts, given in zip(sample.trajectory, universe.trajectory, strict=True):
            assert np.array_equal(ts.positions[kept], given.positions[kept])
    again, other = inpaint(universe, [4, 3, 4], n_samples=2), inpaint(universe, [3, 4], seed=1)
    assert np.array_equal(again[1].trajectory.timeseries(), samples[1].trajectory.timeseries())
    assert np.abs(other[0].trajectory.timeseries() - samples[0].trajectory.timeseries()).max() > 0.1


def test_the_frame_that_is_current_does_not_matter_and_stays():
    universe = moving_universe("QGRE")
    expected = inpaint(universe, [2])[0].trajectory.timeseries()
    universe.trajectory[5]
    assert np.array_equal(inpaint(universe, [2])[0].trajectory.timeseries(), expected)
    assert universe.trajectory.frame == 5


def test_residues_are_the_files_numbers():
    universe = moving_universe("QGRE")
    universe.residues.resids = [11, 12, 20, 21]
    expected = inpaint(moving_universe("QGRE"), [3])[0].trajectory.timeseries()
    assert np.array_equal(inpaint(universe, [20])[0].trajectory.timeseries(), expected)
    with pytest.raises(MDGenError, match=r"residue 3 is not an amino acid of QGRE; its residue numbers are 11, 12, 20"):
        inpaint(universe, [3])


def test_a_selection_of_a_larger_system():
    """Heavy atoms alone will do."""
    heavy = moving_universe("QGRE").select_atoms("not element H")
    (sample,) = inpaint(heavy, [2])
    assert sample.atoms.n_atoms == heavy.n_atoms and "H" not in sample.atoms.elements
    frames = sample.trajectory.timeseries(order="fac")
    assert np.isfinite(frames).all() and np.array_equal(
        frames[:, :1], heavy.universe.trajectory.timeseries(heavy, order="fac")[:, :1]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"residues": []}, r"none of the 4 residues of QGRE are to be generated and all given; inpainting needs"),
        ({"residues": [1, 2, 3, 4]}, r"all of the 4 residues of QGRE are to be generated and none given"),
        ({"residues": [2, 9]}, r"residue 9 is not an amino acid of QGRE; its residue numbers are 1, 2, 3, 4"),
        ({"residues": [2.5]}, r"residue 2.5 is not an amino acid"),
        ({"residues": 2}, r"residues 2 are no collection of residue numbers; give for example \[2, 3\]"),
        ({"residues": "2"}, r"residues '2' are no collection"),
        ({"n_samples": 0}, r"n_samples 0 must be a whole number of 1 or more"),
        ({"trajectory": "pep.pdb"}, r"a trajectory cannot be made of a str; give a Universe or AtomGroup"),
        ({"trajectory": mda.Universe(str(DATA / "QGRE.pdb"))}, r"a trajectory of 1 frame has no motion"),
        ({"trajectory": mda.Universe.empty(3)}, r"no coordinates"),
        ({"model": simulate_task()}, r"model 'tiny' has not learned to inpaint; choose one that has, or train with"),
        ({"model": DATA / "tiny-upsample.safetensors"}, r"model 'tiny-upsample' cannot inpaint"),
        ({"trajectory": frames_to_universe(structure("QGRE"), moving("QGRE"), 0.2)}, r"interval of 0.2 ps is outside"),
    ],
    ids=lambda x: x if isinstance(x, str) else str(list(x)),
)
def test_bad_input(arguments, message):
    with pytest.raises(MDGenError, match=message):
        inpaint(**({"trajectory": moving_universe("QGRE"), "residues": [2]} | arguments))


def test_one_residue_alone(capped):
    """Nothing is given where the only residue is generated, nor generated where it is given."""
    universe = moving_universe("ACE-A-NME")
    with pytest.raises(MDGenError, match=r"all of the 1 residues of A are to be generated and none given"):
        inpaint(universe, [2])
    with pytest.raises(MDGenError, match=r"residue 1 is not an amino acid of A; its residue numbers are 2"):
        inpaint(universe, [1])

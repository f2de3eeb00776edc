"""What surrounds a gap: contacts of key frames, and the key frames around it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import PEPTIDES, internal, positions, random_motion, rearranged, structure

from openmm_mdgen.gap_context import (
    N_AROUND,
    N_CONTACT,
    N_CONTEXT,
    REACHES,
    RECEIVERS,
    SOURCES,
    Contacts,
    around_gaps,
    gap_context,
    margin,
)
from openmm_mdgen.peptide import Peptide

SEEDS = st.integers(0, 2**32 - 1)


def contacts(name: str) -> Contacts:
    """Of a committed peptide."""
    return Contacts(Peptide.from_structure(structure(name)), internal(name).bonds)


def counted(name: str, frames: torch.Tensor) -> torch.Tensor:
    """(F, L, receivers, sources, reaches) numbers of atoms."""
    found = contacts(name).count(frames).expm1()
    return found.unflatten(-1, (len(RECEIVERS), len(SOURCES), len(REACHES)))


def far_apart(name: str) -> torch.Tensor:
    """Atoms of a peptide, 20 Å from each other."""
    n = len(structure(name).names)
    return torch.stack((20.0 * torch.arange(n), torch.zeros(n), torch.zeros(n)), -1).double()


def atom(name: str, residue: int, which: str) -> int:
    """Index of a heavy atom."""
    return Peptide.from_structure(structure(name)).heavy[residue, which]


@pytest.mark.parametrize("name", PEPTIDES)
@given(seed=SEEDS)
@settings(deadline=None, max_examples=5)
def test_contacts_do_not_see_how_the_molecule_lies(name, seed):
    rotation, shift = random_motion(seed)
    here = positions(name)[None]
    found = contacts(name).count(here)
    assert found.shape == (1, len(internal(name).residue_types), N_CONTACT) and (found >= 0).all()
    moved = contacts(name).count(here @ torch.from_numpy(rotation) + torch.from_numpy(shift))
    torch.testing.assert_close(moved, found, atol=2e-6, rtol=0)


def test_contacts_do_not_see_the_order_of_the_atoms():
    source = structure("QGRE")
    order = np.random.default_rng(1).permutation(len(source.names))
    other = rearranged(source, order)
    peptide = Peptide.from_structure(other)
    place = np.argsort(order)
    bonds = [(int(place[a]), int(place[b])) for a, b in internal("QGRE").bonds]
    found = Contacts(peptide, bonds).count(positions("QGRE")[order][None])
    torch.testing.assert_close(found, contacts("QGRE").count(positions("QGRE")[None]), atol=2e-6, rtol=0)


def test_a_salt_bridge():
    """Glutamate's OE1 (residue 4 of QGRE) laid 2.8 Å from arginine's NH1: each sees the other, and nobody else does."""
    frames = far_apart("QGRE").repeat(2, 1, 1)
    nh1, oe1 = atom("QGRE", 2, "NH1"), atom("QGRE", 3, "OE1")
    frames[1, oe1] = frames[1, nh1] + torch.tensor([0.0, 2.8, 0.0])
    apart, bridged = counted("QGRE", frames)
    assert apart.abs().max() < 1e-5
    polar = RECEIVERS.index("side-chain polar")
    positive, negative = SOURCES.index("positive"), SOURCES.index("negative")
    expected = torch.sigmoid((torch.tensor(REACHES) - 2.8) / torch.tensor([0.2, 0.3, 0.5, 0.8])).double()
    torch.testing.assert_close(bridged[2, polar, negative], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(bridged[3, polar, positive], expected, atol=1e-5, rtol=0)
    bridged[2, polar, negative], bridged[3, polar, positive] = 0, 0
    assert bridged.abs().max() < 1e-5


@pytest.mark.parametrize(
    ("source", "residue", "which"),
    [
        ("positive", 0, "N"),  # QGRE's ends are charged
        ("negative", 3, "OXT"),
        ("negative", 3, "O"),
        ("donor", 1, "N"),
        ("acceptor", 1, "O"),
        ("acceptor", 0, "OE1"),
        ("donor", 0, "NE2"),
        ("carbon", 2, "CG"),
    ],
)
def test_what_an_atom_is(source, residue, which):
    """A probe, arginine's CD or its CZ, sees each atom under its kind only."""
    frames = far_apart("QGRE")
    probe = atom("QGRE", 2, "CZ" if which == "CG" else "CD")
    if (residue, which) == (2, "CG"):
        residue, which = 0, "CG"
    frames[atom("QGRE", residue, which)] = frames[probe] + torch.tensor([0.0, 3.0, 0.0])
    seen = counted("QGRE", frames[None])[0, 2, RECEIVERS.index("side-chain carbon"), :, 1]
    assert [SOURCES[k] for k in (seen > 0.5).nonzero().flatten()] == [source]


def test_bonded_atoms_are_no_contacts():
    """In a dipeptide with one side-chain atom nearly all near pairs are within three bonds."""
    frames = positions("ACE-A-NME")[None]
    alanine = counted("ACE-A-NME", frames)[0, 1, RECEIVERS.index("side-chain carbon"), SOURCES.index("carbon")]
    assert alanine[0] < 0.1 and alanine[2] < 2.5


@pytest.mark.parametrize(("spacing", "expected"), [(0.5, 8), (1, 8), (5, 8), (10, 5), (20, 2), (50, 1), (100, 1)])
def test_margin(spacing, expected):
    assert margin(spacing) == expected


def test_around_of_a_still_and_of_a_turning_torsion():
    """One torsion rests at 0.5, one turns by 0.3 from key frame to key frame; the gap lies third of five."""
    torsions = torch.zeros(1, 6, 1, 7, dtype=torch.float64)
    torsions[0, :, 0, 0] = 0.5
    torsions[0, :, 0, 1] = 0.3 * torch.arange(6)
    found = around_gaps(torsions, torch.tensor([2]), torch.ones(1, 6, dtype=torch.bool))[0, 0]
    assert found.shape == (N_AROUND,)
    before, after, mean, moved = found[:14], found[14:28], found[28:42], found[42:49]
    sine, cosine = math.sin(0.5), math.cos(0.5)
    torch.testing.assert_close(before[:2], torch.tensor([sine, cosine]).double())
    torch.testing.assert_close(before[2:4], torch.tensor([math.sin(0.3), math.cos(0.3)]).double())
    torch.testing.assert_close(after[2:4], torch.tensor([math.sin(1.2), math.cos(1.2)]).double())
    others = 0.3 * torch.tensor([0, 1, 4, 5]).double()
    torch.testing.assert_close(mean[2:4], torch.stack((others.sin().mean(), others.cos().mean())))
    torch.testing.assert_close(moved[:2], torch.tensor([0, 2 * math.sin(0.15)]).double())
    torch.testing.assert_close(found[49:], torch.tensor([1, 1, math.log(5) / math.log(16)]).double())


@given(seed=SEEDS)
@settings(deadline=None)
def test_what_is_not_known_is_not_told(seed):
    """Unknown key frames and the gap's own two change nothing; without others all is zero."""
    generator = torch.Generator().manual_seed(seed)
    torsions = torch.rand(1, 8, 2, 7, generator=generator, dtype=torch.float64) * 6
    known = torch.tensor([[False, False, True, True, True, True, False, False]])
    found = around_gaps(torsions, torch.tensor([3]), known)
    changed = torsions.clone()
    changed[:, [0, 1, 3, 4, 6, 7]] += torch.rand(6, 2, 7, generator=generator, dtype=torch.float64)
    other = around_gaps(changed, torch.tensor([3]), known)
    torch.testing.assert_close(other[..., :42], found[..., :42])  # steps begin or end at the gap's own
    nothing = around_gaps(torsions, torch.tensor([3]), torch.arange(8)[None].ge(3) & torch.arange(8)[None].le(4))
    assert (nothing == 0).all()


def test_context_leaves_out_torsions_that_a_residue_lacks():
    exists = internal("QGRE").exists[None]
    context = gap_context(torch.ones(1, 2, 4, N_CONTACT), torch.ones(1, 4, N_AROUND), exists)
    assert context.shape == (1, 4, N_CONTEXT)
    around = context[0, :, 2 * N_CONTACT :]
    per_torsion = around[:, 42:49]
    assert torch.equal(per_torsion.bool(), exists[0, :, :7])
    assert torch.equal(around[:, 0:14:2].bool(), exists[0, :, :7]) and (around[:, 49:] == 1).all()

"""Internal coordinates of real peptides: exact round trips, and what any values whatever keep intact."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openmm_mdgen.geometry.frames import bond_angle
from openmm_mdgen.geometry.internal import INTERNAL, TORSIONS, InternalCoordinates
from openmm_mdgen.geometry.sidechains import RESIDUES
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.peptide.peptide import Peptide
from tests.helpers.tiny import (
    PEPTIDES,
    center_volumes,
    coordinates,
    internal,
    positions,
    random_motion,
    rearranged,
    structure,
)

SEEDS = st.integers(0, 2**32 - 1)
NAMES = st.sampled_from(PEPTIDES)
CD = TORSIONS.index("chi2")


def any_torsions(name: str, seed: int, n_frames: int = 3, proline: float = 0.7) -> torch.Tensor:
    """Internal coordinates (F, L, 16) of a peptide with torsions anywhere, proline's within ``proline`` rad of 0."""
    values = internal(name).encode(positions(name)).repeat(n_frames, 1, 1)
    generator = torch.Generator().manual_seed(seed)
    values[..., :7] = (torch.rand(values[..., :7].shape, generator=generator, dtype=torch.float64) * 2 - 1) * math.pi
    for residue, kind in enumerate(internal(name).residue_types):
        if kind == "PRO":
            values[:, residue, 3:7] *= proline / math.pi
    return values * internal(name).exists


def shaken(name: str, seed: int) -> torch.Tensor:
    """Torsions anywhere, and lengths and angles off by a few percent."""
    values = any_torsions(name, seed)
    noise = torch.randn(values[..., 7:].shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    values[..., 7:] += 0.02 * noise
    return values * internal(name).exists


def decoded(name: str, values: torch.Tensor) -> torch.Tensor:
    """Frames (F, N, 3) with the geometry of the committed structure."""
    return internal(name).decode(values, internal(name).geometry(positions(name)))


def same_angles(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.atan2((a - b).sin(), (a - b).cos()).abs().max()


def test_the_peptides_cover_every_residue_type():
    assert set(RESIDUES) | {"ACE", "NME"} == {t for name in PEPTIDES for t in internal(name).residue_types}


@pytest.mark.parametrize("name", PEPTIDES)
def test_positions_round_trip_with_every_hydrogen(name):
    x = positions(name)
    frame = superpose(decoded(name, internal(name).encode(x)[None])[0], x)
    assert len(frame) == len(structure(name).names)
    torch.testing.assert_close(frame, x, atol=1e-6, rtol=0)


@settings(max_examples=25, deadline=None)
@given(name=NAMES, seed=SEEDS)
def test_values_round_trip(name, seed):
    """What is decoded is measured again, but for the torsion that proline's ring closure decides."""
    values = shaken(name, seed)
    found = internal(name).encode(decoded(name, values))
    compared = internal(name).exists.clone()
    for residue, kind in enumerate(internal(name).residue_types):
        compared[residue, CD] &= kind != "PRO"
    torsions, rest = compared[:, :7], compared[:, 7:]
    assert same_angles(found[..., :7][:, torsions], values[..., :7][:, torsions]) < 1e-6
    torch.testing.assert_close(found[..., 7:][:, rest], values[..., 7:][:, rest], atol=1e-6, rtol=0)


@settings(max_examples=25, deadline=None)
@given(name=NAMES, seed=SEEDS)
def test_no_torsion_stretches_a_bond(name, seed):
    """Every bond between heavy atoms, rings closed, and every bond to hydrogen has the reference's length."""
    peptide = Peptide.from_structure(structure(name))
    pairs = torch.tensor([*internal(name).bonds, *peptide.hydrogens.items()]).T
    assert pairs.shape[1] >= len(structure(name).names) - 1
    frames, x = decoded(name, any_torsions(name, seed)), positions(name)
    lengths = (frames[:, pairs[0]] - frames[:, pairs[1]]).norm(dim=-1)
    expected = (x[pairs[0]] - x[pairs[1]]).norm(dim=-1)
    torch.testing.assert_close(lengths, expected.expand_as(lengths), atol=1e-6, rtol=0)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_proline_ring_closes_whatever_its_lengths_and_angles(seed):
    heavy = Peptide.from_structure(structure("PSWYP")).heavy
    frames, x = decoded("PSWYP", shaken("PSWYP", seed)), positions("PSWYP")
    for residue in (0, 4):
        delta = heavy[residue, "CD"]
        for other in (heavy[residue, "N"], heavy[residue, "CG"]):
            expected = float((x[delta] - x[other]).norm())
            torch.testing.assert_close(
                (frames[:, delta] - frames[:, other]).norm(dim=-1), torch.full((3,), expected, dtype=x.dtype)
            )


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_proline_ring_closes_whatever_its_torsions(seed):
    """CG is turned until the ring can close: its widest angle is 120 degrees, and no bond to hydrogen gives way."""
    peptide = Peptide.from_structure(structure("PSWYP"))
    frames, x = decoded("PSWYP", any_torsions("PSWYP", seed, proline=math.pi)), positions("PSWYP")
    corners = [[peptide.heavy[residue, name] for name in ("N", "CD", "CG")] for residue in (0, 4)]
    pairs = torch.tensor([*(c[k : k + 2] for c in corners for k in (0, 1)), *peptide.hydrogens.items()]).T
    lengths = (frames[:, pairs[0]] - frames[:, pairs[1]]).norm(dim=-1)
    expected = (x[pairs[0]] - x[pairs[1]]).norm(dim=-1)
    torch.testing.assert_close(lengths, expected.expand_as(lengths), atol=1e-6, rtol=0)
    angles = bond_angle(*frames[:, torch.tensor(corners)].unbind(2))
    assert (angles < math.radians(120) + 1e-6).all()


@pytest.mark.parametrize("turn", [0.0, 0.6, -0.6])
def test_a_proline_within_reach_keeps_its_torsion(turn):
    values = internal("PSWYP").encode(positions("PSWYP"))[None].clone()
    values[:, 4, 3] = turn
    assert same_angles(internal("PSWYP").encode(decoded("PSWYP", values))[:, 4, 3], values[:, 4, 3]) < 1e-9


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_a_proline_that_cannot_close_keeps_its_hydrogens(seed):
    """Where its angles are bent too far, only the bond CG-CD gives way."""
    peptide = Peptide.from_structure(structure("PSWYP"))
    values, x = any_torsions("PSWYP", seed, proline=math.pi), positions("PSWYP")
    values[..., -1] += 1.0  # CA-CB-CG
    frames = decoded("PSWYP", values)
    deltas = [(peptide.heavy[residue, "CD"], peptide.heavy[residue, "N"]) for residue in (0, 4)]
    pairs = torch.tensor([*deltas, *peptide.hydrogens.items()]).T
    lengths = (frames[:, pairs[0]] - frames[:, pairs[1]]).norm(dim=-1)
    expected = (x[pairs[0]] - x[pairs[1]]).norm(dim=-1)
    torch.testing.assert_close(lengths, expected.expand_as(lengths), atol=1e-6, rtol=0)


@settings(max_examples=25, deadline=None)
@given(name=NAMES, seed=SEEDS)
def test_handedness_is_kept(name, seed):
    frames = decoded(name, shaken(name, seed))
    assert (center_volumes(frames, name, "CA", ("N", "C", "CB"), skip=()) > 0.5).all()


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_handedness_of_beta_carbons_is_kept(seed):
    frames = decoded("ITVLHC", shaken("ITVLHC", seed))
    for others in (("CA", "OG1", "CG2"), ("CA", "CG1", "CG2")):
        volumes = center_volumes(frames, "ITVLHC", "CB", others, skip=())
        expected = center_volumes(positions("ITVLHC")[None], "ITVLHC", "CB", others, skip=())
        assert volumes.shape[-1] and (volumes.sign() == expected.sign()).all()


@settings(max_examples=15, deadline=None)
@given(name=NAMES, seed=SEEDS)
def test_moving_the_molecule_changes_no_value_and_moves_what_is_decoded(name, seed):
    rotation, shift = (torch.from_numpy(x) for x in random_motion(seed))
    tool, x = internal(name), positions(name)
    moved = x @ rotation + shift
    torch.testing.assert_close(tool.encode(moved), tool.encode(x), atol=1e-6, rtol=0)
    values = shaken(name, seed)
    torch.testing.assert_close(tool.decode(values, tool.geometry(moved)), decoded(name, values), atol=1e-6, rtol=0)


@settings(max_examples=15, deadline=None)
@given(name=NAMES, seed=SEEDS)
def test_atoms_come_in_the_users_order(name, seed):
    order = np.random.default_rng(seed).permutation(len(structure(name).names))
    tool = coordinates(rearranged(structure(name), order))
    values, x = shaken(name, seed), positions(name)[torch.from_numpy(order)]
    torch.testing.assert_close(tool.encode(x), internal(name).encode(positions(name)), atol=1e-9, rtol=0)
    expected = decoded(name, values)[:, torch.from_numpy(order)]
    torch.testing.assert_close(tool.decode(values, tool.geometry(x)), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", PEPTIDES)
def test_frames_do_not_know_of_one_another(name):
    values = shaken(name, 3)
    alone = torch.cat([decoded(name, values[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(decoded(name, values), alone, atol=1e-9, rtol=0)
    assert torch.isfinite(alone).all()


@pytest.mark.parametrize("name", PEPTIDES)
def test_heavy_atoms_alone(name):
    peptide = Peptide.from_structure(structure(name))
    keep = torch.tensor(sorted(peptide.heavy.values()))
    place = {int(atom): row for row, atom in enumerate(keep)}
    heavy = {key: place[atom] for key, atom in peptide.heavy.items()}
    tool = InternalCoordinates(peptide.residue_types, heavy, {}, len(keep))
    values = shaken(name, 4)
    found = tool.decode(values, tool.geometry(positions(name)[keep]))
    torch.testing.assert_close(found, decoded(name, values)[:, keep], atol=1e-9, rtol=0)


def test_amide_cap():
    source = structure("ACE-A-NME")
    names = list(zip(source.resnames, source.names, strict=True))
    heavy = {(0, n): names.index(("ACE", n)) for n in ("CH3", "C", "O")}
    heavy |= {(1, n): names.index(("ALA", n)) for n in ("N", "CA", "C", "O", "CB")}
    keep = [*heavy.values(), names.index(("NME", "N"))]
    tool = InternalCoordinates(
        ("ACE", "ALA", "NH2"), {**{k: i for i, k in enumerate(heavy)}, (2, "N"): len(heavy)}, {}, len(keep)
    )
    x = positions("ACE-A-NME")[keep]
    assert tool.exists[2].tolist() == [name in ("C-N", "CA-C-N") for name in INTERNAL]
    torch.testing.assert_close(
        superpose(tool.decode(tool.encode(x)[None], tool.geometry(x))[0], x), x, atol=1e-6, rtol=0
    )


def test_which_values_exist():
    exists = {name: internal("QGRE").exists[:, k].tolist() for k, name in enumerate(INTERNAL)}
    assert exists["omega"] == exists["phi"] == exists["C-N"] == [False, True, True, True]
    assert exists["psi"] == exists["N-CA"] == exists["N-CA-C"] == [True] * 4
    assert exists["N-CA-CB"] == exists["CA-CB-G"] == [True, False, True, True]
    assert exists["chi3"] == [True, False, True, True] and exists["chi4"] == [False, False, True, False]

"""Geometry, layers and paths of the published network, against definitions written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.naming import HEAVY_ATOMS
from openmm_mdgen.published.atom14 import atom14_to_rigids, atom14_to_torsions, torsions_to_atom14
from openmm_mdgen.published.dirichlet import simplex_velocity
from openmm_mdgen.published.hyena import HyenaOperator
from openmm_mdgen.published.residues import (
    RESIDUE_LETTERS,
    RESIDUE_NAMES,
    sequence_to_residue_indices,
    slot_names,
    tables,
)
from openmm_mdgen.published.rigids import Rigids, quaternion_to_rotation, rotation_to_quaternion
from openmm_mdgen.published.rotary import RotaryAttention
from openmm_mdgen.published.tokens import PublishedTokens
from tests.helpers.published_toys import CONFIG, make_network


@pytest.fixture
def chain() -> tuple[Rigids, torch.Tensor, torch.Tensor]:
    """All twenty residues at random places: rigids, torsions, residue indices (1, 20); float64."""
    torch.manual_seed(0)
    rotation = quaternion_to_rotation(torch.randn(1, 20, 4, dtype=torch.float64))
    sin_cos = torch.nn.functional.normalize(torch.randn(1, 20, 7, 2, dtype=torch.float64), dim=-1)
    residues = torch.from_numpy(sequence_to_residue_indices(RESIDUE_LETTERS))[None]
    return Rigids(rotation, torch.randn(1, 20, 3, dtype=torch.float64) * 5), sin_cos, residues


def test_quaternions_round_trip() -> None:
    quaternion = torch.nn.functional.normalize(torch.randn(50, 4, dtype=torch.float64), dim=-1)
    found = rotation_to_quaternion(quaternion_to_rotation(quaternion))
    assert (found[:, 0] >= 0).all()
    torch.testing.assert_close(found, quaternion * quaternion[:, :1].sign())


def test_rigids_compose_and_invert(chain) -> None:
    rigids, points = chain[0], torch.randn(1, 20, 3, dtype=torch.float64)
    torch.testing.assert_close(rigids.apply_inverse(rigids.apply(points)), points)
    torch.testing.assert_close((rigids.inverse() @ rigids).apply(points), points)
    torch.testing.assert_close((rigids @ rigids).apply(points), rigids.apply(rigids.apply(points)))


def test_atom14_round_trip(chain) -> None:
    rigids, sin_cos, residues = chain
    atom14 = torsions_to_atom14(rigids, sin_cos, residues)
    found = atom14_to_rigids(atom14)
    torch.testing.assert_close(found.rotation, rigids.rotation, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.translation, rigids.translation)
    torsions = atom14_to_torsions(atom14, residues)
    mask = torsions.mask.clone()
    mask[..., :2] = False  # omega and phi lie between residues, which stand anywhere here
    # the tables' figures have three decimals
    torch.testing.assert_close(torsions.sin_cos[mask], sin_cos[mask], atol=5e-3, rtol=0)


def test_torsions_do_not_change_with_pose(chain) -> None:
    rigids, sin_cos, residues = chain
    atom14 = torsions_to_atom14(rigids, sin_cos, residues)
    motion = Rigids(rigids.rotation[0, 3], torch.tensor([1.0, 2.0, 3.0]).double())
    exists = torch.from_numpy(tables().slot_mask)[residues].unsqueeze(-1)
    before, after = (atom14_to_torsions(x, residues) for x in (atom14, motion.apply(atom14) * exists))
    torch.testing.assert_close(after.sin_cos[after.mask], before.sin_cos[before.mask], atol=1e-6, rtol=0)


def test_slots_hold_every_heavy_atom() -> None:
    for name in RESIDUE_NAMES:
        assert set(slot_names(name)) == set(HEAVY_ATOMS[name])
    assert tables().chi_mask.sum() == 39  # chi angles of the twenty residues


def test_ideal_bonds(chain) -> None:
    atom14 = torsions_to_atom14(*chain)[0]
    n_ca, ca_c, c_o = ((atom14[:, a] - atom14[:, b]).norm(dim=-1) for a, b in ((0, 1), (1, 2), (2, 3)))
    for found, ideal in ((n_ca, 1.46), (ca_c, 1.525), (c_o, 1.23)):
        torch.testing.assert_close(found, torch.full_like(found, ideal), atol=0.012, rtol=0)


def encode(tokens: PublishedTokens, n_residues: int = 4, n_frames: int = 6):
    torch.manual_seed(0)
    residues = torch.arange(n_residues)[None] + 1
    mask = torch.from_numpy(tables().slot_mask)[residues][:, None, :, :, None]
    return tokens.encode(torch.randn(1, n_frames, n_residues, 14, 3) * 3 * mask, residues)


def test_padding_changes_nothing() -> None:
    network = make_network(replace(CONFIG, n_positions=0))
    whole = encode(PublishedTokens(), n_residues=3).conditioning
    padded = encode(PublishedTokens(), n_residues=5).conditioning
    mask = torch.tensor([[True, True, True, False, False]])
    for name in ("values", "given"):
        getattr(padded, name)[:, :, :3] = getattr(whole, name)
    for name in ("first", "last"):
        for part in ("rotation", "translation"):
            getattr(getattr(padded, name), part)[:, :3] = getattr(getattr(whole, name), part)
    padded = replace(padded, mask=mask)
    x = torch.randn(1, 6, 5, 21)
    found = network(x, torch.full((1,), 0.4), padded)[:, :, :3]
    # the extra key stands behind the last position, padding included, so only the masked keys can be compared
    x[:, :, 3:] += 10
    torch.testing.assert_close(network(x, torch.full((1,), 0.4), padded)[:, :, :3], found, atol=1e-5, rtol=0)


def test_any_number_of_frames_and_residues() -> None:
    network = make_network(replace(CONFIG, n_positions=0))
    conditioning = encode(PublishedTokens(), n_residues=9, n_frames=13).conditioning
    assert network(torch.randn(1, 13, 9, 21), torch.zeros(1), conditioning).shape == (1, 13, 9, 21)


def test_positional_table_fixes_the_number_of_residues() -> None:
    with pytest.raises(MDGenError, match=r"5 residues do not fit .* exactly 4"):
        make_network()(torch.randn(1, 6, 5, 21), torch.zeros(1), encode(PublishedTokens(), n_residues=5).conditioning)


def test_inpainting_needs_its_residues() -> None:
    with pytest.raises(MDGenError, match="the peptide has 3 residues, this checkpoint gives or designs residue 4"):
        encode(PublishedTokens("ends", "residues", given_residues=(0, 3)), n_residues=3)


def test_tokens_give_and_hide() -> None:
    tokens = PublishedTokens("ends", "residues", given_residues=(0, 3), designed_residues=(1, 2), torsions_seen=False)
    encoded = encode(tokens)
    assert encoded.conditioning.given[0].all(0).tolist() == [True, False, False, True]
    assert encoded.conditioning.residues.tolist() == [[1, 20, 20, 4]]
    assert (encoded.values[..., 14:] == 0).all()
    assert (encoded.conditioning.values[:, :, 1:3] == 0).all()
    assert tokens.n_channels == 48


def test_hyena_is_the_sum_it_stands_for() -> None:
    torch.manual_seed(0)
    operator = HyenaOperator(4, max_frames=9)
    x = torch.randn(1, 7, 1, 4)
    taps = operator.long_filter(7)
    gate_out, gate_in, value = operator.short_filter(operator.project(x)[0, :, 0].T[None])[0, :, :7].T.chunk(3, -1)
    value = value * gate_in
    mixed = torch.stack(
        [sum(value[j] * taps[6 + i - j] for j in range(7) if 6 + i - j < 7) for i in range(7)]  # from i into its future
    )
    expected = operator.output((mixed + value * operator.long_filter.skip) * gate_out)
    torch.testing.assert_close(operator(x, operator.spectrum(7))[0, :, 0], expected, atol=1e-5, rtol=1e-5)


def test_hyena_has_a_longest_trajectory() -> None:
    with pytest.raises(MDGenError, match="10 frames exceed the 9"):
        HyenaOperator(4, max_frames=9).spectrum(10)


def test_attention_masks_keys() -> None:
    torch.manual_seed(0)
    attention, x = RotaryAttention(8, 2), torch.randn(2, 5, 8)
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    before = attention(x, mask)
    x[1, 3:] += 1
    torch.testing.assert_close(attention(x, mask)[:, :3], before[:, :3])
    assert (attention(x)[1, :3] - before[1, :3]).abs().max() > 1e-4


@pytest.mark.parametrize("t", [0.0, 0.3, 0.9])
def test_simplex_velocity_moves_the_path_of_a_corner(t: float) -> None:
    """Points of Dir(1 + (alpha - 1) e_k) carried by the velocity have the mean of the path at a later time."""
    alpha_max, corner, step = 8.0, 2, 0.02
    concentration = np.ones(20)
    concentration[corner] = 1 + t * (alpha_max - 1)
    x = torch.from_numpy(np.random.default_rng(0).dirichlet(concentration, 40_000))
    logits = torch.full((20,), -1e9, dtype=torch.float64).index_fill(0, torch.tensor([corner]), 0.0)
    flow = simplex_velocity(x, logits, t, alpha_max)
    torch.testing.assert_close(flow.sum(-1), torch.zeros(len(x), dtype=torch.float64), atol=1e-9, rtol=0)
    later = (x + step * flow).mean(0)[corner] - x.mean(0)[corner]
    alpha = [1 + time * (alpha_max - 1) for time in (t, t + step)]
    expected = alpha[1] / (19 + alpha[1]) - alpha[0] / (19 + alpha[0])
    assert later == pytest.approx(expected, rel=0.06)

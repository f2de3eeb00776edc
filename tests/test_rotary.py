"""Attention with rotary positions."""

import torch

from openmm_mdgen.published.rotary import Rotary, RotaryAttention


def test_products_depend_on_the_distance_alone():
    rotary, (a, b) = Rotary(8), torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    q, k = rotary(a.expand(6, 8)), rotary(b.expand(6, 8))
    torch.testing.assert_close(q[1] @ k[3], q[2] @ k[4])
    assert not torch.allclose(q[1] @ k[3], q[1] @ k[4])


def attention() -> RotaryAttention:
    torch.manual_seed(0)
    return RotaryAttention(8, 2).eval()


def test_hidden_residues_are_not_seen():
    layer, x = attention(), torch.randn(1, 3, 4, 8, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[True, True, True, False]])
    other = x.clone()
    other[:, :, 3] += 1
    torch.testing.assert_close(layer(x, mask)[:, :, :3], layer(other, mask)[:, :, :3])
    assert not torch.allclose(layer(x)[:, :, :3], layer(other)[:, :, :3])


def test_over_frames_each_residue_is_by_itself():
    layer, x = attention(), torch.randn(1, 3, 4, 8, generator=torch.Generator().manual_seed(1))
    other = x.clone()
    other[:, :, 3] += 1
    torch.testing.assert_close(layer.over_frames(x)[:, :, :3], layer.over_frames(other)[:, :, :3])

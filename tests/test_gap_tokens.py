"""Gap tokens: the straight way between key frames, and distances from it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openmm_mdgen.gap_tokens import (
    N_GAP_CHANNELS,
    N_TOLD,
    GapScales,
    gap_tokens_to_internal,
    internal_to_gap_tokens,
    straight_way,
    told_of_gap,
    wrap,
)

SEEDS = st.integers(0, 2**32 - 1)
SCALE = torch.linspace(0.1, 0.4, N_GAP_CHANNELS, dtype=torch.float64)


def values(seed: int, *shape: int) -> torch.Tensor:
    """Internal coordinates (*shape, 16): torsions anywhere, lengths and angles about 1.5."""
    generator = torch.Generator().manual_seed(seed)
    out = 1.5 + 0.1 * torch.randn(*shape, N_GAP_CHANNELS, generator=generator, dtype=torch.float64)
    out[..., :7] = (torch.rand(*shape, 7, generator=generator, dtype=torch.float64) * 2 - 1) * math.pi
    return out


@given(angle=st.floats(-50, 50))
@settings(deadline=None)
def test_wrap(angle):
    wrapped = float(wrap(torch.tensor(angle, dtype=torch.float64)))
    assert -math.pi <= wrapped < math.pi
    assert math.sin(wrapped - angle) == pytest.approx(0, abs=1e-9) and math.cos(wrapped - angle) > 0


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_round_trip(seed):
    left, right, inside = values(seed, 2, 3), values(seed + 1, 2, 3), values(seed + 2, 2, 4, 3)
    way = straight_way(left, right, 4)
    tokens = internal_to_gap_tokens(inside, way, SCALE)
    found = gap_tokens_to_internal(tokens, way, SCALE)
    assert wrap(found - inside)[..., :7].abs().max() < 1e-9
    torch.testing.assert_close(found[..., 7:], inside[..., 7:])
    assert tokens[..., :7].abs().max() <= math.pi / 0.1 + 1e-9


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_way_takes_the_shorter_arc_in_equal_steps(seed):
    left, right = values(seed, 2, 3), values(seed + 1, 2, 3)
    whole = torch.cat((left.unsqueeze(1), straight_way(left, right, 4), right.unsqueeze(1)), 1)
    steps = whole.diff(dim=1)
    steps[..., :7] = wrap(steps[..., :7])
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-9, rtol=0)
    assert (5 * steps[:, 0, :, :7]).abs().max() <= math.pi + 1e-9


def test_the_way_crosses_180_degrees():
    left, right = torch.full((1, 1, 16), 3.1), torch.full((1, 1, 16), -3.1)
    middle = straight_way(left, right, 1)
    assert float(middle[0, 0, 0, 0].cos()) == pytest.approx(-1) and float(middle[0, 0, 0, 8]) == pytest.approx(0)


def test_scales_lie_between_the_measured_ones():
    scales = GapScales(torch.tensor([1.0, 10.0]), torch.tensor([[1.0] * 16, [3.0] * 16]))
    for spacing, expected in ((1.0, 1.0), (10.0, 3.0), (10**0.5, 3**0.5), (0.1, 1.0), (100.0, 3.0)):
        torch.testing.assert_close(scales.at(spacing), torch.full((16,), expected))
    single = GapScales(torch.tensor([10.0]), torch.full((1, 16), 2.0))
    torch.testing.assert_close(single.at(3.0), torch.full((16,), 2.0))


def test_what_is_told():
    left, right = values(0, 2, 3), values(1, 2, 3)
    exists = torch.ones(3, 16, dtype=torch.bool)
    exists[1, 4] = False
    told = told_of_gap(left, right, 9, 10.0, exists)
    assert told.shape == (2, 9, 3, N_TOLD)
    assert (told[:, :, 1, [4, 11, 18]] == 0).all() and (told[:, :, 0, [4, 11, 18]] != 0).all()
    place = told[0, :, 0, -3:]
    torch.testing.assert_close(place[:, 0], torch.linspace(-0.8, 0.8, 9, dtype=torch.float64))
    assert int(place[:, 1].argmax()) == 4 and place[:, 2].tolist() == pytest.approx([math.log(10)] * 9)
    turned = told_of_gap(left + 2 * math.pi * (torch.arange(16) < 7).double(), right, 9, 10.0, exists)
    torch.testing.assert_close(turned, told, atol=1e-9, rtol=0)

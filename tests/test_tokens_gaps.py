"""The line across a gap, the motion beside it, and what is told of both."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openmm_mdgen.tokens.gaps import (
    N_GAP_CHANNELS,
    N_PLACE,
    gap_values,
    line_across,
    motion_beside,
    with_motion,
    wrap,
)
from openmm_mdgen.tokens.noise_colour import BandColour, GapColour
from openmm_mdgen.tokens.tokens import Conditioning
from tests.helpers.tiny import upsample_task

SEEDS = st.integers(0, 2**32 - 1)
SEQUENCE = torch.tensor([3, 0, 7])
SPECTRA = upsample_task().spectra
RESTS = SPECTRA.mean[SEQUENCE], SPECTRA.kept


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
def test_motion_leads_back(seed):
    left, right, inside = values(seed, 2, 3), values(seed + 1, 2, 3), values(seed + 2, 2, 4, 3)
    line = line_across(left, right, 4, *RESTS)
    motion = motion_beside(inside, line)
    assert wrap(line + motion - inside)[..., :7].abs().max() < 1e-9 and motion[..., :7].abs().max() <= math.pi + 1e-9
    torch.testing.assert_close((line + motion)[..., 7:], inside[..., 7:])


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_way_of_torsions_takes_the_shorter_arc_in_equal_steps(seed):
    left, right = values(seed, 2, 3), values(seed + 1, 2, 3)
    line = line_across(left, right, 4, *RESTS)
    steps = wrap(torch.cat((left.unsqueeze(1), line, right.unsqueeze(1)), 1)[..., :7].diff(dim=1))
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-9, rtol=0)
    assert (5 * steps[:, 0]).abs().max() <= math.pi + 1e-9


def test_the_way_of_torsions_crosses_180_degrees():
    left, right = torch.full((1, 3, 16), 3.1), torch.full((1, 3, 16), -3.1)
    assert float(line_across(left, right, 1, *RESTS)[0, 0, 0, 0].cos()) == pytest.approx(-1)


def test_the_way_of_lengths_and_angles_is_where_they_rest():
    """A tenth of what the key frames have beside the mean is kept, the same all through the gap."""
    mean = SPECTRA.mean[SEQUENCE].double()
    left, right = mean + 0.3, mean + 0.1
    line = line_across(left.unsqueeze(0), right.unsqueeze(0), 9, *RESTS)[0]
    torch.testing.assert_close(line[..., 7:], (mean[:, 7:] + 0.1 * 0.2).expand(9, -1, -1), atol=1e-6, rtol=0)


def test_motion_is_told_in_units_of_its_spread():
    """White tokens of mode 1 alone are a half wave; every channel is told as if it had unit variance."""
    scale = torch.full((9, 3, 16), 0.2)
    scale[:, :, 7:] = 0.01
    eye = torch.eye(16).expand(9, 3, 16, 16)
    colour = GapColour(scale, torch.zeros_like(eye), eye)
    told = Conditioning(
        SEQUENCE[None], torch.ones(1, 3, 16, dtype=torch.bool), torch.ones(1, 9, 3, dtype=torch.bool),
        torch.rand(1, 9, 3, N_PLACE), torch.ones(1),
    )  # fmt: skip
    white = torch.sin(math.pi * torch.arange(1, 10) / 10).reshape(1, 9, 1, 1).expand(1, 9, 3, 16)
    values = with_motion(told, white, colour).values
    assert torch.equal(values[..., :N_PLACE], told.values)
    torch.testing.assert_close(values[..., N_PLACE:], white)
    assert with_motion(told._replace(values=values), white, colour).values.shape == values.shape


def test_bands_lie_between_the_measured_ones():
    scale = torch.stack([torch.full((1, 16), 1.0), torch.full((1, 16), 0.01)])
    eye = torch.eye(16).expand(2, 1, 16, 16)
    bands = BandColour(torch.tensor([0.05, 5.0]), scale, torch.zeros_like(eye), eye)
    found = GapColour.from_bands(bands, 99, 10.0).scale[:, 0, 0]  # frequencies 0.05 to 4.95
    assert float(found[0]) == pytest.approx(1) and float(found[9]) == pytest.approx(0.1, rel=1e-4)
    assert float(found[98]) == pytest.approx(0.01, rel=0.02) and (found.diff() < 0).all()


def test_what_is_told():
    left, right = values(0, 2, 3), values(1, 2, 3)
    exists = torch.ones(3, 16, dtype=torch.bool)
    exists[1, 4] = False
    told = gap_values(left, right, 9, 10.0, exists)
    assert told.shape == (2, 9, 3, N_PLACE)
    assert (told[:, :, 1, [4, 11, 18]] == 0).all() and (told[:, :, 0, [4, 11, 18]] != 0).all()
    place = told[0, :, 0, -3:]
    torch.testing.assert_close(place[:, 0], torch.linspace(-0.8, 0.8, 9, dtype=torch.float64))
    assert int(place[:, 1].argmax()) == 4 and place[:, 2].tolist() == pytest.approx([math.log(10)] * 9)
    turned = gap_values(left + 2 * math.pi * (torch.arange(16) < 7).double(), right, 9, 10.0, exists)
    torch.testing.assert_close(turned, told, atol=1e-9, rtol=0)

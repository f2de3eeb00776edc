"""What frames between two key frames are measured against, a line across the gap, and what a network is given of it.

Between key frames a torsion hardly leaves the arc from one to the other, so its distance from that arc is a far better
thing to learn than its sine and cosine. Lengths and angles have forgotten both key frames after 0.1 ps and are measured
from where they rest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from openmm_mdgen.geometry.internal import INTERNAL, TORSIONS
from openmm_mdgen.tokens.noise_colour import GapColour
from openmm_mdgen.tokens.tokens import Conditioning

N_GAP_CHANNELS = len(INTERNAL)
N_PLACE = 3 * len(TORSIONS) + 3
N_GAP_VALUES = N_PLACE + N_GAP_CHANNELS
"""Given of every frame: sine and cosine of the arc, its length, where on it the frame lies, the spacing, and, in
every step of the solver, the motion that the tokens of that moment stand for."""


def wrap(angles: Tensor) -> Tensor:
    """Angles in [-pi, pi)."""
    return torch.remainder(angles + math.pi, 2 * math.pi) - math.pi


def line_across(left: Tensor, right: Tensor, n_between: int, mean: Tensor, kept: Tensor) -> Tensor:
    """Internal coordinates (G, n_between, L, 16) that the motion inside gaps is measured from.

    Parameters
    ----------
    left, right : Tensor (G, L, 16)
        Key frames.
    mean : Tensor (L, 16) or (G, L, 16)
        Where lengths and angles rest.
    kept : Tensor (16,)
        How much of the key frames' deviation from it stays.
    """
    share = torch.arange(1, n_between + 1, dtype=left.dtype, device=left.device) / (n_between + 1)
    n = len(TORSIONS)
    arc = wrap(right - left)[..., :n]
    torsions = left[..., :n].unsqueeze(1) + share[:, None, None] * arc.unsqueeze(1)
    mean = mean.to(left)[..., n:]
    rest = mean + kept.to(left)[n:] * ((left + right)[..., n:] / 2 - mean)
    return torch.cat((torsions, rest.unsqueeze(1).expand(-1, n_between, -1, -1)), -1)


def motion_beside(internal: Tensor, line: Tensor) -> Tensor:
    """Motion (..., 16) in radians and Å of internal coordinates (..., 16) beside the line."""
    n, offset = len(TORSIONS), internal - line
    return torch.cat((wrap(offset[..., :n]), offset[..., n:]), -1)


def gap_values(left: Tensor, right: Tensor, n_between: int, spacing: float, exists: Tensor) -> Tensor:
    """What the network is given of every frame of a gap (G, n_between, L, `N_PLACE`), from key frames (G, L, 16)."""
    n = len(TORSIONS)
    has = exists[..., :n].to(left)
    share = torch.arange(1, n_between + 1, dtype=left.dtype, device=left.device) / (n_between + 1)
    turn = wrap(right - left)[..., :n].unsqueeze(1)
    arc = left[..., :n].unsqueeze(1) + share[:, None, None] * turn
    place = torch.stack((share * 2 - 1, (share * math.pi).sin(), torch.full_like(share, math.log(spacing))), -1)
    place = place[None, :, None].expand(*arc.shape[:-1], -1)
    has = has.unsqueeze(-3)
    return torch.cat((arc.sin() * has, arc.cos() * has, turn.expand(arc.shape) * has, place), -1)


def with_motion(given: Conditioning, tokens: Tensor, colour: GapColour) -> Conditioning:
    """What is given of gaps, and the motion that white tokens (G, n_between, L, 16) stand for, by its spread."""
    spread = colour.scale.square().mean(-3, keepdim=True).sqrt()
    with torch.autocast(tokens.device.type, enabled=False):  # slow motion would drown the fast in bf16
        motion = colour.colour(tokens.float()) / spread * given.exists.unsqueeze(1)
    return given._replace(values=torch.cat((given.values[..., :N_PLACE], motion), -1))

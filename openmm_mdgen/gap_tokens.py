"""Tokens of the frames between two key frames: how far internal coordinates are from the straight way across.

Between key frames a torsion hardly leaves the arc from one to the other, so its distance from that arc, in units
of what is usual at this spacing, is a far better thing to learn than its sine and cosine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_mdgen.geometry.internal import INTERNAL, TORSIONS

N_GAP_CHANNELS = len(INTERNAL)
N_TOLD = 3 * len(TORSIONS) + 3
"""What is told of every frame: sine and cosine of the arc, its length, where on it the frame lies, and the spacing."""


@dataclass(frozen=True)
class GapScales:
    """Deviation of every channel from the straight way, per spacing of the key frames.

    Attributes
    ----------
    spacings : Tensor (S,)
        ps, rising.
    scales : Tensor (S, 16)
        Radians and Å, root mean square over the frames inside a gap.
    """

    spacings: Tensor
    scales: Tensor

    def at(self, spacing: float) -> Tensor:
        """Scales (16,) at a spacing in ps, between the measured ones on a double-logarithmic line."""
        x = self.spacings.log()
        place = torch.tensor(math.log(spacing), dtype=x.dtype).clamp(x[0], x[-1])
        right = int(torch.searchsorted(x, place).clamp(1, len(x) - 1)) if len(x) > 1 else 0
        left = max(0, right - 1)
        share = (place - x[left]) / (x[right] - x[left]) if right > left else 0.0
        return torch.lerp(self.scales[left].log(), self.scales[right].log(), float(share)).exp()


def wrap(angles: Tensor) -> Tensor:
    """Angles in [-pi, pi)."""
    return torch.remainder(angles + math.pi, 2 * math.pi) - math.pi


def straight_way(left: Tensor, right: Tensor, n_between: int) -> Tensor:
    """Internal coordinates (G, n_between, L, 16) on the shorter arcs between those of key frames (G, L, 16)."""
    share = torch.arange(1, n_between + 1, dtype=left.dtype, device=left.device) / (n_between + 1)
    step = right - left
    n = len(TORSIONS)
    step = torch.cat((wrap(step[..., :n]), step[..., n:]), -1)
    return left.unsqueeze(1) + share[:, None, None] * step.unsqueeze(1)


def internal_to_gap_tokens(internal: Tensor, way: Tensor, scale: Tensor) -> Tensor:
    """Tokens (..., 16) of internal coordinates (..., 16) beside the straight way."""
    n, offset = len(TORSIONS), internal - way
    return torch.cat((wrap(offset[..., :n]), offset[..., n:]), -1) / scale


def gap_tokens_to_internal(tokens: Tensor, way: Tensor, scale: Tensor) -> Tensor:
    """Inverse of `internal_to_gap_tokens`."""
    return way + tokens * scale


def told_of_gap(left: Tensor, right: Tensor, n_between: int, spacing: float, exists: Tensor) -> Tensor:
    """What the network is told of every frame of a gap (G, n_between, L, `N_TOLD`), from key frames (G, L, 16)."""
    n = len(TORSIONS)
    has = exists[..., :n].to(left)
    arc = straight_way(left, right, n_between)[..., :n]
    length = wrap(right - left)[..., :n].unsqueeze(1).expand(arc.shape)
    share = torch.arange(1, n_between + 1, dtype=left.dtype, device=left.device) / (n_between + 1)
    place = torch.stack((share * 2 - 1, (share * math.pi).sin(), torch.full_like(share, math.log(spacing))), -1)
    place = place[None, :, None].expand(*arc.shape[:-1], -1)
    has = has.unsqueeze(-3)
    return torch.cat((arc.sin() * has, arc.cos() * has, length * has, place), -1)

"""Invariant point attention over residues (Jumper et al. 2021, supplement, algorithm 22), without pair features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_mdgen.published.rigids import Rigids

_FAR = 1e5  # subtracted from the logits of padded pairs
_EPS = 1e-8


class InvariantPointAttention(nn.Module):
    """Attention by content and by distance between points that each residue places in its own frame.

    Parameters
    ----------
    width : int
        Channels in and out.
    heads, channels : int
        Heads, and channels per head.
    query_points, value_points : int
        Points per head.
    """

    def __init__(self, width: int, heads: int, channels: int, query_points: int, value_points: int) -> None:
        super().__init__()
        self.heads, self.channels = heads, channels
        self.query_points, self.value_points = query_points, value_points
        self.query = nn.Linear(width, heads * channels)
        self.key_value = nn.Linear(width, 2 * heads * channels)
        self.query_point = nn.Linear(width, 3 * heads * query_points)
        self.key_value_point = nn.Linear(width, 3 * heads * (query_points + value_points))
        self.point_weight = nn.Parameter(torch.full((heads,), math.log(math.e - 1)))
        self.out = nn.Linear(heads * (channels + 4 * value_points), width)

    def forward(self, x: Tensor, rigids: Rigids, mask: Tensor) -> Tensor:
        """x (B, L, C), rigids (B, L), mask (B, L) bool -> (B, L, C); never in bfloat16, which rounds 15 Å to 0.06 Å."""
        with torch.autocast(x.device.type, enabled=False):
            return self._attend(x, rigids, mask)

    def _attend(self, x: Tensor, rigids: Rigids, mask: Tensor) -> Tensor:
        query = self.query(x).unflatten(-1, (self.heads, -1))  # B L H c
        key, value = self.key_value(x).unflatten(-1, (self.heads, -1)).split(self.channels, -1)
        query_point = self._place(self.query_point(x), rigids)  # B L H P 3
        key_point, value_point = self._place(self.key_value_point(x), rigids).split(
            [self.query_points, self.value_points], -2
        )
        logits = torch.einsum("bihc,bjhc->bhij", query, key) / math.sqrt(3 * self.channels)
        logits = logits - self._distance(query_point, key_point)
        pairs = mask.unsqueeze(-1) & mask.unsqueeze(-2)
        weight = (logits - _FAR * (~pairs).unsqueeze(1)).softmax(-1)  # B H i j
        content = torch.einsum("bhij,bjhc->bihc", weight, value).flatten(-2)
        point = torch.einsum("bhij,bjhpx->bihpx", weight, value_point)
        point = _per_point(rigids).apply_inverse(point).flatten(-3, -2)  # B L HP 3
        length = (point.square().sum(-1) + _EPS).sqrt()
        out: Tensor = self.out(torch.cat((content, *point.unbind(-1), length), -1))
        return out

    def _place(self, local: Tensor, rigids: Rigids) -> Tensor:
        """(B, L, 3HP), ordered x, y, z first, -> global points (B, L, H, P, 3)."""
        return _per_point(rigids).apply(local.unflatten(-1, (3, self.heads, -1)).movedim(-3, -1))

    def _distance(self, query: Tensor, key: Tensor) -> Tensor:
        """Weighted sum of squared distances (B, H, L, L)."""
        squared = (query.unsqueeze(2) - key.unsqueeze(1)).square().sum((-1, -2))  # B i j H
        scale = functional.softplus(self.point_weight) * math.sqrt(1 / (13.5 * self.query_points)) / 2
        return (squared * scale).movedim(-1, 1)


def _per_point(rigids: Rigids) -> Rigids:
    """Rigids (B, L) that broadcast over heads and points."""
    return rigids[..., None, None]

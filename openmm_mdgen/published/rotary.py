"""Fused multi-head attention with rotary positions and one learned extra key, over residues or over frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Rotary(nn.Module):
    """Rotates pairs of channels by an angle that grows with the position (Su et al. 2021).

    Parameters
    ----------
    channels : int
        Per head; even.
    """

    inverse_period: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("inverse_period", 10_000.0 ** (-torch.arange(0, channels, 2).float() / channels))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., N, D) at positions 0 to N - 1."""
        position = torch.arange(x.shape[-2], device=x.device, dtype=self.inverse_period.dtype)
        angle = torch.outer(position, self.inverse_period).repeat(1, 2)
        return x * angle.cos() + torch.cat((-x[..., x.shape[-1] // 2 :], x[..., : x.shape[-1] // 2]), -1) * angle.sin()


class RotaryAttention(nn.Module):
    """Multi-head self-attention; the learned key and value sit behind the last position.

    Parameters
    ----------
    width, heads : int
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.extra_key = nn.Parameter(torch.zeros(1, 1, width))
        self.extra_value = nn.Parameter(torch.zeros(1, 1, width))
        self.rotary = Rotary(width // heads)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Over the last but one axis.

        Parameters
        ----------
        x : Tensor (B, ..., N, C)
        mask : Tensor (B, N), optional
            False hides a key; the extra key is always seen.
        """
        batch = x.shape[:-2]
        if mask is not None:
            mask = mask.reshape(-1, *(1,) * (len(batch) - 1), mask.shape[-1]).expand(*batch, -1).flatten(0, -2)
        out: Tensor = self._attend(x.flatten(0, -3), mask).unflatten(0, batch)
        return out

    def over_frames(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, T, L, C) over T; a residue that the mask (B, L) hides sees the extra key alone."""
        n_frames = x.shape[1]
        if mask is not None:
            mask = mask.flatten().unsqueeze(-1).expand(-1, n_frames)
        out: Tensor = self._attend(x.transpose(1, 2).flatten(0, 1), mask).unflatten(0, (x.shape[0], -1)).transpose(1, 2)
        return out

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, N, C), mask (B, N) -> (B, N, C)."""
        n = x.shape[0]
        query = self.rotary(self._split(self.query(x)))
        key = self.rotary(self._split(torch.cat((self.key(x), self.extra_key.expand(n, -1, -1)), 1)))
        value = self._split(torch.cat((self.value(x), self.extra_value.expand(n, -1, -1)), 1))
        seen = None if mask is None else functional.pad(mask, (0, 1), value=True)[:, None, None]
        out = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        found: Tensor = self.out(out.transpose(1, 2).flatten(-2))
        return found

    def _split(self, x: Tensor) -> Tensor:
        out: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return out

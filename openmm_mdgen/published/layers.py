"""The layers of the published network, in the order of use; each is modulated by the embedded flow time (B, C)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.hyena import HyenaOperator
from openmm_mdgen.published.ipa import InvariantPointAttention
from openmm_mdgen.published.rigids import Rigids
from openmm_mdgen.published.rotary import RotaryAttention
from openmm_mdgen.published.tokens import N_IDENTITY

_TIME_FEATURES = 256


class FlowTime(nn.Module):
    """Sinusoidal embedding of the flow time, then a small network: (B,) -> (B, C)."""

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.mlp = nn.Sequential(nn.Linear(_TIME_FEATURES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        half = _TIME_FEATURES // 2
        frequency = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device, dtype=t.dtype) / half)
        angle = self.scale * t.unsqueeze(-1) * frequency
        out: Tensor = self.mlp(torch.cat((angle.cos(), angle.sin()), -1))
        return out


class Modulation(nn.Sequential):
    """(B, C) -> n tensors (B, 1, ..., 1, C) that broadcast over x."""

    def __init__(self, width: int, n: int) -> None:
        super().__init__(nn.SiLU(), nn.Linear(width, n * width))
        self.n = n

    def at(self, time: Tensor, like: Tensor) -> tuple[Tensor, ...]:
        out = self(time)
        found: tuple[Tensor, ...] = out.reshape(out.shape[0], *(1,) * (like.ndim - 2), -1).chunk(self.n, -1)
        return found


def modulated_norm(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.addcmul(shift, functional.layer_norm(x, x.shape[-1:], eps=1e-6), 1 + scale)


class Mlp(nn.Module):
    """Two linear maps around a GELU, four times wider inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.contract(functional.gelu(self.expand(x)))
        return out


class KeyLayer(nn.Module):
    """Invariant point attention, attention over residues, MLP: (B, L, C) -> (B, L, C)."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        width = config.width
        self.modulation = Modulation(width, 6)
        self.norm = nn.LayerNorm(width)
        self.ipa = InvariantPointAttention(
            width, config.ipa_heads, config.ipa_channels, config.ipa_query_points, config.ipa_value_points
        )
        self.over_residues = RotaryAttention(width, config.n_heads)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, time: Tensor, rigids: Rigids, mask: Tensor, padding: Tensor | None) -> Tensor:
        shift_l, scale_l, gate_l, shift_m, scale_m, gate_m = self.modulation.at(time, x)
        x = x + self.ipa(self.norm(x), rigids, mask)
        x = torch.addcmul(x, gate_l, self.over_residues(modulated_norm(x, shift_l, scale_l), padding))
        return torch.addcmul(x, gate_m, self.mlp(modulated_norm(x, shift_m, scale_m)))


class Layer(nn.Module):
    """Attention over residues, attention or convolution over frames, MLP: (B, T, L, C) -> (B, T, L, C)."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        width = config.width
        self.modulation = Modulation(width, 9)
        self.over_residues = RotaryAttention(width, config.n_heads)
        self.over_time: HyenaOperator | RotaryAttention = (
            HyenaOperator(width, config.n_frames)
            if config.time_mixer == "hyena"
            else RotaryAttention(width, config.n_heads)
        )
        self.mlp = Mlp(width)

    def kernel(self, n_frames: int) -> Tensor | None:
        """What the convolution over time, if there is one, can compute beforehand."""
        return self.over_time.spectrum(n_frames) if isinstance(self.over_time, HyenaOperator) else None

    def forward(self, x: Tensor, time: Tensor, padding: Tensor | None, kernel: Tensor | None) -> Tensor:
        shift_l, scale_l, gate_l, shift_t, scale_t, gate_t, shift_m, scale_m, gate_m = self.modulation.at(time, x)
        x = torch.addcmul(x, gate_l, self.over_residues(modulated_norm(x, shift_l, scale_l), padding))
        h = modulated_norm(x, shift_t, scale_t)
        if isinstance(self.over_time, HyenaOperator):
            h = self.over_time(h, kernel)
        else:
            h = self.over_time.over_frames(h, padding)
        x = torch.addcmul(x, gate_t, h)
        return torch.addcmul(x, gate_m, self.mlp(modulated_norm(x, shift_m, scale_m)))


class Readout(nn.Module):
    """Modulated norm and a linear map to the token's channels."""

    def __init__(self, width: int, n_channels: int) -> None:
        super().__init__()
        self.modulation = Modulation(width, 2)
        self.linear = nn.Linear(width, n_channels)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        out: Tensor = self.linear(modulated_norm(x, *self.modulation.at(time, x)))
        return out


class IdentityHead(nn.Module):
    """Logits over residue types, one per residue and trajectory: (B, T, L, C) -> (B, L, 20)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(N_IDENTITY, width)
        self.per_frame = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.pooled = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, N_IDENTITY))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pooled(self.per_frame(x).mean(1))
        return out

"""A Hyena long convolution over frames (Poli et al., ICML 2023), as the published long-trajectory network uses it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from openmm_mdgen.errors import MDGenError

_FILTER_WIDTH = 64
_SHORT = 3


class HyenaOperator(nn.Module):
    """Gated long convolution whose filter is a small network of the frame's number.

    Parameters
    ----------
    width : int
        Channels.
    max_frames : int
        Longest trajectory.

    Notes
    -----
    The long filter reaches from a frame into its future and the short one into its past: the published code takes the
    second half of the full convolution. Weights were trained with it, so it stays.
    """

    def __init__(self, width: int, max_frames: int) -> None:
        super().__init__()
        self.width, self.max_frames = width, max_frames
        self.project = nn.Linear(width, 3 * width)
        self.short_filter = nn.Conv1d(3 * width, 3 * width, _SHORT, padding=_SHORT - 1, groups=3 * width)
        self.long_filter = LongFilter(width, max_frames)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, kernel: Tensor) -> Tensor:
        """x (B, T, L, C), kernel from `spectrum` -> (B, T, L, C)."""
        n_frames, n_residues = x.shape[1:3]
        x = self.project(x).permute(0, 2, 3, 1).flatten(0, 1)  # BL 3C T
        gate_out, gate_in, value = self.short_filter(x)[..., :n_frames].chunk(3, 1)
        value = value * gate_in
        size = 2 * n_frames
        mixed = torch.fft.irfft(torch.fft.rfft(value, n=size) * kernel, n=size)[..., n_frames - 1 : size - 1]
        mixed = (mixed + value * self.long_filter.skip.unsqueeze(-1)) * gate_out
        out: Tensor = self.output(mixed.unflatten(0, (-1, n_residues)).permute(0, 3, 1, 2))
        return out

    def spectrum(self, n_frames: int) -> Tensor:
        """Fourier transform (C, T + 1) of the long filter; the same at every flow time.

        Raises
        ------
        MDGenError
            For more frames than the filter was made for.
        """
        if n_frames > self.max_frames:
            raise MDGenError(
                f"{n_frames} frames exceed the {self.max_frames} of this checkpoint's convolution; "
                f"choose at most {self.max_frames} frames per window"
            )
        out: Tensor = torch.fft.rfft(self.long_filter(n_frames).T, n=2 * n_frames)
        return out


class LongFilter(nn.Module):
    """Filter taps as a sine network of the frame's number, damped exponentially.

    Parameters
    ----------
    width : int
        Channels.
    max_frames : int
        Longest filter.
    """

    time: Tensor
    decay: Tensor

    def __init__(self, width: int, max_frames: int) -> None:
        super().__init__()
        time = torch.linspace(0, 1, max_frames)
        angle = 2 * math.pi * 1e-4 * torch.arange(max_frames) / max_frames
        self.features = nn.Parameter(torch.stack((time, angle.cos(), -angle.sin()), -1).unsqueeze(0))  # 1 T 3
        self.register_buffer("time", time.reshape(1, -1, 1))
        decay = torch.linspace(math.log(0.01) / 1.5, math.log(0.01) / 0.3, width)
        self.register_buffer("decay", decay.reshape(1, 1, -1))
        self.skip = nn.Parameter(torch.randn(width))
        self.hidden = nn.ModuleList(nn.Linear(n_in, _FILTER_WIDTH) for n_in in (3, _FILTER_WIDTH, _FILTER_WIDTH))
        self.frequencies = nn.ParameterList(torch.ones(1, _FILTER_WIDTH) for _ in self.hidden)
        self.out = nn.Linear(_FILTER_WIDTH, width, bias=False)

    def forward(self, n_frames: int) -> Tensor:
        """Taps (T, C)."""
        x = self.features[0, :n_frames]
        for layer, frequency in zip(self.hidden, self.frequencies, strict=True):
            x = torch.sin(frequency * layer(x))
        out: Tensor = self.out(x) * torch.exp(-self.time[0, :n_frames] * self.decay[0].abs())
        return out

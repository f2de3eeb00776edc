"""How the motion inside a gap is coloured: its spectrum, and how the channels of neighbouring residues move together.

Between two key frames internal coordinates move at all frequencies at once, the slow modes widely, the fast ones ten
times less, and never alone: where psi turns forth the next phi turns back, or the rest of the chain would have to
swing along. White noise knows neither, and a network that has to learn both learns little else. So tokens are
*whitened*: a sine transform over the gap, in which the motion vanishes at both key frames, and for each of its modes a
regression of every residue on the one before and a triangular mixing of its own channels. What is left has about unit
variance in every mode and channel and is nearly uncorrelated; the inverse turns white noise into motion that is
coloured and coupled like MD's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class GapSpectra:
    """Second moments of the motion inside gaps, for several pairs of a spacing and an interval.

    Attributes
    ----------
    pairs : Tensor (P, 2)
        ps between key frames, and between the frames inside.
    frequencies : Tensor (P, K)
        1/ps, rising; centres of the bands in which the moments were measured.
    variance : Tensor (P, K, R, 16)
        Of a mode of the sine transform, by residue type, radians^2 and Å^2.
    own : Tensor (P, K, 16, 16)
        Correlation of the channels of one residue.
    before : Tensor (P, K, 16, 16)
        Correlation of the channels of a residue (rows) with those of the one before (columns).
    mean : Tensor (R, 16)
        Lengths and angles by residue type, Å and radians; 0 for torsions.
    kept : Tensor (16,)
        How much of a key frame's deviation from that mean lasts through a gap: little, since lengths and angles are
        forgotten within 0.1 ps.
    temperature : Tensor () or None
        K, at which the variance was measured: that of harmonic motion is proportional to it, so it is scaled to what is
        asked for. None where the weights know one temperature.
    """

    pairs: Tensor
    frequencies: Tensor
    variance: Tensor
    own: Tensor
    before: Tensor
    mean: Tensor
    kept: Tensor
    temperature: Tensor | None = None

    def nearest(self, spacing: float, interval: float) -> int:
        """Which of the measured pairs is nearest on a double-logarithmic plane."""
        distance = (self.pairs.double().log() - torch.tensor([spacing, interval]).double().log()).abs()
        return int((distance[:, 1] + 0.1 * distance[:, 0]).argmin())


def sine_transform(n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Orthonormal sine transform (n, n) of n frames inside a gap, its own inverse; mode k has k + 1 half waves."""
    k = torch.arange(1, n + 1, dtype=torch.float64)
    return (math.sqrt(2 / (n + 1)) * torch.sin(math.pi * k[:, None] * k / (n + 1))).to(dtype)


def mode_frequencies(n: int, spacing: float) -> Tensor:
    """Frequencies (n,) of the modes in 1/ps."""
    return torch.arange(1, n + 1) / (2 * spacing)


class GapColour:
    """White noise to motion and back, for one chain, spacing and interval.

    Parameters
    ----------
    scale : Tensor (N, L, 16)
        Deviation of each mode.
    carry, spread : Tensor (N, L, 16, 16)
        What a residue takes from the one before, and what it makes of its own noise (lower triangular).

    Notes
    -----
    All three may carry a batch dimension in front.
    """

    def __init__(self, scale: Tensor, carry: Tensor, spread: Tensor) -> None:
        self.scale, self.carry, self.spread = scale, carry, spread
        self._transform = sine_transform(scale.shape[-3], scale.dtype).to(scale.device)

    @classmethod
    def from_bands(cls, bands: BandColour, n_between: int, spacing: float) -> GapColour:
        """From the bands of a chain (or of a batch of chains, stacked) to the modes of a gap."""
        weights = _band_weights(bands.frequencies, mode_frequencies(n_between, spacing)).to(bands.scale)
        return cls(
            torch.einsum("nk,...klc->...nlc", weights, bands.scale.log()).exp(),
            torch.einsum("nk,...klcd->...nlcd", weights, bands.carry),
            torch.einsum("nk,...klcd->...nlcd", weights, bands.spread),
        )

    def to(self, device: torch.device | str) -> GapColour:
        """A copy on another device."""
        return GapColour(self.scale.to(device), self.carry.to(device), self.spread.to(device))

    def colour(self, white: Tensor) -> Tensor:
        """Motion (B, N, L, 16) of white tokens (B, N, L, 16)."""
        own = (self.spread @ self._modes(white).unsqueeze(-1)).squeeze(-1)  # (B, N, L, 16)
        found = [own[:, :, 0]]
        for i in range(1, own.shape[2]):
            found.append(own[:, :, i] + (self.carry[..., i, :, :] @ found[-1].unsqueeze(-1)).squeeze(-1))
        return self._modes(torch.stack(found, 2) * self.scale)

    def whiten(self, motion: Tensor) -> Tensor:
        """Inverse of `colour`."""
        x = self._modes(motion) / self.scale
        rest = x.clone()
        if x.shape[2] > 1:
            rest[:, :, 1:] -= (self.carry[..., 1:, :, :] @ x[:, :, :-1, :, None]).squeeze(-1)
        spread = self.spread.expand(*rest.shape, rest.shape[-1])
        return self._modes(torch.linalg.solve_triangular(spread, rest.unsqueeze(-1), upper=False).squeeze(-1))

    def _modes(self, x: Tensor) -> Tensor:
        return torch.einsum("kn,bnlc->bklc", self._transform.to(x), x)


@dataclass(frozen=True)
class BandColour:
    """`GapColour` of one chain at the frequencies of the bands: (K,), (K, L, 16), (K, L, 16, 16) twice."""

    frequencies: Tensor
    scale: Tensor
    carry: Tensor
    spread: Tensor


def chain_colour(
    spectra: GapSpectra,
    pair: int,
    sequence: Tensor,
    exists: Tensor,
    interval: float,
    temperature: float | None = None,
) -> BandColour:
    """The bands' colour of a chain.

    Parameters
    ----------
    spectra : GapSpectra
    pair : int
        Which of its pairs.
    sequence : Tensor (L,) of int
        Residue types.
    exists : Tensor (L, 16) of bool
        Channels that are not there keep to themselves.
    interval : float
        ps; the variance of a mode grows with the number of frames in a time.
    temperature : float, optional
        K, default that of the spectra.
    """
    finer = float(spectra.pairs[pair, 1]) / interval
    if temperature is not None and spectra.temperature is not None:
        finer *= temperature / float(spectra.temperature)
    scale = (spectra.variance[pair][:, sequence].double() * finer).sqrt()
    own, before = spectra.own[pair].double(), spectra.before[pair].double()
    eye = torch.eye(own.shape[-1], dtype=torch.float64)
    carries, spreads = [], []
    for i, here in enumerate(exists):
        both = here[:, None] & here
        own_here = torch.where(both, own, eye)
        carry, left = torch.zeros_like(own), own_here
        if i:
            there = exists[i - 1]
            own_there = torch.where(there[:, None] & there, own, eye)
            cross = torch.where(here[:, None] & there, before, 0.0)
            carry = torch.linalg.solve(own_there, cross.mT).mT
            left = own_here - carry @ cross.mT
        carries.append(carry)
        spreads.append(torch.linalg.cholesky(_positive(left)))
    return BandColour(
        spectra.frequencies[pair], scale.float(), torch.stack(carries, 1).float(), torch.stack(spreads, 1).float()
    )


def _positive(matrices: Tensor, least: float = 0.02) -> Tensor:
    """Symmetric matrices with eigenvalues of at least ``least``: moments of different residues may contradict."""
    values, vectors = torch.linalg.eigh((matrices + matrices.mT) / 2)
    out: Tensor = vectors @ (values.clamp_min(least).unsqueeze(-1) * vectors.mT)
    return out


def _band_weights(bands: Tensor, frequencies: Tensor) -> Tensor:
    """Weights (N, K) that interpolate between bands, linear in the logarithm of the frequency."""
    x, at = bands.double().log(), frequencies.double().log()
    right = torch.searchsorted(x, at).clamp(1, len(x) - 1) if len(x) > 1 else torch.zeros(len(at), dtype=torch.long)
    left = (right - 1).clamp_min(0)
    share = ((at - x[left]) / (x[right] - x[left]).clamp_min(1e-9)).clamp(0, 1)
    weights = torch.zeros(len(at), len(x), dtype=torch.float64)
    weights.scatter_add_(1, left[:, None], (1 - share)[:, None]).scatter_add_(1, right[:, None], share[:, None])
    return weights


def stack_colours(bands: list[BandColour]) -> BandColour:
    """Of several chains of one length, as a batch."""
    return BandColour(
        bands[0].frequencies,
        torch.stack([band.scale for band in bands]),
        torch.stack([band.carry for band in bands]),
        torch.stack([band.spread for band in bands]),
    )


def band_edges(n_modes: int, n_bands: int = 10) -> list[int]:
    """First modes of bands that widen with the frequency, and one past the last."""
    edges = torch.logspace(0, math.log10(n_modes + 1), n_bands + 1, dtype=torch.float64).round().long() - 1
    return sorted(set(edges.tolist()) | {0, n_modes})


class SpectraSums:
    """Running sums of the moments of one pair, over gaps of any chains.

    Few gaps in which a torsion changes its well would dominate mean squares, and the many quiet ones be given several
    times their motion. So scales come from mean absolute values, and correlations from values clipped at three scales.
    """

    clip = 3.0

    def __init__(self, n_modes: int, n_types: int, n_channels: int) -> None:
        self.edges = band_edges(n_modes)
        k = len(self.edges) - 1
        self.size, self.count = torch.zeros(2, k, n_types, n_channels, dtype=torch.float64)
        self.own, self.own_count = torch.zeros(2, k, n_channels, n_channels, dtype=torch.float64)
        self.before, self.before_count = torch.zeros(2, k, n_channels, n_channels, dtype=torch.float64)

    def add_sizes(self, motion: Tensor, sequence: Tensor, exists: Tensor) -> None:
        """First pass: gaps (G, N, L, 16) of one chain with types (L,) and channels (L, 16)."""
        for band, part in enumerate(self._bands(motion, exists)):
            self.size[band].index_add_(0, sequence, part.abs().sum((0, 1)))
            self.count[band].index_add_(0, sequence, part.shape[0] * part.shape[1] * exists.double())

    def add_products(self, motion: Tensor, sequence: Tensor, exists: Tensor, scale: Tensor) -> None:
        """Second pass, with the scales (K, R, 16) that `scales` gave after the first."""
        here = exists.double()
        for band, part in enumerate(self._bands(motion, exists)):
            part = (part / scale[band, sequence]).clamp(-self.clip, self.clip)
            n = part.shape[0] * part.shape[1]
            self.own[band] += torch.einsum("gklc,gkld->cd", part, part)
            self.own_count[band] += n * here.T @ here
            if len(sequence) > 1:
                self.before[band] += torch.einsum("gklc,gkld->cd", part[:, :, 1:], part[:, :, :-1])
                self.before_count[band] += n * here[1:].T @ here[:-1]

    def scales(self, prior: float = 500.0) -> Tensor:
        """Scales (K, R, 16), rare types drawn to the mean of all."""
        of_all = self.size.sum(1, keepdim=True) / self.count.sum(1, keepdim=True).clamp_min(1)
        mean = (self.size + prior * of_all) / (self.count + prior)
        out: Tensor = (mean * math.sqrt(math.pi / 2)).clamp_min(1e-5)
        return out

    def correlations(self) -> tuple[Tensor, Tensor]:
        """Own and before, (K, 16, 16) each."""
        own = self.own / self.own_count.clamp_min(1)
        before = self.before / self.before_count.clamp_min(1)
        size = own.diagonal(dim1=-2, dim2=-1).clamp_min(1e-12).sqrt()
        unit = size.unsqueeze(-1) * size.unsqueeze(-2)
        eye = torch.eye(own.shape[-1], dtype=own.dtype)
        return torch.where(eye > 0, 1.0, own / unit), before / unit

    def frequencies(self, spacing: float) -> Tensor:
        """Centres of the bands (K,) in 1/ps."""
        n = torch.tensor(self.edges, dtype=torch.float64)
        return ((n[:-1] + 1) * n[1:]).sqrt() / (2 * spacing)

    def _bands(self, motion: Tensor, exists: Tensor) -> list[Tensor]:
        x = torch.einsum("kn,gnlc->gklc", sine_transform(motion.shape[1], torch.float64), motion.double()) * exists
        return [x[:, a:b] for a, b in pairwise(self.edges)]

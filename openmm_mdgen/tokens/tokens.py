"""Internal coordinates to tokens and back, and what a network is told beforehand.

A token stands for one residue at one frame. Its channels are sine and cosine of the seven torsions, then the lengths
and angles of `geometry.internal`, all standardised with the training set's mean and deviation. Tokens do not change
when a molecule is moved or turned, so no superposition is needed before training, and the key frame needs no frame of
reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from openmm_mdgen.geometry.internal import INTERNAL, TORSIONS
from openmm_mdgen.geometry.sidechains import CAPS, TYPES

N_TORSIONS = len(TORSIONS)
CHANNELS = (
    *(f"{function} {name}" for name in TORSIONS for function in ("sin", "cos")),
    *INTERNAL[N_TORSIONS:],
)
N_CHANNELS = len(CHANNELS)
N_GIVEN = 2 * N_TORSIONS  # lengths and angles are forgotten within 0.1 ps, so only torsions are given
UNKNOWN = len(TYPES)  # padding, and residues whose identity is not told
BEFORE, AFTER = len(TYPES) + 1, len(TYPES) + 2  # what stands before the first and after the last residue
N_TYPES = len(TYPES) + 3
N_IDENTITIES = len(TYPES) - len(CAPS)  # the caps come last


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of every channel, (23,) each, over the training set."""

    mean: Tensor
    std: Tensor


class Conditioning(NamedTuple):
    """What is told to the network beside the noise.

    Attributes
    ----------
    sequence : Tensor (B, L) of int
        Indices into ``TYPES``; `UNKNOWN` where the identity is not told, and in padding.
    exists : Tensor (B, L, C) of bool
        Which channels a residue has; padding has none.
    given : Tensor (B, T, L) of bool
        Which tokens are conditioned on.
    values : Tensor (B, T, L, C)
        Tokens at least where ``given``.
    interval : Tensor (B,)
        ps between frames.
    span : Tensor (B, T, L, 9) or None
        Where residues are given in every frame: how the given ones lie to each other, see `spans`.
    neighbours_told : Tensor (B, L) of bool or None
        Residues that are told what stands before and after them; None for all.
    temperature : Tensor (B,) or None
        K; read by networks that were trained at several temperatures.
    residue_mask : Tensor (B, L) of bool or None
        False for padding; None where nothing is padded, which is faster and is told here, since to look would make the
        network wait for the device.
    """

    sequence: Tensor
    exists: Tensor
    given: Tensor
    values: Tensor
    interval: Tensor
    span: Tensor | None = None
    neighbours_told: Tensor | None = None
    temperature: Tensor | None = None
    residue_mask: Tensor | None = None

    def to(self, device: torch.device | str) -> Conditioning:
        """A copy on another device."""
        return Conditioning(*(None if x is None else x.to(device) for x in self))  # type: ignore[arg-type]

    def part(self, which: slice) -> Conditioning:
        """Some of the windows."""
        return Conditioning(*(None if x is None else x[which] for x in self))  # type: ignore[arg-type]


def sequence_to_indices(residue_types: tuple[str, ...]) -> Tensor:
    """Indices (L,) into ``TYPES`` of canonical three-letter names, caps included."""
    return torch.tensor([TYPES.index(t) for t in residue_types])


def internal_to_channels(exists: Tensor) -> Tensor:
    """Which channels (..., L, 23) exist, from which internal coordinates (..., L, 16) do."""
    return torch.cat((exists[..., :N_TORSIONS].repeat_interleave(2, -1), exists[..., N_TORSIONS:]), -1)


def internal_to_tokens(internal: Tensor, exists: Tensor, normalization: Normalization) -> Tensor:
    """Standardised tokens (..., L, 23) of internal coordinates (..., L, 16); 0 where a channel does not exist."""
    torsions = internal[..., :N_TORSIONS]
    pairs = torch.stack((torsions.sin(), torsions.cos()), -1).flatten(-2)
    raw = torch.cat((pairs, internal[..., N_TORSIONS:]), -1)
    tokens = (raw - normalization.mean.to(raw)) / normalization.std.to(raw)
    return tokens * internal_to_channels(exists).to(tokens.device)


def tokens_to_internal(tokens: Tensor, normalization: Normalization) -> Tensor:
    """Internal coordinates (..., L, 16) of standardised tokens (..., L, 23)."""
    raw = tokens * normalization.std.to(tokens) + normalization.mean.to(tokens)
    pairs = raw[..., : 2 * N_TORSIONS].unflatten(-1, (N_TORSIONS, 2))
    return torch.cat((torch.atan2(pairs[..., 0], pairs[..., 1]), raw[..., 2 * N_TORSIONS :]), -1)


def changed_tokens(tokens: Tensor, change: Tensor, normalization: Normalization) -> Tensor:
    """Tokens (..., L, 23) with a change of internal coordinates (..., L, 16): torsions turn and keep their certainty.

    An estimate of a sine and cosine is shorter than 1 where it is uncertain; turning it leaves its length.
    """
    raw = tokens * normalization.std.to(tokens) + normalization.mean.to(tokens)
    sin, cos = raw[..., : 2 * N_TORSIONS].unflatten(-1, (N_TORSIONS, 2)).unbind(-1)
    turn = change[..., :N_TORSIONS].to(tokens)
    turned = torch.stack((sin * turn.cos() + cos * turn.sin(), cos * turn.cos() - sin * turn.sin()), -1).flatten(-2)
    raw = torch.cat((turned, raw[..., 2 * N_TORSIONS :] + change[..., N_TORSIONS:].to(tokens)), -1)
    return (raw - normalization.mean.to(raw)) / normalization.std.to(raw)

"""The published code's numbers, to be compared on any processor.

Two things in them were decided by the processor that made them: omega of the first residue, which has no residue before
it and is computed from rounding noise, and the sign of the quaternion between two key frames, which is left to an
eigensolver. Both are taken from the numbers themselves: omega as it stands there, and the signs under which the first
velocity agrees best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.published.checkpoint import read_published
from openmm_mdgen.published.rigids import Rigids, rotation_to_quaternion
from openmm_mdgen.published.tokens import EncodedTokens


class PublishedNumbers:
    """One setting.

    Attributes
    ----------
    arrays : dict of str to Tensor
        What the published code computed.
    checkpoint
        Its checkpoint, imported.
    encoded : EncodedTokens
        Our encoding of its coordinates.
    velocity : callable
        ``velocity(x_t (B, T, L, C), t (B,))``.
    """

    def __init__(self, folder: Path, name: str) -> None:
        arrays = np.load(folder / f"{name}.npz")
        self.arrays = {key: torch.from_numpy(arrays[key]) for key in arrays.files if arrays[key].dtype.kind in "fi"}
        self.checkpoint = read_published(folder / f"{name}.ckpt")
        tokens = self.checkpoint.tokens
        encoded = tokens.encode(self["atom14"], self["aatype"], self["mask"])
        self.encoded = _with_first_omega(encoded, self["latents"], tokens.n_offsets)
        network, told = self.checkpoint.network, self.encoded.conditioning
        if network.embed_forward is not None:
            plain = network.velocity
            _choose_signs(network, lambda: plain(told)(self["noise"], torch.zeros(2)), self["velocity_t0"])
        self.velocity: Callable[[Tensor, Tensor], Tensor] = network.velocity(told)

    def __getitem__(self, key: str) -> Tensor:
        return self.arrays[key]


def _with_first_omega(encoded: EncodedTokens, latents: Tensor, n_offsets: int) -> EncodedTokens:
    """The tokens with omega of the first residue, which is nothing, as the published code has it."""
    values = encoded.values.clone()
    values[:, :, 0, n_offsets : n_offsets + 2] = latents[:, :, 0, n_offsets : n_offsets + 2].to(values)
    told = encoded.conditioning
    return replace(encoded, values=values, conditioning=replace(told, values=values * told.given.unsqueeze(-1)))


def _choose_signs(network: Any, velocity: Callable[[], Tensor], expected: Tensor) -> None:
    """Give the key frames' quaternions (both ways, B, L) the signs with which the velocity agrees best."""
    n_batch, _, n_residues, _ = expected.shape
    best = torch.full((n_batch,), float("inf"))
    signs = torch.ones(2, n_batch, n_residues)
    for pattern in product((1.0, -1.0), repeat=2 * n_residues):
        tried = torch.tensor(pattern).reshape(2, 1, n_residues).expand(2, n_batch, n_residues)
        network._features = _signed(tried)
        apart = (velocity() - expected).abs().flatten(1).amax(1)
        better = apart < best
        best = torch.where(better, apart, best)
        signs = torch.where(better[:, None], tried, signs)
    network._features = _signed(signs)


def _signed(signs: Tensor) -> Callable[[Rigids], Tensor]:
    """What stands in for a network's features of the rigids between key frames: backward first, then forward."""
    calls = iter(range(1_000_000))

    def features(rigids: Rigids) -> Tensor:
        sign = signs[next(calls) % 2].unsqueeze(-1)
        return torch.cat((sign * rotation_to_quaternion(rigids.rotation), rigids.translation), -1)

    return features

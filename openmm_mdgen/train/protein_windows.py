"""Random windows of protein trajectories, cropped along the chain, padded to a batch, as the published tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.published.atoms import canonical_pose
from openmm_mdgen.published.residues import tables
from openmm_mdgen.published.rigids import Rigids
from openmm_mdgen.published.tokens import EncodedTokens, PublishedConditioning, PublishedTokens
from openmm_mdgen.train.protein_cache import ProteinCache, ProteinSegment

_SAME = 1e-3  # relative difference of intervals


@dataclass(frozen=True)
class ProteinWindowConfig:
    """What windows hold; the defaults are the paper's for proteins.

    Attributes
    ----------
    n_frames : int
        Frames of a window.
    interval : float
        ps between them.
    crop : int
        Residues at most; longer chains are cut at a random place.
    batch : int
        Windows of a step, over all processes.
    """

    n_frames: int = 250
    interval: float = 400.0
    crop: int = 256
    batch: int = 1


class ProteinWindows:
    """Draws batches; window ``i`` of step ``k`` is a pure function of (seed, k, i), whoever draws it.

    Parameters
    ----------
    cache : ProteinCache
    tokens : PublishedTokens
    config : ProteinWindowConfig

    Raises
    ------
    MDGenError
        Where no trajectory has frames at the interval, or enough of them.
    """

    def __init__(self, cache: ProteinCache, tokens: PublishedTokens, config: ProteinWindowConfig) -> None:
        self.cache, self.tokens, self.config = cache, tokens, config
        strides = [(segment, _stride(segment.interval, config.interval)) for segment in cache.segments]
        fitting = [(segment, stride) for segment, stride in strides if stride]
        if not fitting:
            found = ", ".join(sorted({f"{segment.interval:g}" for segment in cache.segments}))
            raise MDGenError(
                f"no trajectory has frames {config.interval:g} ps apart (found: every {found} ps); choose --interval, "
                "a multiple of one of them"
            )
        self.pool = [(s, stride) for s, stride in fitting if s.n_frames > (config.n_frames - 1) * stride]
        if not self.pool:
            longest = max((segment.n_frames - 1) // stride + 1 for segment, stride in fitting)
            raise MDGenError(
                f"the longest trajectory has {longest} frames {config.interval:g} ps apart, a window needs "
                f"{config.n_frames}; choose --frames {longest} or less"
            )

    @property
    def lengths(self) -> tuple[int, int]:
        """Fewest and most residues of a window."""
        sizes = [min(len(segment.residues), self.config.crop) for segment, _ in self.pool]
        return min(sizes), max(sizes)

    def draw(self, seed: int, step: int, rank: int = 0, world: int = 1) -> EncodedTokens:
        """This process' share of batch number ``step``."""
        return pad([self.window(seed, step, i) for i in range(rank, self.config.batch, world)])

    def window(self, seed: int, step: int, number: int) -> EncodedTokens:
        """One window, as a batch of one."""
        rng = np.random.default_rng([seed, step, number])
        segment, stride = self.pool[rng.integers(len(self.pool))]
        last = segment.n_frames - (self.config.n_frames - 1) * stride
        start = int(rng.integers(last))
        cut = int(rng.integers(max(0, len(segment.residues) - self.config.crop) + 1))
        part = slice(cut, cut + self.config.crop)
        frames = self.cache.frames(segment)[start : start + self.config.n_frames * stride : stride, part]
        return encode_window(self.tokens, torch.from_numpy(np.array(frames[: self.config.n_frames])), segment, part)


def encode_window(tokens: PublishedTokens, atom14: Tensor, segment: ProteinSegment, part: slice) -> EncodedTokens:
    """Tokens of frames (T, L, 14, 3) in Å, superposed on the first and in the pose that the sampler uses."""
    residues = torch.tensor(segment.residues[part])
    exists = torch.from_numpy(tables().slot_mask)[residues]
    atoms = atom14.double()[:, exists]
    placed = atom14.double().clone()
    placed[:, exists] = superpose(atoms, atoms[:1])
    pose = canonical_pose(placed[:1]).inverse()
    placed = pose[0].apply(placed) * exists.unsqueeze(-1)
    return tokens.encode(placed[None], residues[None])


def pad(windows: Sequence[EncodedTokens]) -> EncodedTokens:
    """Windows of one each as a batch, padded to the longest chain; padding counts nowhere and is seen by nobody."""
    longest = max(window.conditioning.residues.shape[-1] for window in windows)

    def rigids(name: str) -> Rigids:
        parts = [getattr(window.conditioning, name) for window in windows]
        eye = torch.eye(3, dtype=parts[0].rotation.dtype)
        rotations = []
        for x in parts:
            rotation = _padded(x.rotation, 3, longest)
            rotation[:, x.rotation.shape[1] :] = eye
            rotations.append(rotation)
        return Rigids(torch.cat(rotations), torch.cat([_padded(x.translation, 2, longest) for x in parts]))

    conditioning = PublishedConditioning(
        values=torch.cat([_padded(w.conditioning.values, 2, longest) for w in windows]),
        given=torch.cat([_padded(w.conditioning.given, 1, longest) for w in windows]),
        first=rigids("first"),
        last=rigids("last"),
        residues=torch.cat([_padded(w.conditioning.residues, 1, longest) for w in windows]),
        mask=torch.cat([_padded(w.conditioning.mask, 1, longest) for w in windows]),
    )
    return EncodedTokens(
        torch.cat([_padded(w.values, 2, longest) for w in windows]),
        torch.cat([_padded(w.counts, 2, longest) for w in windows]),
        conditioning,
    )


def _padded(x: Tensor, axis: int, size: int) -> Tensor:
    """x with zeros behind, along the axis counted from the end."""
    behind = size - x.shape[-axis]
    return functional.pad(x, (*(0, 0) * (axis - 1), 0, behind))


def _stride(found: float, wanted: float) -> int:
    """How many frames an interval spans; 0 where it is no multiple."""
    stride = round(wanted / found) if found > 0 else 0
    return stride if stride and abs(stride * found - wanted) <= _SAME * wanted else 0

"""Frames whose atoms overlap are bent a little, or borrow side chains from the frames beside them, until they do not.

Torsions that are each likely can put two atoms into one place together. In the MD of the training set no two heavy
atoms four or more bonds apart come closer than 2.4 Å; of frames as generated, 5 to 11 % have such a pair. Changing
their torsions by a few degrees is enough for most.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from openmm_mdgen.geometry.internal import CHI1, TORSIONS, InternalCoordinates

CLOSEST = 2.4  # Å
BENDS = (0.05, 0.1, 0.1, 0.15, 0.15, 0.2, 0.2, 0.3, 0.3)  # radians, standard deviations of the candidates, in turn
BORROWED = (-1, 1, -2, 2)  # frames away, whose side chains and then whose torsions are tried after that


class ClashRepair:
    """Finds and mends overlapping heavy atoms of one peptide.

    Parameters
    ----------
    internal : InternalCoordinates
    decode : callable
        Internal coordinates (F, L, 16) to positions (F, N, 3) in Å.
    """

    def __init__(self, internal: InternalCoordinates, decode: Callable[[Tensor], Tensor]) -> None:
        self._decode = decode
        self._pairs = far_pairs(internal)
        self._exists = internal.exists

    def closest(self, frames: Tensor) -> Tensor:
        """Smallest distance (F,) in Å between heavy atoms four or more bonds apart, of frames (F, N, 3)."""
        if not self._pairs.numel():
            return frames.new_full(frames.shape[:1], torch.inf)
        a, b = self._pairs
        return (frames[:, a] - frames[:, b]).square().sum(-1).amin(-1).sqrt()

    def __call__(self, internal: Tensor, frames: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Mend one block.

        Parameters
        ----------
        internal : Tensor (T, L, 16)
        frames : Tensor (T, N, 3)
            Å, decoded from ``internal``.
        seed : int
            The result is a function of it and of the block.

        Returns
        -------
        internal, frames
            The same where nothing overlaps; else the first candidate that does not, or the one that overlaps least.
        """
        bad = (self.closest(frames) < CLOSEST).nonzero().squeeze(-1)
        if not len(bad):
            return internal, frames
        candidates = self._candidates(internal, bad, torch.Generator().manual_seed(seed))  # (K, bad, L, 16)
        built = self._decode(candidates.flatten(0, 1))
        distance = self.closest(built).unflatten(0, candidates.shape[:2])
        fine = distance >= CLOSEST
        chosen = torch.where(fine.any(0), fine.int().argmax(0), distance.argmax(0))
        internal, frames, place = internal.clone(), frames.clone(), torch.arange(len(bad))
        internal[bad] = candidates[chosen, place]
        frames[bad] = built.unflatten(0, candidates.shape[:2])[chosen, place]
        return internal, frames

    def _candidates(self, internal: Tensor, bad: Tensor, generator: torch.Generator) -> Tensor:
        now, out = internal[bad], []
        turns = self._exists.clone()
        turns[:, len(TORSIONS) :] = False
        turns[:, 0] = False  # omega stays planar
        for width in BENDS:
            out.append(now + width * torch.randn(now.shape, generator=generator, dtype=now.dtype) * turns)
        for first in (CHI1, 1):
            for away in BORROWED:
                lent = internal[(bad + away).clamp(0, len(internal) - 1)]
                out.append(
                    torch.cat((now[..., :first], lent[..., first : len(TORSIONS)], now[..., len(TORSIONS) :]), -1)
                )
        return torch.stack(out)


def far_pairs(internal: InternalCoordinates) -> Tensor:
    """Pairs (2, P) of heavy atoms four or more bonds apart."""
    n = internal.n_atoms
    bonded = torch.eye(n, dtype=torch.bool)
    for a, b in internal.bonds:
        bonded[a, b] = bonded[b, a] = True
    step, near = bonded.float(), bonded.float()
    for _ in range(2):
        near = ((near @ step) > 0).float()
    heavy = torch.zeros(n, dtype=torch.bool)
    heavy[internal.heavy_atoms] = True
    apart = (near == 0) & heavy[:, None] & heavy[None, :]
    return apart.triu(1).nonzero().T

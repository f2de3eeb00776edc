"""What a filler loses of a key frame, carried across the gap: key frames come back exactly and without a jump."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.upsampling.references import (
    bonds_to_references,
    internal_to_positions,
    local_frames,
    positions_to_internal,
)


class Residual:
    """Original less decoded key frame, interpolated over the gap and added to the filler's frames.

    Heavy atoms carry it as a vector in axes of their own (the bond to a neighbour and its plane), hydrogens as
    differences of bond length, angle and torsion, the torsions of one heavy atom's hydrogens turning together. So a
    methyl group turned in the key frame turns in the gap, at its length.

    Parameters
    ----------
    bonds
        (B, 2) indices.
    symbols
        (N,) element symbols.
    """

    def __init__(self, bonds: np.ndarray, symbols: np.ndarray) -> None:
        self.references = bonds_to_references(bonds, symbols)

    def add(self, frames: np.ndarray, decoded: np.ndarray, originals: np.ndarray) -> np.ndarray:
        """Frames that lead from one original key frame to the next.

        Parameters
        ----------
        frames
            (G, M - 1, N, 3) Å, the filler's, between the key frames as it sees them.
        decoded, originals
            (G, 2, N, 3) Å: the key frames at both ends of each gap as the filler sees them, and as they are.

        Returns
        -------
        numpy.ndarray
            (G, M - 1, N, 3) Å, in the precision of the frames.
        """
        given = (torch.from_numpy(np.ascontiguousarray(x, dtype=frames.dtype)) for x in (frames, decoded, originals))
        out: np.ndarray = self._added(*given).numpy()
        return out

    def _added(self, frames: Tensor, decoded: Tensor, originals: Tensor) -> Tensor:
        fraction = torch.arange(1, frames.shape[1] + 1).to(frames) / (frames.shape[1] + 1)
        result, rest = frames.clone(), torch.from_numpy(self.references.rest)
        result[..., rest, :] += _between((originals - decoded)[..., rest, :], fraction)
        self._add_heavy(result, frames, decoded, originals, fraction)
        self._add_hydrogens(result, frames, decoded, originals, fraction)
        return result

    def _add_heavy(self, result: Tensor, frames: Tensor, decoded: Tensor, originals: Tensor, fraction: Tensor) -> None:
        heavy = self.references.heavy
        atoms = torch.from_numpy(heavy[:, 0])
        lost = (local_frames(decoded, heavy) * (originals - decoded)[..., atoms, None, :]).sum(-1)
        carried = _between(lost, fraction)
        result[..., atoms, :] += (local_frames(frames, heavy) * carried.unsqueeze(-1)).sum(-2)

    def _add_hydrogens(
        self, result: Tensor, frames: Tensor, decoded: Tensor, originals: Tensor, fraction: Tensor
    ) -> None:
        quads = self.references.hydrogens
        lost = positions_to_internal(originals, quads) - positions_to_internal(decoded, quads)
        change = lost[:, 1] - lost[:, 0]
        change[..., 2] = _turn_together(change[..., 2], self.references.leaders)
        carried = lost[:, :1] + fraction[:, None, None] * change[:, None]
        internal = positions_to_internal(frames, quads) + carried
        result[..., torch.from_numpy(quads[:, 0]), :] = internal_to_positions(internal, result, quads)


def _between(values: Tensor, fraction: Tensor) -> Tensor:
    """(G, 2, n, 3) at both ends -> (G, M - 1, n, 3)."""
    return values[:, :1] + fraction[:, None, None] * (values[:, 1:] - values[:, :1])


def _turn_together(turns: Tensor, leaders: np.ndarray) -> Tensor:
    """(G, K) changes of torsion: the shortest way for each group's leader, and the same way round for the others."""
    shortest = turns[:, leaders] - 2 * math.pi * (turns[:, leaders] / (2 * math.pi)).round()
    return turns - 2 * math.pi * ((turns - shortest) / (2 * math.pi)).round()

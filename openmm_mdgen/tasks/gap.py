"""What anything must offer to fill the gaps between key frames: two key frames and a seed give the frames between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from openmm_mdgen.peptide.structure import Structure


@runtime_checkable
class GapFiller(Protocol):
    """A generator of the frames inside gaps, over the user's atoms in the user's order.

    Notes
    -----
    The machinery around it (`openmm_mdgen.upsampling`) superposes the key frames first, interpolates the rigid motion
    apart, and returns the key frames themselves untouched. A filler whose key frames lose something on the way through
    its representation either offers ``decoded(key_frames (G + 1, N, 3)) -> (G + 1, N, 3)``, the key frames as it sees
    them, or returns (G, M + 1, N, 3): its own copies of both key frames, and the frames between. What it loses is then
    interpolated across each gap and added to its frames.

    Two more attributes are used where present: ``gaps_per_call`` (how many gaps to hand over at once, 16 if unsaid)
    and ``content_hash`` (which weights these are; an interrupted run goes on only with the same).

    Examples
    --------
    >>> class Hold:
    ...     def fill(self, key_frames, seeds):          # ten frames for each gap: nine between, all as at its start
    ...         return np.repeat(key_frames[:-1, None], 9, axis=1)
    """

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Frames between key frames; each gap is a pure function of its two key frames and its seed.

        Parameters
        ----------
        key_frames
            (G + 1, N, 3) Å, each superposed on the one before.
        seeds
            One seed per gap, 0 <= seed < 2**63.

        Returns
        -------
        numpy.ndarray
            (G, M - 1, N, 3) Å, in the orientation of the key frames.
        """
        ...


@runtime_checkable
class GapModel(Protocol):
    """A model that becomes a `GapFiller` once it knows the molecule, the spacing and the target.

    It may say what it learned in ``spacings`` (ps, shortest and longest distance of key frames), ``intervals`` (ps,
    finest and coarsest target) and ``lengths`` (residues, fewest and most); the machinery refuses what lies outside,
    and covers longer chains by overlapping windows of residues.
    """

    def bind_gaps(self, structure: Structure, spacing: float, interval: float) -> GapFiller:
        """A filler for these atoms: key frames `spacing` ps apart, frames every `interval` ps."""
        ...


@runtime_checkable
class ChainGapModel(Protocol):
    """A `GapModel` that fills chains longer than it learned by itself, so that no windows are laid over it."""

    def bind_chain_gaps(self, structure: Structure, spacing: float, interval: float) -> GapFiller:
        """As `GapModel.bind_gaps`, for a chain of any length."""
        ...

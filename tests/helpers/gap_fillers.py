"""Gap fillers and models without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from openmm_mdgen.peptide.peptide import Structure
from openmm_mdgen.upsampling.gaps import LinearGapFiller


class Shaking(LinearGapFiller):
    """Straight lines with noise that depends on the gap's seed alone; calls a hook before each chunk.

    Parameters
    ----------
    factor
        New frames per key frame.
    hook
        Called with the number of chunks made before.
    """

    content_hash = "shaking"
    gaps_per_call = 2

    def __init__(self, factor: int, hook: Callable[[int], None] | None = None) -> None:
        super().__init__(factor)
        self.hook = hook
        self.calls = 0

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """(G + 1, N, 3) Å -> (G, M - 1, N, 3) Å."""
        if self.hook is not None:
            self.hook(self.calls)
        self.calls += 1
        frames = super().fill(key_frames, seeds)
        noise = [np.random.default_rng(seed).normal(0, 0.1, frames.shape[1:]) for seed in seeds]
        return frames + np.stack(noise)


class Model:
    """Learned 1 to 50 ps down to 0.1 ps, for up to four residues; remembers what it was bound to."""

    spacings = (1.0, 50.0)
    intervals = (0.1, 5.0)
    lengths = (1, 4)
    content_hash = "model"

    def __init__(self) -> None:
        self.bound: list[Structure] = []

    def bind_gaps(self, structure: Structure, spacing: float, interval: float) -> LinearGapFiller:
        """A filler for these atoms."""
        self.bound.append(structure)
        return LinearGapFiller(round(spacing / interval))

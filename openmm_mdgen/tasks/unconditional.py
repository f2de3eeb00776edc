"""Trajectories from nothing but a sequence: the first window is drawn without a start, the rest goes on from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.chain import Link, chain_blocks
from openmm_mdgen.tasks.interpolate import Interpolate
from openmm_mdgen.tasks.model import PeptideModel
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.tasks.simulate import Simulate


@dataclass(frozen=True)
class Unconditional(PeptideModel):
    """The unconditional task of a network: `bind_sequence` binds it to a structure, whose conformation is not used.

    Attributes
    ----------
    window : int
        Frames of the first window at most; the rest is `PeptideModel`'s.
    """

    window: int = 64

    def bind_sequence(
        self, structure: Structure, interval: float = 10.0, *, temperature: float | None = None
    ) -> UnconditionalSampler:
        """A sampler over these atoms, which give names, order, bond lengths, angles and hydrogens; no conformation."""
        return UnconditionalSampler(self.at(temperature), structure, interval)


class UnconditionalSampler:
    """Trajectories of one peptide from no start."""

    def __init__(self, task: Unconditional, structure: Structure, interval: float) -> None:
        self._window = task.window
        self._first = Interpolate.from_model(task, window=task.window, longest=math.inf).bind_paths(structure, interval)
        self._rest = Simulate.from_model(task, n_frames=task.window - 1, hydrogens="quiet").bind(structure, interval)

    def sample(self, n_frames: int, seeds: Sequence[int]) -> np.ndarray:
        """Trajectories (B, n_frames, N, 3) in Å, one for each seed, on the structure that was bound."""
        frames = self._first.sample({}, min(self._window, n_frames), [block_seed(s, 0) for s in seeds])
        rest = chain_blocks(self._rest, frames[:, -1], [Link(s) for s in seeds], first=1)
        n_blocks = max(0, math.ceil((n_frames - frames.shape[1]) / self._rest.n_frames))
        return np.concatenate([frames, *islice(rest, n_blocks)], 1)[:, :n_frames]

"""Simulation of one molecule in two passes: frames far apart first, which say where it goes, then the way between.

A chain of short windows forgets more at every link than the molecule does: slow motions come out too small and too
fast. A window of frames that are far apart spans several short ones, and is drawn as a whole; the short ones go through
its frames. Every second of those is kept and the others are drawn anew: the more are kept, the better slow order and
the looser what lies between is tied to them (docs/results/proteins.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.tasks.atoms import PeptideAtoms
from openmm_mdgen.tasks.model import PeptideModel
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.tasks.threads import in_parts

_KEPT = 2  # every so many coarse frames are kept


class Windows(Protocol):
    """What makes one window of frames after another, `simulate.SimulatePropagator`.

    Attributes
    ----------
    task : PeptideModel
    atoms : PeptideAtoms
    interval : float
        ps between frames.
    n_frames : int
        New frames of a window.
    """

    n_frames: int

    @property
    def task(self) -> PeptideModel: ...
    @property
    def atoms(self) -> PeptideAtoms: ...
    @property
    def interval(self) -> float: ...

    def made(self, starts: np.ndarray, seeds: Sequence[int]) -> Tensor:
        """Frames (B, n_frames, N, 3) in Å that follow starts (B, N, 3) in Å, not yet placed."""
        ...

    def finished(self, frames: Tensor, starts: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Frames (B, T, N, 3) in Å, hydrogens moving, laid on their starts (B, N, 3) in Å."""
        ...


class CoarsePropagator:
    """Blocks whose windows go between frames that are made first, ``apart`` times as far apart.

    A block is a pure function of its start and its seed.

    Parameters
    ----------
    fine : Windows
        Of the interval asked for, which have room for two coarse frames at least.
    coarse : Windows
        Of the same atoms, at ``apart`` times the interval; their length is set here.
    apart : int

    Attributes
    ----------
    n_frames : int
        New frames per block: as many whole windows of fine frames as one window of coarse frames spans.
    atoms : PeptideAtoms
    """

    def __init__(self, fine: Windows, coarse: Windows, apart: int) -> None:
        self._fine, self._apart = fine, apart
        self._span = fine.n_frames // apart  # coarse frames of a fine window, the first left out
        self._n_windows = fine.n_frames // self._span
        self._coarse, self.atoms = coarse, fine.atoms
        coarse.n_frames = self._n_windows * self._span
        self.task, self.interval, self.n_frames = fine.task, fine.interval, coarse.n_frames * apart

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """The frames (n_frames, N, 3) in Å that follow ``start`` (N, 3) in Å."""
        out: np.ndarray = self.next_blocks(np.asarray(start)[None], [seed])[0]
        return out

    def next_blocks(self, starts: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """The blocks (B, n_frames, N, 3) in Å of several replicas, from starts (B, N, 3) in Å."""

        def made(part: slice) -> np.ndarray:
            thin = self._coarse.made(starts[part], seeds[part])
            first = torch.as_tensor(starts[part], dtype=thin.dtype)[:, None]
            frames = self._filled(torch.cat((first, thin), 1), seeds[part])
            return self._fine.finished(frames, starts[part], seeds[part])

        parts = in_parts(made, len(seeds)) if self.task.device == "cpu" else [made(slice(None))]
        return np.concatenate(parts)

    def _filled(self, thin: Tensor, seeds: Sequence[int]) -> Tensor:
        """All frames (B, n_frames, N, 3) after the first of coarse ones (B, n_frames / apart + 1, N, 3), in Å."""
        atoms, task, n_windows = self._fine.atoms, self._fine.task, self._n_windows
        kept = torch.tensor([*range(0, self._span, _KEPT), self._span])
        frames = thin[:, self._span * torch.arange(n_windows)[:, None] + kept].flatten(0, 1)  # (B W, K, N, 3)
        given, values = atoms.empty(len(frames), self._span * self._apart + 1)
        values[:, kept * self._apart], given[:, kept * self._apart] = atoms.encode(frames).float(), True
        own = [block_seed(seed, window) for seed in seeds for window in range(n_windows)]
        tokens = task.sample(atoms.conditioning(given, values, self.interval), own)
        free = ~given[0].any(-1)
        out = thin.new_empty(len(frames), len(free), *thin.shape[2:])
        out[:, kept * self._apart] = frames
        out[:, free] = atoms.decode(tokens[:, free], own, task.spread_temperature)
        made: Tensor = out[:, 1:].unflatten(0, (len(thin), n_windows)).flatten(1, 2)
        return made

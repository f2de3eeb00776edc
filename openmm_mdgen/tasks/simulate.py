"""Forward simulation: a start and a seed give the frames that follow, window after window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.peptide.peptide import Peptide, Structure
from openmm_mdgen.tasks.atoms import task_atoms
from openmm_mdgen.tasks.coarse import CoarsePropagator
from openmm_mdgen.tasks.hydrogens import ROOM, checked_hydrogens, motion_of
from openmm_mdgen.tasks.model import PeptideModel
from openmm_mdgen.tasks.threads import in_parts
from openmm_mdgen.tokens.tokens import Conditioning


@dataclass(frozen=True)
class Simulate(PeptideModel):
    """The simulation task of a network: `bind` it to a structure to get a propagator.

    Attributes
    ----------
    n_frames : int
        New frames per window.
    hydrogens : str
        ``"moving"``: drawn from their thermal distribution about where they were placed, with bond lengths of side
        chains and carbonyls; ``"thermal"``: so are those angles; ``"quiet"``: as placed.
    apart : int
        Frames so many intervals apart are made first where the network learned that, see `tasks.coarse`; 1 for one
        window after another. The rest is `PeptideModel`'s.
    """

    n_frames: int = 63
    hydrogens: str = "moving"
    apart: int = 1

    def with_hydrogens(self, hydrogens: str) -> Simulate:
        """This task with hydrogens that are ``"moving"``, ``"thermal"`` or ``"quiet"``."""
        return replace(self, hydrogens=checked_hydrogens(hydrogens))

    def bind(
        self,
        structure: Structure,
        interval: float = 10.0,
        *,
        reference: np.ndarray | None = None,
        temperature: float | None = None,
    ) -> SimulatePropagator | CoarsePropagator:
        """A propagator for these atoms.

        Parameters
        ----------
        structure : Structure
            One peptide, with or without hydrogens, atoms in any order.
        interval : float
            ps between frames.
        reference : ndarray (N, 3), optional
            Å; where bond lengths, angles and hydrogen positions are taken from, default ``structure.positions``.
        temperature : float, optional
            K, see `at`.

        Raises
        ------
        MDGenError
            If the structure is no single peptide, or length, interval or temperature is outside what was learned.
        """
        peptide = Peptide.from_structure(structure)
        self.check(peptide, interval)
        task, positions = self.at(temperature), structure.positions if reference is None else reference
        fine, longer = SimulatePropagator(task, peptide, interval, positions), self.apart * interval
        if self.apart == 1 or longer > 1.001 * self.intervals[1] or self.n_frames < 2 * self.apart:
            return fine
        return CoarsePropagator(fine, SimulatePropagator(task, peptide, longer, positions), self.apart)


class SimulatePropagator:
    """Blocks of frames of one peptide; a block is a pure function of its start and its seed.

    Tumbling is not modelled: frames are laid on the start by all heavy atoms, with the same centre.
    """

    def __init__(self, task: Simulate, peptide: Peptide, interval: float, reference: np.ndarray) -> None:
        self.task, self.interval, self.n_frames = task, interval, task.n_frames
        self.atoms = task_atoms(task, peptide, reference)
        bonds, kelvin = self.atoms.internal.bonds, task.temperature or ROOM
        self._motion = motion_of(task.hydrogens, peptide, bonds, reference, kelvin)

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """The frames (n_frames, N, 3) in Å that follow ``start`` (N, 3) in Å."""
        out: np.ndarray = self.next_blocks(np.asarray(start)[None], [seed])[0]
        return out

    def next_blocks(self, starts: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """The blocks (B, n_frames, N, 3) in Å of several replicas, from starts (B, N, 3) in Å."""

        def block(part: slice) -> np.ndarray:
            return self.finished(self.made(starts[part], seeds[part]), starts[part], seeds[part])

        parts = in_parts(block, len(seeds)) if self.task.device == "cpu" else [block(slice(None))]
        return np.concatenate(parts)

    def conditioning(self, starts: np.ndarray) -> Conditioning:
        """What the network is told of windows that begin at starts (B, N, 3) in Å."""
        given, values = self.atoms.empty(len(starts), self.n_frames + 1)
        values[:, 0], given[:, 0] = self.atoms.encode(_positions(starts)).float(), True
        return self.atoms.conditioning(given, values, self.interval)

    def made(self, starts: np.ndarray, seeds: Sequence[int]) -> Tensor:
        """Frames (B, n_frames, N, 3) in Å that follow starts (B, N, 3) in Å, not yet placed, hydrogens at rest."""
        return self.decoded(self.task.sample(self.conditioning(starts), list(seeds)), seeds)

    def decoded(self, tokens: Tensor, seeds: Sequence[int]) -> Tensor:
        """Frames (B, n_frames, N, 3) in Å of tokens (B, n_frames + 1, L, C), as `made` has them."""
        return self.atoms.decode(tokens[:, 1:], list(seeds), self.task.spread_temperature)

    def placed(self, tokens: Tensor, starts: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Frames (B, n_frames, N, 3) in Å of tokens (B, n_frames + 1, L, C), laid on their starts (B, N, 3) in Å."""
        return self.finished(self.decoded(tokens, seeds), starts, seeds)

    def finished(self, frames: Tensor, starts: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Frames (B, T, N, 3) in Å with hydrogens that move, laid on their starts (B, N, 3) in Å."""
        if self._motion is not None:
            frames = torch.from_numpy(self._motion.blocks_moved(frames.numpy(), seeds))
        heavy = self.atoms.heavy
        placed: np.ndarray = superpose(frames[:, :, heavy], _positions(starts)[:, None, heavy], frames).numpy()
        return placed


def _positions(starts: np.ndarray) -> Tensor:
    return torch.as_tensor(np.array(starts), dtype=torch.float64)

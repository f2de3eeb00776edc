"""Forward simulation: a start and a seed give the frames that follow, window after window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.frames import superpose
from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.peptide import Peptide, Structure
from openmm_mdgen.sampler import integrate, noise
from openmm_mdgen.tasks.clashes import ClashRepair
from openmm_mdgen.tokens import (
    N_CHANNELS,
    Conditioning,
    Normalization,
    internal_to_channels,
    internal_to_tokens,
    sequence_to_indices,
    tokens_to_internal,
)


@dataclass(frozen=True)
class SolverConfig:
    """How noise becomes tokens, see `sampler.integrate`."""

    solver: str = "euler"
    n_steps: int = 10
    warp: float = 1.0


@dataclass(frozen=True)
class Simulate:
    """The simulation task of a network: `bind` it to a structure to get a propagator.

    Attributes
    ----------
    network : VelocityNetwork
    normalization : Normalization
    name, content_hash : str
        Which weights these are.
    temperature : float
        K, of the ensemble that the network learned.
    intervals : (float, float)
        ps between frames, smallest and largest trained.
    lengths : (int, int)
        Residues, fewest and most, caps left out.
    n_frames : int
        New frames per window.
    solver : SolverConfig
    """

    network: VelocityNetwork
    normalization: Normalization
    name: str
    content_hash: str
    temperature: float | None
    intervals: tuple[float, float]
    lengths: tuple[int, int]
    n_frames: int = 63
    solver: SolverConfig = field(default_factory=SolverConfig)

    @property
    def device(self) -> str:
        """Where the network runs, such as 'cpu'."""
        return str(next(self.network.parameters()).device)

    @property
    def precision(self) -> str:
        """'bfloat16' or 'float32': what the network multiplies in."""
        return "bfloat16" if has_fast_bf16(torch.device(self.device)) else "float32"

    def bind(
        self, structure: Structure, interval: float = 10.0, *, reference: np.ndarray | None = None
    ) -> SimulatePropagator:
        """A propagator for these atoms.

        Parameters
        ----------
        structure : Structure
            One peptide, with or without hydrogens, atoms in any order.
        interval : float
            ps between frames.
        reference : ndarray (N, 3), optional
            Å; where bond lengths, angles and hydrogen positions are taken from, default ``structure.positions``.

        Raises
        ------
        MDGenError
            If the structure is no single peptide, or its length or the interval is outside what the network learned.
        """
        peptide = Peptide.from_structure(structure)
        self.check(peptide, interval)
        return SimulatePropagator(self, peptide, interval, structure.positions if reference is None else reference)

    def check(self, peptide: Peptide, interval: float) -> None:
        """Raise `MDGenError` where the peptide or the interval is outside the model's range."""
        (fewest, most), (shortest, longest) = self.lengths, self.intervals
        if not fewest <= peptide.n_residues <= most:
            raise MDGenError(
                f"{peptide.sequence} has {peptide.n_residues} residues, outside model {self.name!r}'s range "
                f"{fewest} to {most}; choose a shorter peptide, or train a model on your own MD (openmm-mdgen train)"
            )
        if not shortest * 0.999 <= interval <= longest * 1.001:
            raise MDGenError(
                f"an interval of {interval:g} ps is outside model {self.name!r}'s range {shortest:g} to "
                f"{longest:g} ps; choose one inside it"
            )


class SimulatePropagator:
    """Blocks of frames of one peptide; a block is a pure function of its start and its seed.

    Tumbling is not modelled: frames are laid on the start by all heavy atoms, with the same centre.
    """

    def __init__(self, task: Simulate, peptide: Peptide, interval: float, reference: np.ndarray) -> None:
        self.task, self.interval, self.n_frames = task, interval, task.n_frames
        self.internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
        self.geometry = self.internal.geometry(torch.as_tensor(np.array(reference), dtype=torch.float64))
        self.sequence = sequence_to_indices(peptide.residue_types)
        self.exists = internal_to_channels(self.internal.exists)
        self._mend = ClashRepair(self.internal, self._decode)

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """The frames (n_frames, N, 3) in Å that follow ``start`` (N, 3) in Å."""
        return self.next_blocks(np.asarray(start)[None], [seed])[0]

    def next_blocks(self, starts: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """The blocks (B, n_frames, N, 3) in Å of several replicas, from starts (B, N, 3) in Å."""
        positions = torch.as_tensor(np.array(starts), dtype=torch.float64)
        tokens = self._sample(positions, list(seeds))
        internal = tokens_to_internal(tokens.double(), self.task.normalization)
        frames = self._decode(internal.flatten(0, 1)).unflatten(0, tokens.shape[:2])
        frames = torch.stack([self._mend(*block)[1] for block in zip(internal, frames, seeds, strict=True)])
        heavy = self.internal.heavy_atoms
        return superpose(frames[:, :, heavy], positions[:, None, heavy], frames).numpy()

    def _decode(self, internal: Tensor) -> Tensor:
        return self.internal.decode(internal, self.geometry)

    @torch.no_grad()
    def _sample(self, positions: Tensor, seeds: list[int]) -> Tensor:
        """Tokens (B, n_frames, L, C) of the frames after the given ones (B, N, 3)."""
        task, device = self.task, next(self.task.network.parameters()).device
        key = internal_to_tokens(self.internal.encode(positions), self.internal.exists, task.normalization)
        shape = (len(seeds), self.n_frames + 1, len(self.sequence), N_CHANNELS)
        values, given = torch.zeros(shape), torch.zeros(shape[:3], dtype=torch.bool)
        values[:, 0], given[:, 0] = key.float(), True
        told = Conditioning(
            sequence=self.sequence.expand(len(seeds), -1),
            exists=self.exists.expand(len(seeds), -1, -1),
            given=given,
            values=values,
            interval=torch.full((len(seeds),), self.interval),
        )
        told = told.to(device)
        x_0 = (noise(shape, seeds) * self.exists).to(device)
        solver = task.solver
        with inference_precision(device):
            x_1 = integrate(
                lambda x, t: task.network(x, t, told).float(),
                x_0,
                solver=solver.solver,
                n_steps=solver.n_steps,
                warp=solver.warp,
            )
        return x_1[:, 1:].cpu()


def inference_precision(device: torch.device) -> torch.autocast:
    """bf16 where the hardware multiplies it fast, else float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_fast_bf16(device))


def has_fast_bf16(device: torch.device) -> bool:
    """Whether this device multiplies bf16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return device.type == "cpu" and bool(supported())

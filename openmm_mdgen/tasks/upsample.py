"""Upsampling: the frames between two key frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.flow.sampler import integrate, noise
from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.peptide.peptide import Peptide, Structure
from openmm_mdgen.tasks.model import SolverConfig, has_fast_bf16, inference_precision
from openmm_mdgen.tasks.protocols import ModelInfo
from openmm_mdgen.tokens.gaps import N_GAP_CHANNELS, told_of_gap, told_of_motion, way_across
from openmm_mdgen.tokens.noise_colour import GapColour, GapSpectra, chain_colour
from openmm_mdgen.tokens.tokens import Conditioning, sequence_to_indices


@dataclass(frozen=True)
class Upsample:
    """The upsampling task of a network: bind it to a structure to get a gap filler.

    Attributes
    ----------
    network : VelocityNetwork
    spectra : GapSpectra
    name, content_hash : str
    spacings, intervals : (float, float)
        ps between key frames and between the frames made, smallest and largest trained.
    lengths : (int, int)
        Residues, fewest and most, caps left out.
    solver : SolverConfig
    temperature : float
        K, of the motion that is filled in where no other is asked for.
    temperatures : (float, float) or None
        K, lowest and highest that the network learned; None for ``temperature`` alone.
    """

    network: VelocityNetwork
    spectra: GapSpectra
    name: str
    content_hash: str
    spacings: tuple[float, float]
    intervals: tuple[float, float]
    lengths: tuple[int, int]
    solver: SolverConfig = field(default_factory=lambda: SolverConfig("midpoint", 5))
    temperature: float = 350.0
    temperatures: tuple[float, float] | None = None

    @property
    def info(self) -> ModelInfo:
        """What the weights can do, and of what they are."""
        device = next(self.network.parameters()).device
        return ModelInfo(
            name=self.name,
            tasks=("upsample",),
            content_hash=self.content_hash,
            temperatures=self.temperatures or (self.temperature, self.temperature),
            intervals=self.intervals,
            spacings=self.spacings,
            lengths=self.lengths,
            device=str(device),
            precision="bfloat16" if has_fast_bf16(device) else "float32",
        )

    def bind_gaps(
        self, structure: Structure, spacing: float, interval: float, *, temperature: float | None = None
    ) -> UpsampleFiller:
        """A filler for these atoms, key frames ``spacing`` ps apart, frames every ``interval`` ps.

        Parameters
        ----------
        structure : Structure
        spacing, interval : float
            ps.
        temperature : float, optional
            K, default the model's.

        Raises
        ------
        MDGenError
            Where the structure, the spacing, the interval or the temperature is outside what the network learned.
        """
        peptide = Peptide.from_structure(structure)
        if not self.lengths[0] <= peptide.n_residues <= self.lengths[1]:
            raise MDGenError(
                f"{peptide.n_residues} residues are outside model {self.name!r}'s range "
                f"{self.lengths[0]} to {self.lengths[1]}; use model='linear' or train a model on your own MD"
            )
        for what, value, (low, high) in (("spacing", spacing, self.spacings), ("interval", interval, self.intervals)):
            if not low * 0.999 <= value <= high * 1.001:
                raise MDGenError(
                    f"{what} {value:g} ps is outside model {self.name!r}'s range {low:g} to {high:g} ps; "
                    "choose one inside it"
                )
        self.info.check_temperature(temperature)
        kelvin = self.temperature if temperature is None or self.temperatures is None else float(temperature)
        return UpsampleFiller(replace(self, temperature=kelvin), peptide, spacing, interval, structure.positions)


class UpsampleFiller:
    """Fills the gaps of one peptide; each gap is a pure function of its two key frames and its seed."""

    gaps_per_call = 16

    def __init__(
        self, task: Upsample, peptide: Peptide, spacing: float, interval: float, reference: np.ndarray
    ) -> None:
        self.task, self.spacing, self.interval = task, spacing, interval
        self.n_between = round(spacing / interval) - 1
        self.content_hash = task.content_hash
        self.internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
        self.geometry = self.internal.geometry(torch.as_tensor(np.array(reference), dtype=torch.float64))
        self.sequence = sequence_to_indices(peptide.residue_types)
        pair = task.spectra.nearest(spacing, interval)
        bands = chain_colour(task.spectra, pair, self.sequence, self.internal.exists, interval)
        self.colour = GapColour.of(bands, self.n_between, spacing)

    def decoded(self, key_frames: np.ndarray) -> np.ndarray:
        """Key frames (G + 1, N, 3) in Å as their internal coordinates represent them, laid on themselves."""
        positions = torch.as_tensor(np.array(key_frames), dtype=torch.float64)
        return self._decode(self.internal.encode(positions), positions).numpy()

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Frames (G, n_between, N, 3) in Å between key frames (G + 1, N, 3), superposed as those are."""
        positions = torch.as_tensor(np.array(key_frames), dtype=torch.float64)
        internal = self.internal.encode_rounded(positions)
        spectra = self.task.spectra
        way = way_across(internal[:-1], internal[1:], self.n_between, spectra.mean[self.sequence], spectra.kept)
        between = way + self.colour.colour(self._sample(internal, list(seeds))).double()
        share = torch.arange(1, self.n_between + 1, dtype=torch.float64) / (self.n_between + 1)
        target = torch.lerp(positions[:-1, None], positions[1:, None], share[:, None, None])
        return self._decode(between.flatten(0, 1), target.flatten(0, 1)).unflatten(0, way.shape[:2]).numpy()

    def _decode(self, internal: Tensor, target: Tensor) -> Tensor:
        frames, heavy = self.internal.decode(internal, self.geometry), self.internal.heavy_atoms
        return superpose(frames[:, heavy], target[:, heavy], frames)

    @torch.no_grad()
    def _sample(self, internal: Tensor, seeds: list[int]) -> Tensor:
        """White tokens (G, n_between, L, 16) of the gaps between key frames (G + 1, L, 16)."""
        device = next(self.task.network.parameters()).device
        exists, n_gaps = self.internal.exists, len(seeds)
        left, right = internal[:-1].float(), internal[1:].float()
        told = told_of_gap(left, right, self.n_between, self.spacing, exists)
        conditioning = Conditioning(
            sequence=self.sequence.expand(n_gaps, -1),
            exists=exists.expand(n_gaps, -1, -1),
            given=torch.ones(told.shape[:3], dtype=torch.bool),
            values=told,
            interval=torch.full((n_gaps,), self.interval),
            temperature=torch.full((n_gaps,), self.task.temperature),
        )
        conditioning, colour = conditioning.to(device), self.colour.to(device)
        shape = (n_gaps, self.n_between, len(self.sequence), N_GAP_CHANNELS)
        x_0 = (noise(shape, seeds) * exists).to(device)
        with inference_precision(device):
            x_1 = integrate(
                lambda x, t: self.task.network(x, t, told_of_motion(conditioning, x, colour)).float(),
                x_0,
                solver=self.task.solver.solver,
                n_steps=self.task.solver.n_steps,
                warp=self.task.solver.warp,
            )
        return x_1.cpu()

"""Upsampling: the frames between two key frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.flow.pieces import in_pieces
from openmm_mdgen.flow.sampler import integrate, noise
from openmm_mdgen.geometry.bridges import Bridges
from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.geometry.runs import BackboneRuns
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.network.inference import prepared
from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.peptide.peptide import Peptide, Structure
from openmm_mdgen.tasks.model import SolverConfig, has_fast_bf16, inference_precision
from openmm_mdgen.tasks.protocols import ModelInfo
from openmm_mdgen.tasks.ranges import check_time
from openmm_mdgen.tokens.gaps import N_GAP_CHANNELS, gap_values, line_across, with_motion
from openmm_mdgen.tokens.noise_colour import GapColour, GapSpectra, chain_colour
from openmm_mdgen.tokens.tokens import Conditioning, sequence_to_indices

_WINDOW = 20  # residues; scores of a fold are those of windows as long as the peptides that were learned
_AT_ONCE = 8  # residues whose backbone is built in one piece: the longer, the wider its ends swing
_RUN = 4  # residues of a run, in chains that are longer
_SHORT = 3.0  # ps between key frames
_MAX_BATCH = 40_000  # frames times residues in one call of the network


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
        peptide = Peptide.from_structure(structure, disulphides=True)
        if not self.lengths[0] <= peptide.n_residues <= self.lengths[1]:
            raise MDGenError(
                f"{peptide.n_residues} residues are outside model {self.name!r}'s range "
                f"{self.lengths[0]} to {self.lengths[1]}; use model='linear' or train a model on your own MD"
            )
        self._check_times(spacing, interval)
        if peptide.n_residues > _AT_ONCE:
            return ChainFiller(self.at(temperature), peptide, spacing, interval, structure.positions)
        unbridged = Peptide.from_structure(structure)  # built as one chain, which would tear a bridge
        return UpsampleFiller(self.at(temperature), unbridged, spacing, interval, structure.positions)

    def bind_chain_gaps(
        self, structure: Structure, spacing: float, interval: float, *, temperature: float | None = None
    ) -> ChainFiller:
        """A filler for a chain longer than what was learned: the network sees as many residues at a time as it knows.

        Raises
        ------
        MDGenError
            Where the structure, the spacing, the interval or the temperature is outside what the network learned.
        """
        peptide = Peptide.from_structure(structure, disulphides=True)
        self._check_times(spacing, interval)
        return ChainFiller(self.at(temperature), peptide, spacing, interval, structure.positions)

    def at(self, temperature: float | None) -> Upsample:
        """This task at another temperature in K; itself for None.

        Raises
        ------
        MDGenError
            If the network did not learn that temperature.
        """
        self.info.check_temperature(temperature)
        kelvin = self.temperature if temperature is None or self.temperatures is None else float(temperature)
        return replace(self, temperature=kelvin)

    def _check_times(self, spacing: float, interval: float) -> None:
        check_time("a spacing", spacing, self.spacings, f"model {self.name!r}")
        check_time("an interval", interval, self.intervals, f"model {self.name!r}")


class UpsampleFiller:
    """Fills the gaps of one peptide; each gap is a pure function of its two key frames and its seed."""

    gaps_per_call = 16
    solver: SolverConfig | None = None

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
        bands = chain_colour(task.spectra, pair, self.sequence, self.internal.exists, interval, task.temperature)
        self.colour = GapColour.from_bands(bands, self.n_between, spacing)

    def decoded(self, key_frames: np.ndarray) -> np.ndarray:
        """Key frames (G + 1, N, 3) in Å as their internal coordinates represent them, laid on themselves."""
        positions = torch.as_tensor(np.array(key_frames), dtype=torch.float64)
        return self._decode(self.internal.encode(positions), positions).numpy()

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Frames (G, n_between, N, 3) in Å between key frames (G + 1, N, 3), superposed as those are."""
        positions = torch.as_tensor(np.array(key_frames), dtype=torch.float64)
        internal = self.internal.encode_rounded(positions)
        spectra = self.task.spectra
        line = line_across(internal[:-1], internal[1:], self.n_between, spectra.mean[self.sequence], spectra.kept)
        between = line + self.colour.colour(self._sample(internal, list(seeds))).double()
        share = torch.arange(1, self.n_between + 1, dtype=torch.float64) / (self.n_between + 1)
        target = torch.lerp(positions[:-1, None], positions[1:, None], share[:, None, None])
        out: np.ndarray = self._decode(between.flatten(0, 1), target.flatten(0, 1)).unflatten(0, line.shape[:2]).numpy()
        return out

    def _decode(self, internal: Tensor, target: Tensor) -> Tensor:
        frames, heavy = self.internal.decode(internal, self.geometry), self.internal.heavy_atoms
        return superpose(frames[:, heavy], target[:, heavy], frames)

    @torch.no_grad()
    def _sample(self, internal: Tensor, seeds: list[int]) -> Tensor:
        """White tokens (G, n_between, L, 16) of the gaps between key frames (G + 1, L, 16)."""
        device, solver = next(self.task.network.parameters()).device, self.solver or self.task.solver
        exists, n_gaps = self.internal.exists, len(seeds)
        left, right = internal[:-1].float(), internal[1:].float()
        values = gap_values(left, right, self.n_between, self.spacing, exists)
        conditioning = Conditioning(
            sequence=self.sequence.expand(n_gaps, -1),
            exists=exists.expand(n_gaps, -1, -1),
            given=torch.ones(values.shape[:3], dtype=torch.bool),
            values=values,
            interval=torch.full((n_gaps,), self.interval),
            temperature=torch.full((n_gaps,), self.task.temperature),
        )
        conditioning, colour = conditioning.to(device), self.colour.to(device)
        shape = (n_gaps, self.n_between, len(self.sequence), N_GAP_CHANNELS)
        x_0 = (noise(shape, seeds) * exists).to(device)
        x_1 = integrate(
            lambda x, t: self._velocity(x, t, with_motion(conditioning, x, colour)),
            x_0,
            solver=solver.solver,
            n_steps=solver.n_steps,
            warp=solver.warp,
        )
        return x_1.cpu()

    def _velocity(self, x: Tensor, t: Tensor, given: Conditioning) -> Tensor:
        """Velocity (G, T, L, 16) of tokens, all at one flow time."""
        network = self.task.network
        fast = prepared(network, given, torch.bfloat16 if has_fast_bf16(x.device) else torch.float32)
        if fast is not None:
            return fast.told(given)(x, t)
        with inference_precision(x.device):
            out: Tensor = network(x, t, given).float()
        return out


class ChainFiller(UpsampleFiller):
    """Fills the gaps of a chain of any length.

    The motion of all residues is drawn at once. The network sees it in windows of 20 residues with one of context on
    either side, all gaps and windows in one batch; every residue is in the middle part of one window, so nothing is
    computed twice but the context. The backbone is built in short runs (`BackboneRuns`), all else around it, in single
    precision; disulphide bridges are closed by turning their sulphurs (`Bridges`).

    Attributes
    ----------
    solver : SolverConfig
        Fewer steps than for peptides, since the tokens are white already: two evaluations of the network where key
        frames are up to 3 ps apart, three beyond.
    stiffness : float
        How much of the backbone's way beside the straight line is left out: the network makes steps that are too long,
        those of a fold most.
    """

    stiffness = 0.2

    def __init__(
        self, task: Upsample, peptide: Peptide, spacing: float, interval: float, reference: np.ndarray
    ) -> None:
        super().__init__(task, peptide, spacing, interval, reference)
        self.bridges = Bridges(peptide.residue_types, peptide.heavy, np.asarray(reference))
        self.runs = BackboneRuns(self.internal, _RUN)
        self.windows = context_windows(len(self.sequence), _WINDOW)
        self.solver = SolverConfig("midpoint", 1) if spacing <= _SHORT else SolverConfig("euler", 3)

    def _decode(self, internal: Tensor, target: Tensor) -> Tensor:
        internal, target = internal.float(), target[:, self.runs.atoms].float()
        backbone = self.runs.backbone(internal, target, self.stiffness)
        return self.bridges.close(self.internal.decode_around(backbone, internal, self.geometry))

    def _velocity(self, x: Tensor, t: Tensor, given: Conditioning) -> Tensor:
        rows, windows = self.windows.rows.to(x.device), len(self.windows.rows)
        inner = self.windows.complete.to(x.device).repeat(len(x), 1)
        parts = Conditioning(
            sequence=given.sequence[:, rows].flatten(0, 1),
            exists=given.exists[:, rows].flatten(0, 1),
            given=given.given[:, :, rows].transpose(1, 2).flatten(0, 1),
            values=given.values[:, :, rows].transpose(1, 2).flatten(0, 1),
            interval=given.interval.repeat_interleave(windows),
            neighbours_told=inner,
            temperature=None if given.temperature is None else given.temperature.repeat_interleave(windows),
        )
        tokens, times = x[:, :, rows].transpose(1, 2).flatten(0, 1), t.repeat_interleave(windows)
        size = max(1, _MAX_BATCH // (tokens.shape[1] * tokens.shape[2]))

        def called(part: slice) -> Tensor:
            return UpsampleFiller._velocity(self, tokens[part], times[part], parts.part(part))

        velocity = (
            in_pieces(called, len(tokens), size).unflatten(0, (len(x), windows)).transpose(1, 2)
        )  # (G, T, W, n, C)
        out: Tensor = velocity[:, :, self.windows.window.to(x.device), self.windows.place.to(x.device)]
        return out


@dataclass(frozen=True)
class ContextWindows:
    """Windows of a chain's residues.

    Attributes
    ----------
    rows : Tensor (W, n)
        Residues of each window.
    window, place : Tensor (L,)
        In which window, and where in it, each residue is made.
    complete : Tensor (W, n) of bool
        Residues whose neighbours in the window are those in the chain.
    """

    rows: Tensor
    window: Tensor
    place: Tensor
    complete: Tensor


def context_windows(n_residues: int, longest: int) -> ContextWindows:
    """Windows of ``longest`` residues that are made, and one of context on either side, as evenly as possible."""
    size = min(longest + 2, n_residues)
    n_windows = max(1, -(-n_residues // longest))
    edges = torch.linspace(0, n_residues, n_windows + 1, dtype=torch.float64).round().long()
    starts = ((edges[:-1] + edges[1:] - size) // 2).clamp(0, n_residues - size)
    rows = starts[:, None] + torch.arange(size)
    window = torch.bucketize(torch.arange(n_residues), edges[1:-1], right=True)
    cut = (rows > 0) & (torch.arange(size) == 0) | (rows < n_residues - 1) & (torch.arange(size) == size - 1)
    return ContextWindows(rows, window, torch.arange(n_residues) - starts[window], ~cut)

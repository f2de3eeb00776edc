"""Training windows for upsampling: gaps between two key frames, cut from finely saved MD."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache as remember
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.internal import INTERNAL, TORSIONS
from openmm_mdgen.geometry.sidechains import TYPES
from openmm_mdgen.network.velocity import VelocityConfig
from openmm_mdgen.tokens.gaps import N_GAP_CHANNELS, N_GAP_VALUES, gap_values, line_across, motion_beside
from openmm_mdgen.tokens.noise_colour import BandColour, GapColour, GapSpectra, SpectraSums, chain_colour, stack_colours
from openmm_mdgen.tokens.tokens import Conditioning, sequence_to_indices
from openmm_mdgen.train.cache import Cache, Segment
from openmm_mdgen.train.windows import Batch, Coverage, extent
from openmm_mdgen.weights.checkpoint import Weights

REFERENCE = 350.0
"""K, of the spectra where the data have several temperatures."""


@dataclass(frozen=True)
class GapConfig:
    """Training for upsampling: which gaps are drawn. A training task, see `windows.TrainingTask`.

    Attributes
    ----------
    spacings : tuple of float
        ps between key frames.
    spacing_weights : tuple of float
        How often each is drawn.
    intervals, interval_weights
        ps between the frames inside, likewise; pairs that do not divide are left out.
    longest : int
        Frames inside a gap at most.
    n_tokens : int
        Frames times residues of a batch, about.
    reversed : float
        Share of gaps that run backwards in time: at equilibrium positions have no arrow of time.
    """

    spacings: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
    spacing_weights: tuple[float, ...] = (0.1, 0.1, 0.15, 0.45, 0.15, 0.05)
    intervals: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0)
    interval_weights: tuple[float, ...] = (0.7, 0.1, 0.1, 0.1)
    longest: int = 500
    n_tokens: int = 16384
    reversed: float = 0.5

    task: ClassVar[str] = "upsample"
    hidden_neighbours: ClassVar[float] = 0.3

    def shape(self, network: VelocityConfig) -> VelocityConfig:
        """The network with the channels of gaps; it does not inpaint."""
        return replace(network, channels=N_GAP_CHANNELS, given_channels=N_GAP_VALUES, inpaints=False)

    def adopted(self, start: Weights, cache: Cache) -> Weights:
        """Weights to start from; their spectra are scaled with the temperature where the data have others."""
        if "temperature" in start.tables or {round(s.temperature) for s in cache.segments} == {
            round(start.temperature)
        }:
            return start
        return replace(start, tables=start.tables | {"temperature": torch.tensor(start.temperature)})

    def tables(self, cache: Cache) -> dict[str, Tensor]:
        """Spectra of the motion inside gaps, measured once and kept with the weights."""
        return {k: v for k, v in asdict(measure_gap_spectra(cache, self)).items() if v is not None}

    def windows(self, cache: Cache, tables: dict[str, Tensor]) -> GapBatches:
        """What draws the batches."""
        return GapBatches(cache, GapSpectra(**tables), self)

    def about(self) -> dict[str, object]:
        """The settings, as the weights say them."""
        return asdict(self)


class GapBatches:
    """Draws batches of gaps; batch k is a pure function of (seed, k)."""

    channel_weight = torch.cat((torch.ones(len(TORSIONS)), torch.full((len(INTERNAL) - len(TORSIONS),), 0.3)))

    def __init__(self, cache: Cache, spectra: GapSpectra, config: GapConfig) -> None:
        self.cache, self.spectra, self.config = cache, spectra, config
        self._pools = _pools(cache, config)
        self._bands = remember(self._chain_bands)

    def coverage(self) -> Coverage:
        """What the data have of what is wanted."""
        segments = [segment for pool in self._pools.values() for segment, _ in pool]
        return Coverage(
            lengths=extent(s.n_residues for s in segments),
            intervals=extent(interval for _, interval, _ in self._pools),
            temperatures=extent(s.temperature for s in segments),
            spacings=extent(spacing for spacing, _, _ in self._pools),
        )

    def draw(self, seed: int, step: int) -> Batch:
        """Batch number ``step`` of the run with this seed."""
        rng = np.random.default_rng([seed, step])
        config = self.config
        weights = {
            (spacing, interval): w * v
            for spacing, w in zip(config.spacings, config.spacing_weights, strict=True)
            for interval, v in zip(config.intervals, config.interval_weights, strict=True)
            if any((spacing, interval) == key[:2] for key in self._pools)
        }
        pairs = sorted(weights)
        p = np.array([weights[pair] for pair in pairs])
        spacing, interval = pairs[rng.choice(len(pairs), p=p / p.sum())]
        lengths = sorted(n for a, b, n in self._pools if (a, b) == (spacing, interval))
        rows = np.array([n * sum(s.n_frames for s, _ in self._pools[spacing, interval, n]) for n in lengths], float)
        n_residues = int(rng.choice(lengths, p=rows / rows.sum()))
        return self._batch(self._pools[spacing, interval, n_residues], n_residues, spacing, interval, rng)

    def _batch(
        self,
        pool: list[tuple[Segment, int]],
        n_residues: int,
        spacing: float,
        interval: float,
        rng: np.random.Generator,
    ) -> Batch:
        factor = round(spacing / interval)
        chosen = rng.integers(len(pool), size=max(1, self.config.n_tokens // (factor * n_residues)))
        frames, sequences, masks = [], [], []
        for index in chosen:
            segment, stride = pool[index]
            start = rng.integers(segment.n_frames - factor * stride)
            gap = _gap_frames(self.cache, segment, start, factor, stride)
            frames.append(gap[::-1] if rng.random() < self.config.reversed else gap)
            sequences.append(sequence_to_indices(segment.residue_types))
            masks.append(torch.tensor(segment.exists))
        internal, exists = torch.from_numpy(np.stack(frames)), torch.stack(masks)
        sequence = torch.stack(sequences)
        left, right, inside = internal[:, 0], internal[:, -1], internal[:, 1:-1]
        pair = self.spectra.nearest(spacing, interval)
        bands = [self._bands(pair, *_chain(pool[k][0]), interval, pool[k][0].temperature) for k in chosen]
        colour = GapColour.from_bands(stack_colours(bands), factor - 1, spacing)
        line = line_across(left, right, factor - 1, self.spectra.mean[sequence], self.spectra.kept)
        motion = motion_beside(inside, line)
        tokens = colour.whiten(motion * exists.unsqueeze(1)) * exists.unsqueeze(1)
        values = gap_values(left, right, factor - 1, spacing, exists)
        return Batch(
            tokens=tokens,
            counts=exists.unsqueeze(1).expand(tokens.shape),
            conditioning=gap_conditioning(
                sequence, exists, values, interval, torch.tensor([pool[k][0].temperature for k in chosen])
            ),
            colour=colour,
        )

    def _chain_bands(
        self,
        pair: int,
        residue_types: tuple[str, ...],
        exists: tuple[tuple[bool, ...], ...],
        interval: float,
        temperature: float,
    ) -> BandColour:
        sequence = sequence_to_indices(residue_types)
        return chain_colour(self.spectra, pair, sequence, torch.tensor(exists), interval, temperature)


def gap_conditioning(
    sequence: Tensor, exists: Tensor, values: Tensor, interval: float, temperature: Tensor
) -> Conditioning:
    """Conditioning of gaps: everything is told of every frame."""
    given = torch.ones(values.shape[:3], dtype=torch.bool)
    intervals = torch.full((len(values),), interval)
    return Conditioning(sequence, exists, given, values, intervals, temperature=temperature)


def _pools(cache: Cache, config: GapConfig) -> dict[tuple[float, float, int], list[tuple[Segment, int]]]:
    pools: dict[tuple[float, float, int], list[tuple[Segment, int]]] = defaultdict(list)
    for spacing in config.spacings:
        for interval in config.intervals:
            factor = round(spacing / interval)
            if factor < 2 or factor - 1 > config.longest or abs(factor * interval - spacing) > 1e-6:
                continue
            for segment in cache.segments:
                stride = round(interval / segment.interval)
                fits = stride >= 1 and abs(stride * segment.interval - interval) < 1e-6
                if fits and segment.n_frames > factor * stride:
                    pools[spacing, interval, len(segment.residue_types)].append((segment, stride))
    if not pools:
        raise MDGenError(
            f"no trajectory in the data has frames {config.intervals} ps apart; "
            "upsampling is learned from finely saved MD"
        )
    return pools


def measure_gap_spectra(cache: Cache, config: GapConfig, per_segment: int = 20) -> GapSpectra:
    """Second moments of the motion inside gaps, for every pair of spacing and interval that the data have.

    Where the data have several temperatures, motion is scaled to what it would be at 350 K if it were harmonic.
    """
    at = REFERENCE if len({round(segment.temperature) for segment in cache.segments}) > 1 else None
    pools: dict[tuple[float, float], list[tuple[Segment, int]]] = defaultdict(list)
    for (spacing, interval, _), found in _pools(cache, config).items():
        pools[spacing, interval] += found
    mean = _type_means(cache, [segment for segment, _ in max(pools.values(), key=len)])
    kept = _measure_kept(cache, pools, per_segment, mean)
    measured = []
    for (spacing, interval), found in sorted(pools.items()):
        factor = round(spacing / interval)
        sums = SpectraSums(factor - 1, len(TYPES), len(INTERNAL))
        for gaps in _some_motion(cache, found, factor, per_segment, mean, kept, at):
            sums.add_sizes(*gaps)
        scales = sums.scales()
        for gaps in _some_motion(cache, found, factor, per_segment, mean, kept, at):
            sums.add_products(*gaps, scales)
        measured.append((sums.frequencies(spacing), scales.square(), *sums.correlations()))
    n_bands = max(len(moments[0]) for moments in measured)
    padded = [[torch.cat((x, x[-1:].expand(n_bands - len(x), *x.shape[1:]))) for x in m] for m in measured]
    frequencies, variance, own, before = (torch.stack(x).float() for x in zip(*padded, strict=True))
    kelvin = None if at is None else torch.tensor(at)
    return GapSpectra(torch.tensor(sorted(pools)).float(), frequencies, variance, own, before, mean, kept, kelvin)


def _measure_kept(
    cache: Cache, pools: dict[tuple[float, float], list[tuple[Segment, int]]], per_segment: int, mean: Tensor
) -> Tensor:
    """How much (16,) of the key frames' deviation from the mean (R, 16) is found between them; 0 for torsions."""
    together, square = torch.zeros(2, len(INTERNAL), dtype=torch.float64)
    for (spacing, interval), found in sorted(pools.items()):
        for segment, frames in _some_gaps(cache, found, round(spacing / interval), per_segment):
            exists = torch.tensor(segment.exists)
            beside = frames - mean[sequence_to_indices(segment.residue_types)]
            ends, inside = (beside[:, :1] + beside[:, -1:]) / 2, beside[:, 1:-1]
            together += (inside * ends * exists).sum((0, 1, 2))
            square += inside.shape[1] * (ends.square() * exists).sum((0, 1, 2))
    kept: Tensor = (together / square.clamp_min(1e-12)).clamp(0, 1).float()
    kept[: len(TORSIONS)] = 0
    return kept


def _chain(segment: Segment) -> tuple[tuple[str, ...], tuple[tuple[bool, ...], ...]]:
    return segment.residue_types, tuple(map(tuple, segment.exists))


def _type_means(cache: Cache, segments: list[Segment]) -> Tensor:
    """Mean length or angle (R, 16) of every residue type, 0 for torsions and for what no residue has."""
    total, count = torch.zeros(2, len(TYPES), len(INTERNAL), dtype=torch.float64)
    for segment in segments:
        frames = torch.from_numpy(np.array(cache.frames(segment), dtype=np.float64))
        sequence, exists = sequence_to_indices(segment.residue_types), torch.tensor(segment.exists)
        total.index_add_(0, sequence, (frames * exists).sum(0))
        count.index_add_(0, sequence, exists.double() * len(frames))
    of_all = total.sum(0) / count.sum(0).clamp_min(1)
    mean = torch.where(count > 0, total / count.clamp_min(1), of_all)
    mean[:, : len(TORSIONS)] = 0
    return mean.float()


def _some_motion(
    cache: Cache,
    pool: list[tuple[Segment, int]],
    factor: int,
    most: int,
    mean: Tensor,
    kept: Tensor,
    kelvin: float | None,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Motion (G, factor - 1, L, 16) in the gaps, as at ``kelvin``; types (L,) and channels (L, 16) of its chain."""
    for segment, frames in _some_gaps(cache, pool, factor, most):
        sequence, exists = sequence_to_indices(segment.residue_types), torch.tensor(segment.exists)
        line = line_across(frames[:, 0], frames[:, -1], factor - 1, mean[sequence], kept)
        hotter = 1.0 if kelvin is None else math.sqrt(kelvin / segment.temperature)
        yield hotter * motion_beside(frames[:, 1:-1], line), sequence, exists


def _some_gaps(
    cache: Cache, pool: list[tuple[Segment, int]], factor: int, most: int
) -> Iterator[tuple[Segment, Tensor]]:
    """Frames (G, factor + 1, L, 16) of up to ``most`` gaps of every segment, spread over it."""
    for segment, stride in pool:
        last = segment.n_frames - factor * stride
        starts = np.unique(np.linspace(0, last - 1, min(most, last)).astype(int))
        gaps = [_gap_frames(cache, segment, int(start), factor, stride) for start in starts]
        yield segment, torch.from_numpy(np.stack(gaps))


def _gap_frames(cache: Cache, segment: Segment, start: int, factor: int, stride: int) -> np.ndarray:
    """Frames (factor + 1, L, 16) of one gap."""
    return cache.frames(segment)[start : start + factor * stride + 1 : stride]

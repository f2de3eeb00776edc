"""Training windows for upsampling: gaps between two key frames, cut from finely saved MD."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.gap_tokens import GapScales, internal_to_gap_tokens, straight_way, told_of_gap
from openmm_mdgen.geometry.internal import INTERNAL, TORSIONS
from openmm_mdgen.tokens import Conditioning, sequence_to_indices
from openmm_mdgen.train.cache import Cache, Segment
from openmm_mdgen.train.windows import Batch, Coverage, span


@dataclass(frozen=True)
class GapConfig:
    """Which gaps are trained.

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
    """

    spacings: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
    spacing_weights: tuple[float, ...] = (0.1, 0.1, 0.15, 0.45, 0.15, 0.05)
    intervals: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0)
    interval_weights: tuple[float, ...] = (0.7, 0.1, 0.1, 0.1)
    longest: int = 500
    n_tokens: int = 16384


class Gaps:
    """Draws batches of gaps; batch k is a pure function of (seed, k)."""

    channel_weight = torch.cat((torch.ones(len(TORSIONS)), torch.full((len(INTERNAL) - len(TORSIONS),), 0.3)))

    def __init__(self, cache: Cache, scales: GapScales, config: GapConfig) -> None:
        self.cache, self.scales, self.config = cache, scales, config
        self._pools = _pools(cache, config)

    def coverage(self) -> Coverage:
        """What the data have of what is wanted."""
        segments = [segment for pool in self._pools.values() for segment, _ in pool]
        return Coverage(
            lengths=span(s.n_residues for s in segments),
            intervals=span(interval for _, interval, _ in self._pools),
            spacings=span(spacing for spacing, _, _ in self._pools),
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
            frames.append(_gap_frames(self.cache, segment, start, factor, stride))
            sequences.append(sequence_to_indices(segment.residue_types))
            masks.append(torch.tensor(segment.exists))
        internal, exists = torch.from_numpy(np.stack(frames)), torch.stack(masks)
        left, right, inside = internal[:, 0], internal[:, -1], internal[:, 1:-1]
        way = straight_way(left, right, factor - 1)
        tokens = internal_to_gap_tokens(inside, way, self.scales.at(spacing).float()) * exists.unsqueeze(1)
        told = told_of_gap(left, right, factor - 1, spacing, exists)
        return Batch(
            tokens=tokens,
            counts=exists.unsqueeze(1).expand(tokens.shape),
            conditioning=gap_conditioning(torch.stack(sequences), exists, told, interval),
        )


def gap_conditioning(sequence: Tensor, exists: Tensor, told: Tensor, interval: float) -> Conditioning:
    """Conditioning of gaps: everything is told of every frame."""
    given = torch.ones(told.shape[:3], dtype=torch.bool)
    return Conditioning(sequence, exists, given, told, torch.full((len(told),), interval))


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


def measure_gap_scales(cache: Cache, config: GapConfig, n_gaps: int = 400) -> GapScales:
    """Root mean square distance from the straight way, per spacing and channel."""
    rng = np.random.default_rng(0)
    pools = _pools(cache, config)
    spacings, scales = [], []
    for spacing in config.spacings:
        keys = [k for k in pools if k[0] == spacing and k[1] == min(b for a, b, _ in pools if a == spacing)]
        if not keys:
            continue
        square, count = torch.zeros(2, len(INTERNAL), dtype=torch.float64)
        options = [(key, item) for key in keys for item in pools[key]]
        for index in rng.integers(len(options), size=n_gaps):
            (_, interval, _), (segment, stride) = options[index]
            factor = round(spacing / interval)
            start = rng.integers(segment.n_frames - factor * stride)
            x = torch.from_numpy(np.array(_gap_frames(cache, segment, start, factor, stride)))
            way = straight_way(x[None, 0], x[None, -1], factor - 1)[0]
            offset = internal_to_gap_tokens(x[1:-1], way, torch.ones(1))
            exists = torch.tensor(segment.exists)
            square += (offset.square() * exists).sum((0, 1))
            count += exists.sum(0) * len(offset)
        spacings.append(spacing)
        scales.append((square / count.clamp_min(1)).clamp_min(1e-8).sqrt())
    return GapScales(torch.tensor(spacings), torch.stack(scales).float())


def _gap_frames(cache: Cache, segment: Segment, start: int, factor: int, stride: int) -> np.ndarray:
    """Frames (factor + 1, L, 16) of one gap."""
    return cache.frames(segment)[start : start + factor * stride + 1 : stride]

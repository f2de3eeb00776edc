"""Training windows drawn from a cache: which frames, how far apart, and which of them are given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.network.velocity import VelocityConfig
from openmm_mdgen.tokens.noise_colour import GapColour
from openmm_mdgen.tokens.spans import released_channels, spans
from openmm_mdgen.tokens.tokens import (
    N_CHANNELS,
    N_GIVEN,
    N_IDENTITIES,
    N_TORSIONS,
    UNKNOWN,
    Conditioning,
    Normalization,
    internal_to_channels,
    internal_to_tokens,
    sequence_to_indices,
)
from openmm_mdgen.train.cache import Cache, Segment
from openmm_mdgen.weights.checkpoint import Weights

_Number = TypeVar("_Number", int, float)

_FURTHEST = 12  # frames between given ones at equal steps


@dataclass(frozen=True)
class WindowConfig:
    """Training for simulation, interpolation and inpainting: what the windows of a run look like.

    A training task, see `TrainingTask`.

    Attributes
    ----------
    n_frames : int
        Frames of a window at most; fewer where trajectories are short.
    n_tokens : int
        Frames times residues of a batch, about.
    intervals : tuple of float
        ps between the frames of a window, as far as the data have them.
    interval_weights : tuple of float
        How often each is drawn.
    first, ends, scattered, none, history, regular : float
        Share of windows whose first frame, both ends, a random set of frames, or no frame is given; whose first and
        others at equal steps, up to the middle of the window; or all at equal steps.
    residues : float
        Share of batches in whose windows some residues are given in every frame, the others in none or in the first.
    untold : float
        Share of those windows that are told neither identities nor torsions, only how the given residues lie.
    perturbed : float
        Share of windows whose given torsions are disturbed, as built or minimised structures are.
    perturbation : float
        Largest standard deviation of that disturbance in radians.
    reversed : float
        Share of windows that run backwards in time: at equilibrium positions have no arrow of time.
    one_temperature : bool
        Whether all windows of a batch have one temperature, which makes a network's evaluations on a CPU cheaper.
    """

    n_frames: int = 64
    n_tokens: int = 8192
    intervals: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
    interval_weights: tuple[float, ...] = (0.02, 0.02, 0.04, 0.66, 0.12, 0.07, 0.07)
    first: float = 0.8
    ends: float = 0.08
    scattered: float = 0.07
    none: float = 0.05
    history: float = 0.0
    regular: float = 0.0
    residues: float = 0.0
    untold: float = 0.3
    perturbed: float = 0.3
    perturbation: float = 0.5
    reversed: float = 0.5
    one_temperature: bool = False

    task: ClassVar[str] = "simulate"
    hidden_neighbours: ClassVar[float] = 0.0

    def shape(self, network: VelocityConfig) -> VelocityConfig:
        """The network with what these windows need; one that can inpaint goes on being able to."""
        return replace(network, inpaints=network.inpaints or self.residues > 0)

    def adopted(self, start: Weights, cache: Cache) -> Weights:
        """Weights to start from.

        Raises
        ------
        MDGenError
            Where they make places of one molecule, which these windows do not have.
        """
        if start.config.places:
            raise MDGenError("--init names a model of one molecule; go on with --molecule, or start from 'peptide'")
        return start

    def tables(self, cache: Cache) -> dict[str, Tensor]:
        """Means and deviations of the channels, measured once and kept with the weights."""
        return asdict(measure_normalization(cache))

    def windows(self, cache: Cache, tables: dict[str, Tensor]) -> WindowBatches:
        """What draws the batches."""
        return WindowBatches(cache, Normalization(**tables), self)

    def about(self) -> dict[str, object]:
        """The settings, as the weights say them."""
        return asdict(self)


class TrainingTask(Protocol):
    """What a network is trained for: what its batches are, and what is measured of the data before."""

    task: ClassVar[str]
    """As the weights say it."""
    hidden_neighbours: ClassVar[float]
    """Share of residues that are not told their neighbours, unless the run says otherwise."""

    def shape(self, network: VelocityConfig) -> VelocityConfig:
        """The network with what the task needs."""
        ...

    def adopted(self, start: Weights, cache: Cache) -> Weights:
        """Weights to start from, with what the task needs beside."""
        ...

    def tables(self, cache: Cache) -> dict[str, Tensor]:
        """What is measured of the data once, and kept with the weights."""
        ...

    def windows(self, cache: Cache, tables: dict[str, Tensor]) -> Drawn:
        """What draws the batches."""
        ...

    def about(self) -> dict[str, object]:
        """The settings, as the weights say them."""
        ...


class Drawn(Protocol):
    """Batches by number: batch k is a pure function of (seed, k)."""

    channel_weight: Tensor

    def coverage(self) -> Coverage:
        """What the data have of what is wanted."""
        ...

    def draw(self, seed: int, step: int) -> Batch:
        """Batch number ``step`` of the run with this seed."""
        ...


@dataclass(frozen=True)
class Batch:
    """Data tokens and what is told of them."""

    tokens: Tensor  # (B, T, L, C)
    counts: Tensor  # (B, T, L, C) of bool: what counts in the loss
    conditioning: Conditioning
    colour: GapColour | None = None  # where tokens are white and stand for motion inside gaps


@dataclass(frozen=True)
class Coverage:
    """What a network trained on these data has seen, smallest and largest: residues (caps left out), ps, K, ps."""

    lengths: tuple[int, int]
    intervals: tuple[float, float]
    temperatures: tuple[float, float]
    spacings: tuple[float, ...] = ()


def extent(values: Iterable[_Number]) -> tuple[_Number, _Number]:
    """Smallest and largest."""
    found = list(values)
    return min(found), max(found)


class WindowBatches:
    """Draws batches; batch k is a pure function of (seed, k), so a resumed run goes on as if it had not stopped."""

    channel_weight = torch.cat(
        (
            torch.full((2,), 0.4),  # omega, which stays near one value
            torch.ones(4),
            torch.full((N_GIVEN - 6,), 1.5),  # side chains, which are learned last
            torch.full((N_CHANNELS - N_GIVEN,), 0.2),
        )
    )

    def __init__(self, cache: Cache, normalization: Normalization, config: WindowConfig) -> None:
        self.cache, self.normalization, self.config = cache, normalization, config
        self.pools: dict[tuple[float, int], list[tuple[Segment, int]]] = defaultdict(list)
        for interval in config.intervals:
            for segment in cache.segments:
                stride = round(interval / segment.interval)
                if stride < 1 or abs(stride * segment.interval - interval) > 1e-3 * interval:
                    continue
                if segment.n_frames // stride >= 8:
                    self.pools[interval, len(segment.residue_types)].append((segment, stride))
        if not self.pools:
            raise MDGenError(f"no trajectory in the data has frames {config.intervals} ps apart; name other intervals")

    def coverage(self) -> Coverage:
        """What the data have of what is wanted."""
        segments = [segment for pool in self.pools.values() for segment, _ in pool]
        return Coverage(
            extent(s.n_residues for s in segments),
            extent(interval for interval, _ in self.pools),
            extent(s.temperature for s in segments),
        )

    def draw(self, seed: int, step: int) -> Batch:
        """Batch number ``step`` of the run with this seed."""
        rng = np.random.default_rng([seed, step])
        interval = self.draw_interval(rng)
        pools = {n: pool for (dt, n), pool in self.pools.items() if dt == interval}
        lengths = sorted(pools)
        weight = np.array([sum(s.n_frames / k for s, k in pools[n]) * n for n in lengths])
        n_residues = int(rng.choice(lengths, p=weight / weight.sum()))
        pool = pools[n_residues]
        n_frames = min(self.config.n_frames, max(s.n_frames // k for s, k in pool))
        pool = [(s, k) for s, k in pool if s.n_frames // k >= n_frames]
        if self.config.one_temperature:
            shared = pool[rng.integers(len(pool))][0].temperature
            pool = [(s, k) for s, k in pool if s.temperature == shared]
        chosen = rng.integers(len(pool), size=max(1, self.config.n_tokens // (n_frames * n_residues)))
        internal, sequences, exists, kelvin = [], [], [], []
        for index in chosen:
            segment, stride = pool[index]
            start = rng.integers(segment.n_frames - (n_frames - 1) * stride)
            window = self.cache.frames(segment)[start : start + n_frames * stride : stride][:n_frames]
            internal.append(window[::-1] if rng.random() < self.config.reversed else window)
            sequences.append(sequence_to_indices(segment.residue_types))
            exists.append(torch.tensor(segment.exists))
            kelvin.append(segment.temperature)
        batch = self._batch(
            torch.from_numpy(np.stack(internal)), torch.stack(sequences), torch.stack(exists), interval, rng
        )
        return replace(batch, conditioning=batch.conditioning._replace(temperature=torch.tensor(kelvin)))

    def draw_interval(self, rng: np.random.Generator) -> float:
        """ps between frames, as often as is wanted, of those that the data have."""
        present = {dt for dt, _ in self.pools}
        pairs = zip(self.config.intervals, self.config.interval_weights, strict=True)
        options = [(dt, w) for dt, w in pairs if dt in present]
        weight = np.array([w for _, w in options])
        return float(options[rng.choice(len(options), p=weight / weight.sum())][0])

    def _batch(
        self, internal: Tensor, sequence: Tensor, exists: Tensor, interval: float, rng: np.random.Generator
    ) -> Batch:
        b, n_frames, n_residues, _ = internal.shape
        amount = rng.uniform(0, self.config.perturbation, (b, 1, 1, 1)) * (
            rng.random((b, 1, 1, 1)) < self.config.perturbed
        )
        shake = rng.standard_normal((b, n_frames, n_residues, N_TORSIONS)) * amount
        shaken = internal.clone()
        shaken[..., :N_TORSIONS] += torch.from_numpy(shake).to(internal)
        mask, channels = exists.unsqueeze(1), internal_to_channels(exists)
        tokens = internal_to_tokens(internal, mask, self.normalization)
        if self.config.residues and rng.random() < self.config.residues:
            return self._inpainting(internal, tokens, sequence, channels, interval, rng)
        uniform = (torch.from_numpy(rng.random(shape, dtype=np.float32)) for shape in ((b,), (b, n_frames), (b, 2)))
        given = draw_given(self.config, *uniform)
        return Batch(
            tokens=tokens,
            counts=channels.unsqueeze(1) & ~given[:, :, None, None],
            conditioning=Conditioning(
                sequence=sequence,
                exists=channels,
                given=given.unsqueeze(-1).expand(-1, -1, n_residues),
                values=internal_to_tokens(shaken, mask, self.normalization),
                interval=torch.full((b,), interval),
            ),
        )

    def _inpainting(
        self,
        internal: Tensor,
        tokens: Tensor,
        sequence: Tensor,
        channels: Tensor,
        interval: float,
        rng: np.random.Generator,
    ) -> Batch:
        """Windows whose given tokens are those of some residues."""
        drawn = [draw_free(residues, rng) for residues in sequence]
        free = torch.stack(drawn)
        given_values = torch.stack([inpainting_values(x, f) for x, f in zip(tokens, free, strict=True)])
        span = torch.stack([spans(x, f, is_whole(s)) for x, f, s in zip(internal, free, sequence, strict=True)])
        given = (~free).unsqueeze(1).repeat(1, tokens.shape[1], 1)
        counts = channels & (free.unsqueeze(-1) | torch.stack([released_channels(f) for f in free]))
        counts = counts.unsqueeze(1).repeat(1, tokens.shape[1], 1, 1)
        started = torch.from_numpy(rng.random(len(free)) < 0.5)
        given_values[started, 0], given[started, 0], counts[started, 0] = tokens[started, 0], True, False
        untold = torch.from_numpy(rng.random(len(free)) < self.config.untold)
        conditioning = Conditioning(
            sequence=torch.where(untold.unsqueeze(-1), UNKNOWN, sequence),
            exists=channels,
            given=given,
            values=torch.where(untold[:, None, None, None], 0.0, given_values),
            interval=torch.full((len(free),), interval),
            span=span,
        )
        return Batch(tokens, counts, conditioning)


def draw_given(config: WindowConfig, kind: Tensor, order: Tensor, sizes: Tensor) -> Tensor:
    """Which frames (B, T) of bool are given, as `WindowConfig` says, from numbers that are uniform between 0 and 1.

    Parameters
    ----------
    config : WindowConfig
    kind : Tensor (B,)
        Decides which kind of window it is.
    order : Tensor (B, T)
        Decides which frames are scattered.
    sizes : Tensor (B, 2)
        Decide how many are, and how far apart and up to where frames at equal steps are.
    """
    n_frames = order.shape[1]
    c = config
    shares = torch.tensor([c.first, c.ends, c.scattered, c.none, c.history, c.regular], device=kind.device)
    edges = (shares / shares.sum()).cumsum(0)[:-1].contiguous()
    which = torch.bucketize(kind, edges, right=True).unsqueeze(-1)  # (B, 1)
    frame = torch.arange(n_frames, device=kind.device)
    given = (frame == 0) & ((which == 0) | (which == 1))
    given |= (frame == n_frames - 1) & (which == 1)
    first, second = sizes.unsqueeze(-1).unbind(1)  # (B, 1) each
    n_scattered = 1 + (first * (max(2, n_frames // 8) - 1)).long()
    given |= (order.argsort(1).argsort(1) < n_scattered) & (which == 2)
    furthest = min(_FURTHEST, n_frames // 2 - 1)
    least = torch.where(which == 5, 2, 1)
    step = least + (first * (furthest + 1 - least)).long()
    middle = step + (second * (n_frames // 2 - step).clamp_min(1)).long()
    last = torch.where(which == 5, n_frames, middle)
    given |= (frame % step == 0) & (frame <= last) & (which >= 4)
    return given


def is_whole(sequence: Tensor) -> Tensor:
    """Which residues (L,) of bool have N, CA and C: all but the caps."""
    return sequence < N_IDENTITIES


def draw_free(sequence: Tensor, rng: np.random.Generator) -> Tensor:
    """Residues (L,) of bool to be generated: one at least, not all where there are two, in runs more often than not.

    A cap goes with its neighbour.
    """
    places = is_whole(sequence).nonzero().flatten().tolist()
    n = len(places)
    free = torch.zeros(len(sequence), dtype=torch.bool)
    size = int(rng.integers(1, n)) if n > 1 else 1
    if rng.random() < 0.7:
        first = int(rng.integers(0, n - size + 1))
        free[places[first : first + size]] = True
    else:
        free[rng.choice(places, size=size, replace=False)] = True
    return with_caps(free, sequence)


def with_caps(free: Tensor, sequence: Tensor) -> Tensor:
    """The same, with the caps beside free residues."""
    free = free.clone()
    if len(sequence) > 1:
        free[0] |= bool(sequence[0] >= N_IDENTITIES) and bool(free[1])
        free[-1] |= bool(sequence[-1] >= N_IDENTITIES) and bool(free[-2])
    return free


def inpainting_values(tokens: Tensor, free: Tensor) -> Tensor:
    """Tokens (T, L, C) without what is to be generated."""
    return tokens * ~(released_channels(free) | free.unsqueeze(-1))


def measure_normalization(cache: Cache, max_rows: int = 200_000) -> Normalization:
    """Mean and deviation of each channel over the cache, existing channels only."""
    total, square, count = torch.zeros(3, 1, dtype=torch.float64)
    for segment in cache.segments:
        exists = torch.tensor(segment.exists)
        step = max(1, sum(s.n_frames * len(s.residue_types) for s in cache.segments) // max_rows)
        internal = torch.from_numpy(np.array(cache.frames(segment)[::step], dtype=np.float64))
        unit = Normalization(torch.zeros(1), torch.ones(1))
        raw = internal_to_tokens(internal, exists, unit).flatten(0, 1)
        mask = internal_to_channels(exists).repeat(len(internal), 1)
        total = total + (raw * mask).sum(0)
        square = square + (raw.square() * mask).sum(0)
        count = count + mask.sum(0)
    mean = total / count.clamp_min(1)
    std = (square / count.clamp_min(1) - mean.square()).clamp_min(1e-6).sqrt()
    return Normalization(mean.float(), torch.where(count > 0, std, 1.0).float())

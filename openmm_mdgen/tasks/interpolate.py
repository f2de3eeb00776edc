"""Transition paths: many trajectories through key frames at any times, or through none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.superpose import superposition
from openmm_mdgen.peptide.peptide import Peptide, Structure
from openmm_mdgen.tasks.atoms import task_atoms
from openmm_mdgen.tasks.model import PeptideModel
from openmm_mdgen.tasks.propagator import block_seed

_COARSER = 10  # a long path is first made at this many intervals, then filled
_LEAST = 5  # fewer known frames apart than this, a window was never trained


@dataclass(frozen=True)
class Interpolate(PeptideModel):
    """Paths through key frames: `bind_paths` binds it to a structure.

    A path longer than ``window`` frames is made coarse first, then filled window by window around the coarse frames.

    Attributes
    ----------
    window : int
        Frames of one window at most; the rest is `PeptideModel`'s.
    longest : float
        ps, the longest time span of one window.
    """

    window: int = 64
    longest: float = 3200.0

    def bind_paths(
        self,
        structure: Structure,
        interval: float = 10.0,
        *,
        reference: np.ndarray | None = None,
        temperature: float | None = None,
    ) -> InterpolateSampler:
        """A sampler of paths over these atoms; arguments as in `Simulate.bind`."""
        peptide = Peptide.from_structure(structure)
        self.check(peptide, interval)
        reference = structure.positions if reference is None else reference
        return InterpolateSampler(self.at(temperature), peptide, interval, reference)

    def plan(self, n_frames: int, interval: float) -> list[int]:
        """By how much each pass is coarser than the one after it, the coarsest first; empty for one window.

        Raises
        ------
        MDGenError
            If the time span is too long.
        """
        span = (n_frames - 1) * interval
        factors = self._factors(n_frames, interval) if span <= self.longest * 1.001 else None
        if factors is None:
            fits = self._factors(int(self.longest / interval) + 1, interval) is not None
            most = self.longest if fits else (self.window - 1) * interval
            raise MDGenError(
                f"a path of {span:g} ps is too long for model {self.name!r}, which reaches {most:g} ps at an interval "
                f"of {interval:g} ps; shorten the time, or join paths at a key frame"
            )
        return factors

    def _factors(self, n_frames: int, interval: float) -> list[int] | None:
        """The plan with the fewest passes that end within one window, none where there is no such plan."""
        if n_frames <= self.window:
            return []
        for factor in range(min(_COARSER, int(self.intervals[1] / interval * 1.001)), _LEAST - 1, -1):
            coarser = self._factors(-(-(n_frames - 1) // factor) + 1, factor * interval)
            if coarser is not None:
                return [*coarser, factor]
        return None


class InterpolateSampler:
    """Paths of one peptide."""

    def __init__(self, task: Interpolate, peptide: Peptide, interval: float, reference: np.ndarray) -> None:
        self.task, self.interval = task, interval
        self.atoms = task_atoms(task, peptide, reference)
        self._reference = torch.as_tensor(np.array(reference), dtype=torch.float64)

    def sample(self, keys: Mapping[int, np.ndarray], n_frames: int, seeds: Sequence[int]) -> np.ndarray:
        """Paths (B, n_frames, N, 3) in Å, one for each seed.

        Parameters
        ----------
        keys : mapping of int to ndarray (N, 3)
            Key frames in Å by frame number; they are in the result exactly. May be empty.
        n_frames : int
            Frames of a path, key frames included.
        seeds : sequence of int
            A path is a function of the keys and its own seed.

        Returns
        -------
        ndarray
            Between two key frames the molecule turns and moves evenly from one to the other.
        """
        placed = {k: torch.as_tensor(np.array(x), dtype=torch.float64) for k, x in sorted(keys.items())}
        tokens = {k: self.atoms.encode(x).float() for k, x in placed.items()}
        path = self._tokens(tokens, n_frames, self.task.plan(n_frames, self.interval), list(seeds))
        frames = self._placed(self.atoms.decode(path, list(seeds), self.task.spread_temperature), placed)
        for k, x in placed.items():
            frames[:, k] = x
        return frames.numpy()

    def _tokens(self, keys: dict[int, Tensor], n_frames: int, factors: list[int], seeds: list[int]) -> Tensor:
        """Tokens (B, n_frames, L, C): in one window, or coarse and then in windows around the coarse frames."""
        interval = self.interval
        coarse_interval = interval * int(np.prod(factors))
        n = [n_frames]
        for factor in factors[::-1]:
            n.insert(0, -(-(n[0] - 1) // factor) + 1)
        scale = int(np.prod(factors))
        known = {min(n[0] - 1, round(k / scale)): x for k, x in keys.items()}
        path = self._window([known], n[0], coarse_interval, seeds)
        for level, factor in enumerate(factors):
            scale //= factor
            exact = {min(n[level + 1] - 1, round(k / scale)): x for k, x in keys.items()}
            path = self._filled(path, exact, n[level + 1], factor, interval * scale, seeds, level)
        return path

    def _filled(
        self,
        coarse: Tensor,
        keys: dict[int, Tensor],
        n_frames: int,
        factor: int,
        interval: float,
        seeds: list[int],
        level: int,
    ) -> Tensor:
        """Tokens of the finer path through the coarse one; coarse frames that a key frame is near give way to it."""
        known: dict[int, Tensor] = {}
        for k in range(coarse.shape[1]):
            if k * factor < n_frames and not any(0 < abs(key - k * factor) < factor for key in keys):
                known[k * factor] = coarse[:, k]
        known |= {k: x.expand(len(seeds), -1, -1) for k, x in keys.items()}
        path = coarse.new_zeros(len(seeds), n_frames, *coarse.shape[2:])
        for number, (first, last) in enumerate(_windows(known, n_frames, self.task.window)):
            inside = {k - first: x for k, x in known.items() if first <= k <= last}
            if first:
                inside[0] = path[:, first]
            window_seeds = [block_seed(seed, number, level) for seed in seeds]
            path[:, first : last + 1] = self._window([inside], last - first + 1, interval, window_seeds)
        return path

    def _window(self, known: list[dict[int, Tensor]], n_frames: int, interval: float, seeds: list[int]) -> Tensor:
        """Tokens (B, n_frames, L, C) of one window with known frames, which come back as they are."""
        given, values = self.atoms.empty(len(seeds), n_frames)
        for k, x in known[0].items():
            given[:, k], values[:, k] = True, x
        tokens = self.task.sample(self.atoms.conditioning(given, values, interval), seeds)
        return torch.where(given.unsqueeze(-1), values, tokens)

    def _placed(self, frames: Tensor, keys: dict[int, Tensor]) -> Tensor:
        """Frames (B, T, N, 3) laid on the key frames around them, the rigid motion between two shared out evenly."""
        numbers = sorted(keys)
        if not numbers:
            return _laid(frames, self._reference, self.atoms.heavy)
        out = torch.empty_like(frames)
        out[:, : numbers[0] + 1] = _laid(frames[:, : numbers[0] + 1], keys[numbers[0]], self.atoms.heavy)
        out[:, numbers[-1] :] = _laid(frames[:, numbers[-1] :], keys[numbers[-1]], self.atoms.heavy)
        for a, b in pairwise(numbers):
            share = torch.linspace(0, 1, b - a + 1, dtype=torch.float64)
            out[:, a : b + 1] = _between(frames[:, a : b + 1], keys[a], keys[b], share, self.atoms.heavy)
        return out


def _windows(known: Collection[int], n_frames: int, most: int) -> Iterator[tuple[int, int]]:
    """First and last frame of windows of at most ``most`` frames; each but the last ends at a known frame."""
    first = 0
    while first < n_frames - 1:
        reach = min(first + most, n_frames) - 1
        last = reach if reach == n_frames - 1 else max(k for k in known if k <= reach)
        yield first, last
        first = last


def _laid(frames: Tensor, target: Tensor, heavy: Tensor) -> Tensor:
    rotation, center, to = superposition(frames[..., heavy, :], target[heavy])
    return (frames - center) @ rotation + to


def _between(frames: Tensor, left: Tensor, right: Tensor, share: Tensor, heavy: Tensor) -> Tensor:
    """Frames (B, T, N, 3) laid on ``left`` at share (T,) 0 and on ``right`` at share 1."""
    on_left, center, to_left = superposition(frames[..., heavy, :], left[heavy])
    on_right, _, to_right = superposition(frames[..., heavy, :], right[heavy])
    turn = on_left @ _power(on_left.mT @ on_right, share)
    weight = share[:, None, None]
    return (frames - center) @ turn + (1 - weight) * to_left + weight * to_right


def _power(rotation: Tensor, share: Tensor) -> Tensor:
    """The rotation (B, T, 3, 3) about the same axis by ``share`` (T,) of its angle."""
    vectors = Rotation.from_matrix(rotation.reshape(-1, 3, 3).numpy()).as_rotvec().reshape(*rotation.shape[:2], 3)
    scaled = vectors * share.numpy()[:, None]
    matrices = Rotation.from_rotvec(scaled.reshape(-1, 3)).as_matrix()
    return torch.from_numpy(matrices).reshape(rotation.shape)

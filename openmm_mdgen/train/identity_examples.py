"""Examples for the model that guesses identities: every run of one or two residues of every peptide is one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.sidechains import TYPES
from openmm_mdgen.tasks.identity import (
    LAGS,
    Place,
    averages_to_features,
    frame_averages,
    frame_lags,
    gap_distances,
    surroundings,
)
from openmm_mdgen.tokens.spans import bridged_runs
from openmm_mdgen.tokens.tokens import N_IDENTITIES, sequence_to_indices
from openmm_mdgen.train.cache import Cache, Segment

DURATIONS = (10.0, 100.0, 600.0, 3000.0)  # ps, over which noise is measured
MOVING_FROM = 600.0  # ps; in less, speeds are too uncertain to help
N_WINDOWS = 4  # of each duration from each trajectory

Run = tuple[tuple[str, ...], int]  # a peptide, and the first residue of a run in it


@dataclass(frozen=True)
class Examples:
    """Runs of one kind: what is averaged over their frames."""

    center: Tensor  # (9,) Å
    scale: Tensor  # (9,)
    identity: Tensor  # (E,) of int
    context: Tensor  # (E, 45)
    peptide: Tensor  # (E,) of int
    whole: Tensor  # (E, K): features of all frames
    duration: float  # ps, of all frames
    windows: dict[float, list[Tensor]]  # by duration: E times (W, K)

    def part(self, which: Tensor) -> Examples:
        """Some of the examples."""
        chosen = which.nonzero().flatten().tolist()
        windows = {k: [v[i] for i in chosen] for k, v in self.windows.items()}
        return replace(
            self,
            identity=self.identity[which],
            context=self.context[which],
            peptide=self.peptide[which],
            whole=self.whole[which],
            windows=windows,
        )


def usable_segments(cache: Cache) -> dict[tuple[str, ...], list[Segment]]:
    """Trajectories by peptide whose interval divides the lags and that are long enough to tell speeds."""
    found = defaultdict(list)
    for segment in cache.segments:
        if frame_lags(segment.interval) and segment.n_frames >= round(MOVING_FROM / segment.interval):
            found[segment.residue_types].append(segment)
    if not found:
        raise MDGenError(
            f"no trajectory in the data, or in the validation, is {MOVING_FROM:g} ps long with an interval that "
            f"divides {LAGS[0]:g} ps, which design is learned from; save longer or finer ones, or choose another "
            "--stride"
        )
    return dict(sorted(found.items()))


def inner_runs(segments: dict[tuple[str, ...], list[Segment]], length: int) -> list[Run]:
    """Every run of so many residues between two others: the peptide, and the first of the run."""
    found = []
    for types in segments:
        sequence = sequence_to_indices(types)
        for first in range(1, len(types) - length):
            free = torch.zeros(len(types), dtype=torch.bool)
            free[first : first + length] = True
            inner = bool((sequence[free] < N_IDENTITIES).all())
            if inner and bridged_runs(free, sequence < N_IDENTITIES):
                found.append((types, first))
    return found


def run_examples(
    cache: Cache,
    segments: dict[tuple[str, ...], list[Segment]],
    runs: list[Run],
    length: int,
    moving: bool,
    scaling: tuple[Tensor, Tensor] | None = None,
) -> Examples:
    """Everything of runs of so many residues but which residue is asked for.

    Parameters
    ----------
    moving : bool
        With speeds.
    scaling : (Tensor (9,), Tensor (9,)), optional
        Å; mean and deviation of the distances, else those of the runs.
    """
    distances = [[_distances(cache, s, first, length) for s in segments[types]] for types, first in runs]
    sample = torch.cat([d[::10] for group in distances for d in group])
    center, scale = (sample.mean(0), sample.std(0)) if scaling is None else scaling
    whole, total = [], []
    windows: dict[float, list[Tensor]] = defaultdict(list)
    for (types, _), group in zip(runs, distances, strict=True):
        found = [
            _averages((d - center) / scale, s.interval, moving) for s, d in zip(segments[types], group, strict=True)
        ]
        time = torch.tensor([s.n_frames * s.interval for s in segments[types]], dtype=torch.float64)
        whole.append((torch.stack([all_frames for all_frames, _ in found]) * time.unsqueeze(-1)).sum(0) / time.sum())
        total.append(float(time.sum()))
        for duration in found[0][1]:
            parts = torch.cat([pieces[duration] for _, pieces in found])
            windows[duration].append(averages_to_features(parts))
    peptides = {d: {types for (types, _), x in zip(runs, w, strict=True) if len(x)} for d, w in windows.items()}
    shortest = min(windows)
    windows = {d: w for d, w in windows.items() if d == shortest or len(peptides[d]) > 1}
    return Examples(
        center=center,
        scale=scale,
        identity=torch.zeros(len(runs), dtype=torch.long),
        context=torch.stack([surroundings(sequence_to_indices(t), k, k + length - 1) for t, k in runs]),
        peptide=torch.tensor([list(segments).index(types) for types, _ in runs]),
        whole=averages_to_features(torch.stack(whole)),
        duration=max(float(np.median(total)), 1.5 * max(windows)),
        windows=windows,
    )


def _distances(cache: Cache, segment: Segment, first: int, length: int) -> Tensor:
    internal = torch.from_numpy(np.array(cache.frames(segment), dtype=np.float64))
    return gap_distances(internal, first, first + length - 1)


def _averages(z: Tensor, interval: float, moving: bool) -> tuple[Tensor, dict[float, Tensor]]:
    """Averages (K,) over all frames of z (T, 9), and (W, K) over windows of each duration."""
    lags = frame_lags(interval) if moving else ()
    whole, windows = frame_averages(z, lags), {}
    for duration in DURATIONS[DURATIONS.index(MOVING_FROM) if moving else 0 :]:
        n = max(1, round(duration / interval))
        found = [frame_averages(z[k : k + n], lags) for k in _starts(len(z), n)]
        windows[duration] = torch.stack(found) if found else whole.new_zeros(0, len(whole))
    return whole, windows


def _starts(n_frames: int, n: int) -> list[int]:
    """First frames of at most `N_WINDOWS` windows of n frames, spread over a trajectory."""
    count = n_frames // n
    places = np.linspace(0, count - 1, min(N_WINDOWS, count)) if count else np.zeros(0)
    return [int(k) * n for k in places.round()]


def with_identity(examples: Examples, runs: list[Run], place: Place) -> Examples:
    """These examples, labelled with the residue in this place of every run."""
    residues = [TYPES.index(types[first + place.place]) for types, first in runs]
    return replace(examples, identity=torch.tensor(residues))

"""Which frames the short runs start from: torsion clusters, the least visited or the least certain first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial import cKDTree

from openmm_mdgen.correction.markov import cluster_centres
from openmm_mdgen.errors import MDGenError

_PER_CLUSTER = 2  # seeds, on average


class Frames(Protocol):
    """A run: frames (T, N, 3) in Å, their features (T, D), and why it is left out, if it is."""

    @property
    def positions(self) -> np.ndarray: ...
    @property
    def features(self) -> np.ndarray: ...
    @property
    def failure(self) -> str: ...


@dataclass(frozen=True)
class Candidates:
    """Frames that a run may start from: generated ones, then those of the runs that came to their end.

    Attributes
    ----------
    positions : (G, N, 3) ndarray
        Å.
    features : (G, D) ndarray
        Sines and cosines of the torsions.
    usable : (G,) bool ndarray
        Those that may be taken.
    """

    positions: np.ndarray
    features: np.ndarray
    usable: np.ndarray

    def and_those_of(self, runs: Sequence[Frames], step: int) -> Candidates:
        """With the frames of these runs, of which every ``step``-th may be taken."""
        whole = [run for run in runs if not run.failure]
        each = [(np.arange(len(run.features)) + 1) % step == 0 for run in whole]
        return Candidates(
            np.concatenate([self.positions, *(run.positions for run in whole)]),
            np.concatenate([self.features, *(run.features for run in whole)]),
            np.concatenate([self.usable, *each]),
        )


@dataclass(frozen=True)
class Seeds:
    """Frames to start from.

    Attributes
    ----------
    frames : (S,) int ndarray
        Generated frames, in the order in which they are run.
    clusters : (S,) int ndarray
        Torsion cluster of each, 0 the least visited.
    """

    frames: np.ndarray
    clusters: np.ndarray


def choose_seeds(
    features: np.ndarray,
    number: int,
    *,
    usable: np.ndarray | None = None,
    priority: np.ndarray | None = None,
    seed: int = 0,
) -> Seeds:
    """Frames that cover the torsion space, one cluster after another, from the least visited on.

    The first round takes the frame nearest to each centre, later ones the frames furthest from those taken. Clusters
    are half as many as seeds.

    Parameters
    ----------
    features : (G, D) ndarray
        Sines and cosines of the torsions.
    number : int
        Seeds, S.
    usable : (G,) bool ndarray, optional
        Frames that may be taken.
    priority : (G,) ndarray, optional
        Clusters with the highest mean come first instead of those with the fewest frames.
    seed : int
        Of k-means; the same seed gives the same frames.

    Raises
    ------
    MDGenError
        When fewer frames than seeds may be taken.
    """
    allowed = np.arange(len(features)) if usable is None else np.flatnonzero(usable)
    if number < 1:
        raise MDGenError(f"seeds {number} must be 1 or more; 100 is usual")
    if len(allowed) < number:
        raise MDGenError(
            f"{len(allowed)} usable generated frames are fewer than {number} seeds; generate more or give "
            f"seeds={max(len(allowed), 1)} (--seeds)"
        )
    points = np.asarray(features, np.float64)[allowed]
    centres = cluster_centres(points, max(1, -(-number // _PER_CLUSTER)), seed)
    labels = cKDTree(centres).query(points)[1]
    sizes = np.bincount(labels, minlength=len(centres)).astype(float)
    rank = sizes if priority is None else -np.bincount(labels, priority[allowed], len(centres)) / np.maximum(sizes, 1)
    order = [c for c in np.argsort(rank, kind="stable") if sizes[c]]
    members = {c: _spread(points, np.flatnonzero(labels == c), centres[c], number) for c in order}
    taken: list[tuple[int, int]] = []
    depth = 0
    while len(taken) < number:
        taken += [(int(allowed[members[c][depth]]), k) for k, c in enumerate(order) if depth < len(members[c])]
        depth += 1
    frames, clusters = np.array(taken[:number]).T
    return Seeds(frames, clusters)


def _spread(points: np.ndarray, members: np.ndarray, centre: np.ndarray, number: int) -> list[int]:
    """Members in order: nearest to the centre first, then ever the one furthest from those before."""
    first = int(members[np.linalg.norm(points[members] - centre, axis=-1).argmin()])
    chosen, away = [first], np.linalg.norm(points[members] - points[first], axis=-1)
    away[members == first] = -1.0
    while len(chosen) < min(number, len(members)):
        if len(chosen) >= _PER_CLUSTER:  # the rest in the order of frames, which costs nothing
            rest = members[~np.isin(members, chosen)]
            return [*chosen, *rest[: number - len(chosen)].tolist()]
        place = int(away.argmax())
        chosen.append(int(members[place]))
        away = np.minimum(away, np.linalg.norm(points[members] - points[members[place]], axis=-1))
        away[place] = -1.0
    return chosen

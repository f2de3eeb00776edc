"""Gaps of molecules: rigid motion taken out, the inside filled, the rigid motion put back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.superpose import centroid, slerp, superposition
from openmm_mdgen.tasks.gap import GapFiller
from openmm_mdgen.tasks.optional import offers, optional
from openmm_mdgen.upsampling.residual import Residual


def fractions(factor: int) -> np.ndarray:
    """(factor - 1,) places of the new frames in a gap, 0 and 1 being its key frames."""
    return np.arange(1, factor) / factor


class LinearGapFiller:
    """Straight lines between superposed key frames: the machinery without a network.

    Parameters
    ----------
    factor
        New frames per key frame, the key frame included.

    Examples
    --------
    >>> LinearGapFiller(2).fill(np.array([[[0.0, 0, 0]], [[1.0, 0, 0]]]), seeds=[0])
    array([[[[0.5, 0. , 0. ]]]])
    """

    content_hash = "linear"

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """(G + 1, N, 3) Å -> (G, M - 1, N, 3) Å; the seeds are not used."""
        fraction = fractions(self.factor)[:, None, None]
        out: np.ndarray = (1 - fraction) * key_frames[:-1, None] + fraction * key_frames[1:, None]
        return out


class Gaps:
    """The gaps of one molecule, or of several alike, each with rigid motion of its own.

    Key frames are superposed one on the other by the weighted atoms; `filler` makes the inside; what it loses of a key
    frame is carried across the gap (`Residual`); rotation (slerp) and translation between key frames are put back.

    Parameters
    ----------
    filler
        Makes the internal motion. It is handed one molecule; only `LinearGapFiller` is handed several, one after the
        other along the atom axis.
    factor
        New frames per key frame, the key frame included.
    weights
        (n,) weights for the superposition, the same for each molecule: 1 for heavy atoms and 0 for hydrogens, say.
    residual
        Carries across the gap what the filler loses of a key frame; None for a filler that loses nothing.
    """

    def __init__(self, filler: GapFiller, factor: int, weights: np.ndarray, residual: Residual | None = None) -> None:
        self.filler = filler
        self.factor = factor
        self.weights = weights
        self.residual = residual

    @property
    def per_call(self) -> int:
        """Gaps that the filler likes to be handed at once."""
        return int(optional(self.filler, "gaps_per_call", 16))

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Frames between whole key frames in the user's orientation: (G + 1, R, n, 3) -> (G, M - 1, R * n, 3), Å."""
        n_frames, n_molecules, n, _ = key_frames.shape
        centres = centroid(key_frames, self.weights)
        rotations, superposed = superpose_chain(key_frames - centres, self.weights)
        inside = self._inside(superposed.reshape(n_frames, -1, 3), seeds)
        fraction = fractions(self.factor)
        back = _turned_back(rotations, fraction)
        moved = centres[:-1, None] + fraction[:, None, None, None] * (centres[1:] - centres[:-1])[:, None]
        inside = inside.reshape(n_frames - 1, self.factor - 1, n_molecules, n, 3)
        out: np.ndarray = inside @ back.astype(inside.dtype)
        out += moved
        return out.reshape(n_frames - 1, self.factor - 1, -1, 3)

    def _inside(self, superposed: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        frames = _floating(self.filler.fill(superposed, seeds))
        n_gaps, n_between = len(superposed) - 1, self.factor - 1
        if frames.shape not in ((n_gaps, n, *superposed.shape[1:]) for n in (n_between, n_between + 2)):
            raise MDGenError(
                f"the gap filler gave frames of shape {frames.shape} for {n_gaps} gaps of {superposed.shape[1]} atoms; "
                f"make it fill {n_between} frames per gap"
            )
        if self.residual is None:
            return frames
        if frames.shape[1] == n_between + 2:
            first, last, frames = frames[:, 0], frames[:, -1], frames[:, 1:-1]
        elif offers(self.filler, "decoded"):
            decoded = _floating(optional(self.filler, "decoded")(superposed))
            first, last = decoded[:-1], decoded[1:]
        else:
            return frames
        return self.residual.add(frames, np.stack([first, last], 1), np.stack([superposed[:-1], superposed[1:]], 1))


def _floating(frames: np.ndarray) -> np.ndarray:
    """What a filler gave, in single or double precision."""
    frames = np.asarray(frames)
    return frames if frames.dtype in (np.float32, np.float64) else frames.astype(np.float64)


def superpose_chain(centred: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Superpose each frame on the one before it, the first staying as it is.

    Parameters
    ----------
    centred
        (F, ..., n, 3) Å.
    weights
        (n,).

    Returns
    -------
    tuple
        (F, ..., 3, 3) rotations and (F, ..., n, 3) rotated positions.
    """
    steps, _, _ = superposition(centred[1:], centred[:-1], weights)
    rotations = np.empty((*centred.shape[:-2], 3, 3))
    rotations[0] = np.eye(3)
    for k, step in enumerate(steps):
        rotations[k + 1] = step @ rotations[k]
    return rotations, centred @ rotations


def _turned_back(rotations: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """(G + 1, R, 3, 3) rotations into the common orientation -> (G, M - 1, R, 3, 3) back from it inside each gap."""
    inverse = np.swapaxes(rotations, -1, -2)
    return slerp(inverse[:-1, None], inverse[1:, None], fraction[:, None])

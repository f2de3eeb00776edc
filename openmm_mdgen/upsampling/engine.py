"""A whole system between its frames: molecules by their own fillers, over periodic boundaries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.upsampling.gaps import Gaps, fractions

_CHUNK_BYTES = 2**25  # of new frames in single precision
_BROKEN = 10.0  # Å, the longest bond where no box says how far atoms may be apart


@dataclass(frozen=True)
class Group:
    """Molecules alike that are filled in one go.

    Attributes
    ----------
    atoms
        (R, n) indices of R molecules of n atoms each.
    gaps
        What fills them.
    bonds
        (B, 2) pairs of indices into all atoms, to see whether the molecules are whole; empty for molecules that are
        made whole as they are read (each atom in the image nearest to its molecule's first).
    """

    atoms: np.ndarray
    gaps: Gaps
    bonds: np.ndarray


class Engine:
    """Fills the gaps of a system; the result depends on the seed, the number of the gap and its chunk only.

    Parameters
    ----------
    groups
        All atoms, each in one group.
    factor
        New frames per key frame, the key frame included.
    seed
        The user's seed.
    identity
        Name and content hash of the model: an interrupted run goes on only with the same.
    """

    def __init__(self, groups: list[Group], factor: int, seed: int, identity: str) -> None:
        self.groups = groups
        self.factor = factor
        self.seed = seed
        self.identity = identity
        self.n_atoms = sum(group.atoms.size for group in groups)
        per_call = min(group.gaps.per_call for group in groups)
        frame = max(1, (factor - 1) * self.n_atoms * 12)
        self.gaps_per_chunk = int(np.clip(_CHUNK_BYTES // frame, 1, per_call))

    def chunk(self, gap: int, n_gaps: int) -> tuple[int, int]:
        """First and last + 1 gap of the chunk that holds `gap`: chunks lie at fixed places."""
        first = gap - gap % self.gaps_per_chunk
        return first, min(first + self.gaps_per_chunk, n_gaps)

    def fill(self, key_frames: np.ndarray, boxes: np.ndarray | None, first_gap: int) -> np.ndarray:
        """Frames between the key frames of one chunk.

        Parameters
        ----------
        key_frames
            (G + 1, N, 3) Å.
        boxes
            (G + 1, 3, 3) box vectors as rows in Å, zero for none; or None.
        first_gap
            Number of the first gap in the trajectory.

        Returns
        -------
        numpy.ndarray
            (G, M - 1, N, 3) float32, Å.

        Raises
        ------
        MDGenError
            If positions are not finite or a molecule is broken over the periodic box.
        """
        _check_finite(key_frames, first_gap)
        n_gaps = len(key_frames) - 1
        frames = np.empty((n_gaps, self.factor - 1, self.n_atoms, 3), dtype=np.float32)
        for number, group in enumerate(self.groups):
            seeds = [block_seed(self.seed, first_gap + gap, number) for gap in range(n_gaps)]
            frames[:, :, group.atoms.ravel()] = _fill_group(group, key_frames, boxes, seeds, first_gap)
        if not np.isfinite(frames).all():
            raise MDGenError(f"the model gave positions that are not finite after frame {first_gap}; try another seed")
        return frames


def _fill_group(
    group: Group, key_frames: np.ndarray, boxes: np.ndarray | None, seeds: list[int], first_gap: int
) -> np.ndarray:
    """(G, M - 1, R * n, 3) Å."""
    positions = key_frames[:, group.atoms]
    if boxes is None or not boxes.any((1, 2)).all():
        _check_whole(group.bonds, key_frames, _BROKEN, first_gap)
        return group.gaps.fill(positions, seeds)
    if len(group.bonds):
        shortest = np.linalg.norm(boxes, axis=-1).min()
        _check_whole(group.bonds, key_frames, shortest / 2, first_gap)
    else:
        positions = _make_whole(positions, boxes)
    images = _images(positions, boxes)
    shifts = images @ boxes
    frames = group.gaps.fill(positions - shifts[:, :, None], seeds)
    out: np.ndarray = frames + _image_shifts(images, boxes, group.gaps.factor, group.atoms.shape[1])
    return out


def _make_whole(positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(F, R, n, 3): each atom in the image nearest to the first of its molecule."""
    apart = positions - positions[:, :, :1]
    images = np.round(apart @ np.linalg.inv(boxes)[:, None])
    out: np.ndarray = positions - images @ boxes[:, None]
    return out


def _images(positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(F, R, 3) whole numbers of boxes to take away so that centres move by less than half a box at a time."""
    centres = positions.mean(2)
    mean_boxes = (boxes[1:] + boxes[:-1]) / 2
    steps = np.round((centres[1:] - centres[:-1]) @ np.linalg.inv(mean_boxes))
    return np.concatenate([np.zeros_like(steps[:1]), np.cumsum(steps, axis=0)])


def _image_shifts(images: np.ndarray, boxes: np.ndarray, factor: int, n: int) -> np.ndarray:
    """(G, M - 1, R * n, 3) Å that take each new frame to the image of the nearer key frame."""
    place = fractions(factor)
    between = boxes[:-1, None] + place[:, None, None] * (boxes[1:] - boxes[:-1])[:, None]
    nearer = np.where((place < 0.5)[:, None, None], images[:-1, None], images[1:, None])
    return np.repeat(nearer @ between, n, axis=2)


def _check_finite(key_frames: np.ndarray, first_frame: int) -> None:
    finite = np.isfinite(key_frames).all((1, 2))
    if not finite.all():
        frame = first_frame + int(np.argmin(finite))
        raise MDGenError(f"frame {frame} has positions that are not finite; cut the trajectory before it")


def _check_whole(bonds: np.ndarray, key_frames: np.ndarray, limit: float, first_frame: int) -> None:
    lengths = np.linalg.norm(key_frames[:, bonds[:, 0]] - key_frames[:, bonds[:, 1]], axis=-1)
    if lengths.size and lengths.max() > limit:
        frame, bond = np.unravel_index(int(lengths.argmax()), lengths.shape)
        first, second = bonds[bond]
        raise MDGenError(
            f"the molecule is broken over the periodic box: in frame {first_frame + int(frame)} the bond of atoms "
            f"{first} and {second} is {lengths.max():.1f} Å long (limit {limit:.1f}); make it whole first, with "
            "MDAnalysis.transformations.unwrap or gmx trjconv -pbc mol"
        )

"""Chains of blocks: each starts where the one before ended, with a seed of its own; every edge makes them here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.propagator import Propagator, block_seed, next_blocks


class Link(NamedTuple):
    """Which trajectory a chain is: the user's seed and the number of the replica."""

    seed: int
    replica: int = 0


def make_blocks(propagator: Propagator, anchors: np.ndarray, block: int, links: Sequence[Link]) -> np.ndarray:
    """One block of several chains, in one call where the propagator can.

    Parameters
    ----------
    propagator
        What makes the blocks.
    anchors
        (R, N, 3) Å, where they start: the last frames of the blocks before.
    block
        Its number in the chain, from 0.
    links
        One for each chain; with the block's number they give its seed, see `block_seed`.

    Returns
    -------
    ndarray
        (R, n_frames, N, 3) Å, float64.

    Raises
    ------
    MDGenError
        If the propagator returns another shape, NaN or infinity.

    Examples
    --------
    >>> frames = make_blocks(propagator, start[None], 0, [Link(seed=7)])
    """
    seeds = [block_seed(link.seed, block, link.replica) for link in links]
    frames = next_blocks(propagator, anchors.copy(), seeds)
    check_frames(frames, (len(links), propagator.n_frames, *anchors.shape[1:]), block)
    return frames


def chain_blocks(
    propagator: Propagator, anchors: np.ndarray, links: Sequence[Link], first: int = 0
) -> Iterator[np.ndarray]:
    """Blocks (R, n_frames, N, 3) in Å of several chains without end, from ``first``, which starts at the anchors."""
    for block in count(first):
        frames = make_blocks(propagator, anchors, block, links)
        yield frames
        anchors = frames[:, -1]


def check_frames(frames: np.ndarray, shape: tuple[int, ...], block: int) -> None:
    """Raise `MDGenError` where a block (R, T, N, 3) is of another shape than this, or not finite."""
    if frames.shape != shape:
        raise MDGenError(
            f"the model returned frames of shape {frames.shape[1:]}, expected {shape[1:]}; correct its next_block"
        )
    if not np.isfinite(frames).all():
        frame = block * shape[1] + int(np.argmax(~np.isfinite(frames).all(axis=(0, 2, 3))))
        raise MDGenError(
            f"the model returned NaN or infinite positions in frame {frame}; start from minimised positions or with "
            "another seed"
        )

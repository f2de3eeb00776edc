"""Chained blocks of several replicas, one after the other, at constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from openmm_mdgen.tasks.chain import Link, chain_blocks
from openmm_mdgen.tasks.propagator import Propagator

T = TypeVar("T")


def made_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made in a thread while the one before is used.

    Examples
    --------
    >>> for frames in made_ahead(stream_frames(propagator, start, 1000, n_replicas=16)):
    ...     files.write(frames)
    """
    end = object()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, end)
        while (item := following.result()) is not end:
            following = pool.submit(next, items, end)
            yield item  # type: ignore[misc]  # not the end


def stream_frames(
    propagator: Propagator, start: np.ndarray, n_frames: int, *, seed: int = 0, n_replicas: int = 1, skip: int = 0
) -> Iterator[np.ndarray]:
    """Frames of all replicas, a block at a time.

    Block k of replica r starts at the last frame of its block k - 1 and has the seed ``block_seed(seed, k, r)``: the
    same frames as a recipe with this seed, replica and skip.

    Parameters
    ----------
    propagator
        What makes the blocks; its ``next_blocks`` is used where it has one.
    start
        (N, 3) Å, where every replica starts.
    n_frames
        Frames per replica.
    seed
        The user's seed.
    n_replicas
        Number of trajectories (R).
    skip
        Frames per replica that are made first and left out (equilibration).

    Yields
    ------
    ndarray
        (R, T, N, 3) Å, float64; T is at most the propagator's ``n_frames``.

    Raises
    ------
    MDGenError
        If the propagator returns another shape, or NaN.

    Examples
    --------
    >>> for frames in stream_frames(propagator, start, 1000, n_replicas=16):
    ...     ...
    """
    anchors = np.repeat(np.asarray(start, dtype=np.float64)[None], n_replicas, axis=0)
    links = [Link(seed, replica) for replica in range(n_replicas)]
    firsts = range(0, skip + n_frames, propagator.n_frames)
    for first, frames in zip(firsts, chain_blocks(propagator, anchors, links), strict=False):
        wanted = frames[:, max(skip - first, 0) : skip + n_frames - first]
        if wanted.shape[1]:
            yield wanted

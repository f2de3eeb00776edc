"""What anything must offer to drive a Simulation or fill a trajectory: given a start and a seed, the next frames."""

import hashlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from openmm_mdgen.tasks.optional import optional


@runtime_checkable
class Propagator(Protocol):
    """A generator of trajectory blocks over the user's atoms, in the user's atom order.

    Attributes
    ----------
    n_frames : int
        Frames in every block.

    Notes
    -----
    A propagator may also offer ``next_blocks(starts (B, N, 3), seeds: Sequence[int]) -> (B, n_frames, N, 3)``, which
    generates the blocks of several replicas in one call (see `next_blocks`).

    Examples
    --------
    >>> class Still:
    ...     n_frames = 10
    ...     def next_block(self, start, seed):
    ...         return np.repeat(start[None], self.n_frames, axis=0)
    """

    n_frames: int

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """Generate the frames that follow `start`; a pure function of its two arguments.

        Parameters
        ----------
        start : numpy.ndarray
            (N, 3) positions in Å; not repeated in the result.
        seed : int
            0 <= seed < 2**63.

        Returns
        -------
        numpy.ndarray
            (n_frames, N, 3) positions in Å, float64.
        """
        ...


def block_seed(seed: int, block: int, replica: int = 0) -> int:
    """Mix a user's seed, a block number and a replica number into the seed of one block.

    The first eight bytes (little-endian, top bit cleared) of the SHA-256 digest of
    ``b"mdgen:<seed>:<block>:<replica>"``: the same on every machine, and unrelated for neighbouring numbers.

    Parameters
    ----------
    seed : int
        The user's seed.
    block : int
        Number of the block in its trajectory, from 0.
    replica : int, optional
        Number of the trajectory, from 0.

    Returns
    -------
    int
        0 <= value < 2**63.

    Examples
    --------
    >>> block_seed(7, 0) != block_seed(7, 1)
    True
    """
    digest = hashlib.sha256(f"mdgen:{seed}:{block}:{replica}".encode()).digest()
    return int.from_bytes(digest[:8], "little") & (2**63 - 1)


def next_blocks(propagator: Propagator, starts: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
    """One block for each of several replicas, in one call where the propagator can.

    Parameters
    ----------
    propagator : Propagator
        Its own ``next_blocks`` is used if it has one.
    starts : numpy.ndarray
        (B, N, 3) positions in Å.
    seeds : sequence of int
        One seed per replica.

    Returns
    -------
    numpy.ndarray
        (B, n_frames, N, 3) positions in Å, float64.
    """
    batched = optional(propagator, "next_blocks")
    if batched is not None:
        return np.asarray(batched(starts, seeds), dtype=np.float64)
    return np.stack([propagator.next_block(start, seed) for start, seed in zip(starts, seeds, strict=True)])

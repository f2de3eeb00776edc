"""Frames of a chained trajectory, made block by block when they are asked for, and kept for a while."""

from __future__ import annotations

import hashlib
import platform
import threading
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

import numpy as np

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.files.arrays import reading
from openmm_mdgen.files.replacing import reason, replacing
from openmm_mdgen.tasks.chain import Link, make_blocks
from openmm_mdgen.tasks.propagator import Propagator


@dataclass(frozen=True, eq=False)
class Block:
    """One block of frames.

    Attributes
    ----------
    frames : numpy.ndarray
        (T, N, 3) Å, float32: what a Timestep holds.
    last : numpy.ndarray
        (N, 3) Å, float64: the last frame unrounded, from which the next block starts.
    """

    frames: np.ndarray
    last: np.ndarray

    @classmethod
    def from_frames(cls, frames: np.ndarray) -> Block:
        """The block of frames (T, N, 3) in float64."""
        return cls(frames=frames.astype(np.float32), last=frames[-1].copy())

    def checksum(self) -> str:
        """SHA-256 of the float32 frames."""
        return hashlib.sha256(np.ascontiguousarray(self.frames, dtype="<f4").tobytes()).hexdigest()


class BlockFolder:
    """Finished blocks on disk, safe under several readers: a file is complete before it has its name.

    Parameters
    ----------
    folder : path
        Made if absent. It may be deleted at any time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, index: int) -> Block | None:
        """The stored block, or None where there is none or it is damaged.

        Where a thread that is not ours read an array meanwhile, and both failed, the block is made again, with the
        same bits.
        """
        try:
            with reading, np.load(self._path(index)) as file:
                return Block(frames=file["frames"], last=file["last"])
        except (OSError, EOFError, KeyError, ValueError, SystemError, zipfile.BadZipFile):
            return None

    def save(self, index: int, block: Block) -> None:
        """Store a block; a full or read-only disk costs a warning, not the trajectory."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(self._path(index), durable=False) as unfinished:
                np.savez(unfinished, frames=block.frames, last=block.last)
        except (OSError, MDGenError) as error:
            cause = error.__cause__ or error
            why = reason(cause) if isinstance(cause, OSError) else str(cause)
            warnings.warn(
                f"block {index} was not cached in {self.folder} ({why}); free space or choose another cache",
                MDGenWarning,
                stacklevel=2,
            )

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:08d}.npz"


class Peers:
    """Replicas of one start and model: the first that is asked has the first blocks of all made, in one call.

    Later blocks are each replica's own, so that reading one of them to its end costs nothing for the others.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.waiting: WeakSet[Blocks] = WeakSet()


class Blocks:
    """A trajectory of chained blocks with random access.

    Block k is ``propagator.next_block(anchor_k, block_seed(seed, k, replica))``; anchor 0 is the start and anchor k + 1
    the last frame of block k, unrounded. Anchors are kept for good (24 bytes per atom and block), of the blocks those
    `n_kept` that were used last: any order of access gives the same bits, and reaching block k the first time costs one
    call of the propagator for every block before it.

    Parameters
    ----------
    load_propagator : callable
        Returns the propagator; called at most once per process, when a block must be made.
    start : numpy.ndarray
        (N, 3) Å.
    seed, replica : int
        See `openmm_mdgen.tasks.propagator.block_seed`.
    expected : str, optional
        Checksum that block 0 had where the trajectory was first made; another one brings a warning.
    cache : path, optional
        Folder for finished blocks. Blocks of machines that make different frames are kept apart.
    n_kept : int, optional
        Blocks held in memory.
    peers : Peers, optional
        Replicas that this one is made together with.

    Examples
    --------
    >>> blocks = Blocks(lambda: propagator, start, seed=7)
    >>> blocks.frame(12_345)  # (N, 3) float32
    """

    def __init__(
        self,
        load_propagator: Callable[[], Propagator],
        start: np.ndarray,
        seed: int,
        *,
        replica: int = 0,
        expected: str = "",
        cache: Path | None = None,
        n_kept: int = 16,
        peers: Peers | None = None,
    ) -> None:
        self._load_propagator = load_propagator
        self._link, self._expected = Link(seed, replica), expected
        self._cache, self._n_kept = cache, n_kept
        self._anchors = [np.array(start, dtype=np.float64)]  # of blocks 0, 1, ... as far as they are known
        self._length: int | None = None
        self._first = ""
        self._host = platform.node()
        self._start_process(peers or Peers())

    def _start_process(self, peers: Peers) -> None:
        self._peers, self._lock = peers, peers.lock
        if not self._first:
            peers.waiting.add(self)
        self._kept: OrderedDict[int, Block] = OrderedDict()
        self._propagator: Propagator | None = None

    def __getstate__(self) -> dict[str, object]:
        return {
            key: value for key, value in vars(self).items() if key not in ("_kept", "_propagator", "_lock", "_peers")
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        if self._host != platform.node():  # another machine may make other frames: check before the first one
            self._expected, self._first, self._host = self._first or self._expected, "", platform.node()
        self._start_process(Peers())

    @property
    def n_atoms(self) -> int:
        """Atoms of a frame."""
        return len(self._anchors[0])

    @property
    def length(self) -> int:
        """Frames per block."""
        if self._length is None:
            self._length = int(self._loaded().n_frames)
        return self._length

    def frame(self, index: int) -> np.ndarray:
        """(N, 3) float32 Å: frame `index` of the chain, from 0; read-only."""
        block, place = divmod(index, self.length)
        out: np.ndarray = self.block(block)[place]
        return out

    def block(self, index: int) -> np.ndarray:
        """(T, N, 3) float32 Å: the frames of one block; read-only."""
        with self._lock:
            for earlier in range(len(self._anchors) - 1, index):
                self._finished(earlier)
            return self._finished(index).frames

    def first_checksum(self) -> str:
        """Checksum of block 0 as this machine makes it; warns where another one was expected."""
        with self._lock:
            if not self._first:
                self._made(0)
            return self._first

    def _finished(self, index: int) -> Block:
        block = self._kept.get(index)
        if block is None:
            block = self._stored_or_made(index)
            self._keep(index, block)
        self._kept.move_to_end(index)
        return block

    def _stored_or_made(self, index: int) -> Block:
        if self._cache is None or index == 0:
            return self._made(index)
        folder = BlockFolder(self._cache / self._key())
        block = folder.load(index)
        if block is None or block.last.shape != self._anchors[0].shape:
            block = self._made(index)
            folder.save(index, block)
        return block

    def _made(self, index: int) -> Block:
        if index and not self._first:
            self.first_checksum()
        if index == 0:
            return self._made_first()
        frames = make_blocks(self._loaded(), self._anchors[index][None], index, [self._link])
        return Block.from_frames(frames[0])

    def _made_first(self) -> Block:
        """Block 0, together with those of all peers that have none yet."""
        members = sorted({*self._peers.waiting, self}, key=lambda member: member._link)
        starts = np.stack([member._anchors[0] for member in members])
        made = make_blocks(self._loaded(), starts, 0, [member._link for member in members])
        blocks = {member: Block.from_frames(frames) for member, frames in zip(members, made, strict=True)}
        for member, block in blocks.items():
            member._note_first(block)
        return blocks[self]

    def _note_first(self, block: Block) -> None:
        self._peers.waiting.discard(self)
        self._keep(0, block)
        self._first = block.checksum()
        if self._expected and self._expected != self._first:
            warnings.warn(
                "this machine makes other frames than the one the trajectory was first made on (the checksums of the "
                "first block differ); to have the same frames everywhere, write them there with 'openmm-mdgen freeze'",
                MDGenWarning,
                stacklevel=2,
            )

    def _keep(self, index: int, block: Block) -> None:
        block.frames.flags.writeable = False
        if index + 1 == len(self._anchors):
            self._anchors.append(block.last)
        self._kept[index] = block
        self._kept.move_to_end(index)
        while len(self._kept) > self._n_kept:
            self._kept.popitem(last=False)

    def _key(self) -> str:
        """Name of this trajectory's folder in the cache."""
        start = hashlib.sha256(self._anchors[0].tobytes()).hexdigest()
        text = f"{self.first_checksum()}:{start}:{self._link.seed}:{self._link.replica}:{self.length}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _loaded(self) -> Propagator:
        if self._propagator is None:
            self._propagator = self._load_propagator()
        return self._propagator

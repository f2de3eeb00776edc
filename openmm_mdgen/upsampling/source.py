"""A trajectory to read besides its user: frames as the user sees them, and none of the user's atoms moved.

A transformation may hold atoms of the Universe that it was made for. A reader's own ``copy`` shares it, so that reading
the copy places the user's atoms, and places the copy's by them; pickled, it holds atoms of a Universe of its own.
"""

from __future__ import annotations

import pickle

import numpy as np
from MDAnalysis.coordinates.base import ProtoReader
from MDAnalysis.coordinates.memory import MemoryReader
from MDAnalysis.coordinates.timestep import Timestep

from openmm_mdgen.trajectory.memory import TimedMemoryReader


def independent_copy(reader: ProtoReader) -> ProtoReader:
    """A reader of the same frames that shares nothing with the one given, whatever transformations that one has.

    Where they cannot be pickled, or give other frames then, all frames are read now, into memory, as the user's own
    reader gives them.

    Examples
    --------
    >>> source = independent_copy(universe.trajectory)
    """
    if not reader.transformations or isinstance(reader, MemoryReader):  # which has transformed its frames already
        return reader.copy()
    at, held = reader.frame, _contents(reader.ts)
    try:
        twin = _pickled(reader)
        if twin is not None and all(_are_alike(twin, reader, frame) for frame in _probes(reader)):
            return twin
        return _in_memory(reader)
    finally:
        reader[at]
        _restore(reader.ts, held)


def _pickled(reader: ProtoReader) -> ProtoReader | None:
    try:
        twin: ProtoReader = pickle.loads(pickle.dumps(reader))
    except Exception:  # transformations may hold anything, and pickling calls their own code
        return None
    return twin


def _probes(reader: ProtoReader) -> list[int]:
    """Frames to compare: two of them at least are not the one where the user's atoms are."""
    return sorted({0, 1, reader.n_frames // 2, reader.n_frames - 1})


def _are_alike(twin: ProtoReader, reader: ProtoReader, frame: int) -> bool:
    return all(map(_same, _contents(twin[frame]), _contents(reader[frame])))


def _contents(ts: Timestep) -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, 3) and box (6,) or (0,) of a frame, copied."""
    return ts.positions.copy(), np.array([] if ts.dimensions is None else ts.dimensions)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _restore(ts: Timestep, contents: tuple[np.ndarray, np.ndarray]) -> None:
    """Give a frame back what the user may have set by hand, where reading it again has lost that."""
    positions, box = contents
    if not _same(ts.positions, positions):
        ts.positions = positions
    ts.dimensions = box if len(box) else None


def _in_memory(reader: ProtoReader) -> ProtoReader:
    positions, boxes = zip(*(_contents(ts) for ts in reader), strict=True)
    return TimedMemoryReader(
        np.stack(positions),
        dimensions=np.stack(boxes) if all(map(len, boxes)) else None,
        dt=float(reader.dt),
        first_time=float(reader[0].time),
        filename=reader.filename,
    )

"""A trajectory over another trajectory: its frames as they are, and the frames between them made when asked for."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import ClassVar

import numpy as np
from MDAnalysis.coordinates.base import ProtoReader, ReaderBase, WriterBase
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.lib.mdamath import triclinic_vectors

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.trajectory.writing import frame_writer
from openmm_mdgen.upsampling.engine import Engine
from openmm_mdgen.upsampling.source import independent_copy

_KEPT_CHUNKS = 4


@dataclass(frozen=True)
class Chunk:
    """New frames of some gaps in a row.

    Attributes
    ----------
    first
        Number of the first gap.
    frames
        (G, M - 1, N, 3) float32, Å.
    keys
        (G + 1, N, 3) float32, Å: the source's frames.
    dimensions
        (6,) box of each key frame, Å and degrees; None where it has none.
    """

    first: int
    frames: np.ndarray
    keys: np.ndarray
    dimensions: list[np.ndarray | None]

    def dimensions_between(self, gap: int, fraction: float) -> np.ndarray | None:
        """(6,) box within a gap."""
        before, after = self.dimensions[gap - self.first : gap - self.first + 2]
        return None if before is None or after is None else before + fraction * (after - before)


class UpsampledReader(ReaderBase):  # type: ignore[misc]  # comes without types
    """Frames of `source`, exactly as it gives them, with M - 1 new ones between each two of them.

    New frames are made a chunk of gaps at a time; chunks lie at fixed places and the ones used last are kept, so every
    order of access gives the same bits. Velocities, forces and other data of the source's frames are not passed on.

    Parameters
    ----------
    source
        The coarse trajectory; this reader moves it about, so give it one of its own.
    engine
        Fills the gaps.
    spacing
        Time between the source's frames, ps.
    atoms
        Indices of the atoms to show; None for all.

    Examples
    --------
    >>> fine.trajectory = UpsampledReader(independent_copy(coarse.trajectory), engine, spacing=10.0)
    """

    units: ClassVar[Mapping[str, str | None]] = {"time": "ps", "length": "Angstrom"}

    def __init__(
        self, source: ProtoReader, engine: Engine, spacing: float, atoms: np.ndarray | None = None, **kwargs: object
    ) -> None:
        super().__init__(getattr(source, "filename", None) or type(source).__name__, **kwargs)
        self.source = source
        self.engine = engine
        self.spacing = spacing
        self.atoms = slice(None) if atoms is None else atoms
        self.n_atoms = engine.n_atoms
        self.n_frames = (source.n_frames - 1) * engine.factor + 1
        self._first_time = float(source[0].time)
        self._chunks: OrderedDict[int, Chunk] = OrderedDict()
        self._process = os.getpid()
        self.ts = self._Timestep(self.n_atoms, **({"dt": spacing / engine.factor} | self._ts_kwargs))
        self._read_frame(0)

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_chunks": OrderedDict()}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state | {"_process": os.getpid()})

    def copy(self) -> UpsampledReader:
        """A reader over a copy of the source, at the same frame; it makes its chunks anew."""
        atoms = None if isinstance(self.atoms, slice) else self.atoms
        new = self.__class__(independent_copy(self.source), self.engine, self.spacing, atoms, **self._ts_kwargs)
        if self.transformations:
            new.add_transformations(*self.transformations)
        new[self.ts.frame]
        new.ts = self.ts.copy()
        for name, auxiliary in self._auxs.items():
            new.add_auxiliary(name, auxiliary.copy())
        return new

    def Writer(self, filename: str | PathLike[str], n_atoms: int | None = None, **kwargs: object) -> WriterBase:
        """A writer for frames of this trajectory, with its times."""
        return frame_writer(filename, n_atoms or self.n_atoms, self.dt, self._first_time, **kwargs)

    def close(self) -> None:
        """Close the source."""
        if hasattr(self, "source"):
            self.source.close()

    def _reopen(self) -> None:
        self.ts.frame = -1

    def _read_next_timestep(self, ts: Timestep | None = None) -> Timestep:
        if self.ts.frame >= self.n_frames - 1:
            raise EOFError(f"the trajectory has {self.n_frames} frames")
        return self._read_frame(self.ts.frame + 1)

    def _read_frame(self, frame: int) -> Timestep:
        self._reopen_after_fork()
        gap, step = divmod(frame, self.engine.factor)
        if step:
            chunk = self._chunk(gap)
            self.ts.positions = chunk.frames[gap - chunk.first, step - 1]
            self.ts.dimensions = chunk.dimensions_between(gap, step / self.engine.factor)
        else:
            self.ts.positions, self.ts.dimensions = self._key(gap)
        self.ts.frame = frame
        self.ts.time = self._first_time + frame * self.ts.dt
        return self.ts

    def _reopen_after_fork(self) -> None:
        """A forked child shares its parent's place in an open file: open it anew."""
        if self._process != os.getpid():
            self.source = independent_copy(self.source)
            self._process = os.getpid()

    def _chunk(self, gap: int) -> Chunk:
        first, last = self.engine.chunk(gap, self.source.n_frames - 1)
        if first in self._chunks:
            self._chunks.move_to_end(first)
            return self._chunks[first]
        self._chunks[first] = self._make_chunk(first, last)
        if len(self._chunks) > _KEPT_CHUNKS:
            self._chunks.popitem(last=False)
        return self._chunks[first]

    def _make_chunk(self, first: int, last: int) -> Chunk:
        keys = [self._key(frame) for frame in range(first, last + 1)]
        positions, dimensions = np.stack([key[0] for key in keys]), [key[1] for key in keys]
        boxes = None
        if all(box is not None for box in dimensions):
            boxes = np.stack([triclinic_vectors(box) for box in dimensions]).astype(np.float64)
        return Chunk(first, self.engine.fill(positions.astype(np.float64), boxes, first), positions, dimensions)

    def _key(self, frame: int) -> tuple[np.ndarray, np.ndarray | None]:
        """(N, 3) Å and box of a frame of the source; from a chunk at hand, since seeking is slow in some formats."""
        for chunk in self._chunks.values():
            if 0 <= frame - chunk.first < len(chunk.keys):
                return chunk.keys[frame - chunk.first], chunk.dimensions[frame - chunk.first]
        key = self.source[frame]
        box = key.dimensions
        return key.positions[self.atoms].copy(), None if box is None else box.copy()


def even_spacing(source: ProtoReader, spacing: float) -> float:
    """The spacing (ps) that the first and last frame of a trajectory tell, which is sharper than what two frames do.

    Raises
    ------
    MDGenError
        If the times of the first, second and last frame do not fit the spacing given.
    """
    start = float(source[0].time)
    for frame in {1, source.n_frames - 1}:
        expected, found = start + frame * spacing, float(source[frame].time)
        if abs(found - expected) > 0.01 * spacing * max(1.0, 1e-3 * frame):
            raise MDGenError(
                f"frame {frame} is at {found:g} ps, {expected:g} ps were expected from a spacing of {spacing:g} ps; "
                "upsampling needs evenly spaced frames: cut the trajectory where the spacing changes, or give dt"
            )
    overall = (float(source[source.n_frames - 1].time) - start) / (source.n_frames - 1)
    return spacing if abs(overall - spacing) < 1e-6 * spacing else overall

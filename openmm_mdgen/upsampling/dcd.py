"""DCD files as they lie on disk: header, records, unit cells, byte order. Knows no topology and no MDAnalysis."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass, replace
from os import SEEK_END, PathLike, fstat, stat_result
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from openmm_mdgen.errors import MDGenError, MDGenWarning

AKMA = 0.04888821  # ps, the unit of DELTA
_CONTROL = 8  # offset of the twenty control words, after a record mark and the word CORD
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Header:
    """Everything before the first frame, as bytes and as the numbers in it.

    Attributes
    ----------
    raw
        The bytes, titles included.
    endian
        ``"<"`` or ``">"``.
    n_set, i_start, n_savc, n_step
        Number of frames as written, first step, steps between frames, last step.
    delta
        Length of a step, in AKMA units (0.04888821 ps).
    is_charmm
        False for the X-PLOR layout, which stores DELTA in double precision and has no unit cells.
    has_cell
        Whether each frame begins with a unit-cell record.
    n_atoms
        Number of atoms.
    """

    raw: bytes
    endian: str
    n_set: int
    i_start: int
    n_savc: int
    n_step: int
    delta: float
    is_charmm: bool
    has_cell: bool
    n_atoms: int

    @property
    def spacing(self) -> float:
        """Time between frames in ps: NSAVC x DELTA; 0 where the header does not say."""
        return max(self.n_savc, 0) * self.delta * AKMA if np.isfinite(self.delta) else 0.0

    @property
    def record_dtype(self) -> np.dtype:
        """Layout of one frame, record marks included."""
        integer, real = f"{self.endian}i4", f"{self.endian}f4"
        cell = [("cell_head", integer), ("cell", f"{self.endian}f8", 6), ("cell_tail", integer)]
        axes = [
            field
            for axis in "xyz"
            for field in ((f"{axis}_head", integer), (axis, real, (self.n_atoms,)), (f"{axis}_tail", integer))
        ]
        return np.dtype([*(cell if self.has_cell else []), *axes])

    def with_spacing(self, spacing: float) -> Header:
        """This header for frames `spacing` ps apart: NSAVC stays, DELTA changes."""
        n_savc = max(self.n_savc, 1)
        return self._patched(n_savc=n_savc, delta=spacing / (n_savc * AKMA))

    def finer(self, factor: int, n_frames: int) -> Header:
        """The header of a file with `n_frames` frames, `factor` times as many per time.

        NSAVC is divided where it can be; else ISTART and NSTEP are multiplied and DELTA is divided, which keeps the
        times of all frames.

        Raises
        ------
        MDGenError
            If a step count or the number of frames passes 32 bits.
        """
        if self.n_savc % factor == 0:
            return self._patched(n_set=n_frames, n_savc=self.n_savc // factor)
        return self._patched(
            n_set=n_frames, i_start=self.i_start * factor, n_step=self.n_step * factor, delta=self.delta / factor
        )

    def _patched(self, **changes: int | float) -> Header:
        raw = bytearray(self.raw)
        values: dict[str, Any] = dict(changes)
        for name, word in (("n_set", 0), ("i_start", 1), ("n_savc", 2), ("n_step", 3)):
            if name in changes:
                _check_int32(name, changes[name])
                struct.pack_into(f"{self.endian}i", raw, _CONTROL + 4 * word, changes[name])
        if "delta" in changes:
            kind = "f" if self.is_charmm else "d"
            struct.pack_into(f"{self.endian}{kind}", raw, _CONTROL + 36, changes["delta"])
            values["delta"] = struct.unpack_from(f"{self.endian}{kind}", raw, _CONTROL + 36)[0]
        return replace(self, raw=bytes(raw), **values)


def _check_int32(name: str, value: float) -> None:
    if value > _INT32_MAX:
        raise MDGenError(
            f"{name.replace('_', '').upper()} would be {value:,}, past the 32 bits ({_INT32_MAX:,}) of a DCD header; "
            "choose a coarser interval or write another format with -o new.xtc"
        )


def read_header(file: BinaryIO, name: str = "DCD file") -> Header:
    """Read and check everything before the first frame; leaves `file` at the first frame.

    Raises
    ------
    MDGenError
        If this is not a DCD file, or one with 64-bit record marks, fixed atoms, a fourth dimension, or step counts that
        have wrapped past 32 bits.
    """
    file.seek(0)
    head = file.read(92)
    endian = _byte_order(head, name)
    words = struct.unpack(f"{endian}20i", head[_CONTROL : _CONTROL + 80])
    is_charmm = words[19] != 0
    if words[8]:
        raise MDGenError(
            f"{name} has {words[8]} fixed atoms, stored once: 0 are supported; write all atoms with MDAnalysis first"
        )
    if is_charmm and words[11]:
        raise MDGenError(
            f"{name} has a fourth dimension per atom, 3 are supported; write it anew with MDAnalysis first"
        )
    if words[1] < 0 or words[3] < 0:
        raise MDGenError(
            f"{name} says first step {words[1]} and last step {words[3]}: step counts past 32 bits have wrapped; "
            "set ISTART and NSTEP right, for example by writing the file anew"
        )
    kind, size = ("f", 4) if is_charmm else ("d", 8)
    delta = struct.unpack(f"{endian}{kind}", head[_CONTROL + 36 : _CONTROL + 36 + size])[0]
    titles, n_atoms = _titles_and_atoms(file, endian, name)
    return Header(
        raw=head + titles,
        endian=endian,
        n_set=words[0],
        i_start=words[1],
        n_savc=words[2],
        n_step=words[3],
        delta=delta,
        is_charmm=is_charmm,
        has_cell=is_charmm and words[10] != 0,
        n_atoms=n_atoms,
    )


def _byte_order(head: bytes, name: str) -> str:
    for endian in "<>":
        if head[:8] == struct.pack(f"{endian}q", 84):
            raise MDGenError(
                f"{name} has 64-bit record marks, 32-bit ones are supported; write it anew with MDAnalysis"
            )
        if head[:8] == struct.pack(f"{endian}i", 84) + b"CORD":
            if len(head) < 92 or head[88:92] != head[:4]:
                raise MDGenError(f"{name} is truncated in its header ({len(head)} bytes); restore it from its source")
            return endian
    raise MDGenError(f"{name} is not a DCD file (it begins with {head[:8]!r}, not with a mark of 84 and CORD)")


def _titles_and_atoms(file: BinaryIO, endian: str, name: str) -> tuple[bytes, int]:
    """Bytes of the title and atom-count records, and the atom count.

    Some writers mark the title record with the length of two titles and write three: the number of titles then decides.
    """
    start = file.tell()
    mark, n_titles = _integers(file.read(8), endian, name)
    for length in (mark, 4 + 80 * n_titles):
        file.seek(start)
        titles = file.read(length + 8) if 0 <= length < 2**20 else b""
        if len(titles) == length + 8 and titles[-4:] == titles[:4]:
            atoms = file.read(12)
            head, n_atoms, tail = _integers(atoms, endian, name)
            if head == tail == 4 and n_atoms > 0:
                return titles + atoms, n_atoms
    raise MDGenError(f"{name} has a corrupt title or atom-count record; restore it from its source")


def _integers(data: bytes, endian: str, name: str) -> tuple[int, ...]:
    if len(data) % 4 or not data:
        raise MDGenError(f"{name} is truncated in its header; restore it from its source")
    return struct.unpack(f"{endian}{len(data) // 4}i", data)


class DCD:
    """A DCD file open for reading: records as they are, and what they mean.

    Parameters
    ----------
    path
        The file. Its size decides how many frames it has; a header that says otherwise gets a warning.

    Raises
    ------
    MDGenError
        If the file cannot be opened, is of an unsupported kind (see `read_header`), or ends within a frame.

    Examples
    --------
    >>> with DCD("traj.dcd") as dcd:
    ...     positions = record_positions(dcd.records(0, 10))   # (10, N, 3) Å
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.file: BinaryIO = open(self.path, "rb")
        except OSError as error:
            raise MDGenError(f"{self.path} cannot be read: {error.strerror}; check the path") from error
        try:
            self.header = read_header(self.file, self.path.name)
            self.n_frames = self._count_frames()
            self.stamp = file_stamp(fstat(self.file.fileno()))
        except BaseException:
            self.file.close()
            raise

    def __enter__(self) -> DCD:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def __len__(self) -> int:
        return self.n_frames

    def _count_frames(self) -> int:
        size = self.file.seek(0, SEEK_END) - len(self.header.raw)
        record = self.header.record_dtype.itemsize
        n_frames, rest = divmod(size, record)
        if rest:
            raise MDGenError(
                f"{self.path.name} is truncated: {n_frames} whole frames and {rest} of the {record} bytes of another; "
                f"cut the file to {len(self.header.raw) + n_frames * record} bytes or restore it"
            )
        if n_frames != self.header.n_set:
            warnings.warn(
                f"{self.path.name} says {self.header.n_set} frames and holds {n_frames}; its size is trusted",
                MDGenWarning,
                stacklevel=4,
            )
        return n_frames

    def records(self, start: int, stop: int) -> np.ndarray:
        """Frames `start` to `stop` - 1 as a structured array, whose bytes are those of the file.

        Raises
        ------
        MDGenError
            If the file ends early or a record mark is wrong.
        """
        dtype = self.header.record_dtype
        self.file.seek(len(self.header.raw) + start * dtype.itemsize)
        data = self.file.read((stop - start) * dtype.itemsize)
        if len(data) != (stop - start) * dtype.itemsize:
            raise MDGenError(f"{self.path.name} ended before frame {stop - 1}: it changed while it was read; run again")
        records = np.frombuffer(data, dtype)
        _check_marks(records, self.header, start, self.path.name)
        return records


def file_stamp(status: stat_result) -> tuple[int, int]:
    """Size in bytes and time of change in ns: what tells that a file changed."""
    return status.st_size, status.st_mtime_ns


def _check_marks(records: np.ndarray, header: Header, start: int, name: str) -> None:
    wanted = {"cell": 48} if header.has_cell else {}
    wanted |= dict.fromkeys("xyz", 4 * header.n_atoms)
    for field, size in wanted.items():
        wrong = (records[f"{field}_head"] != size) | (records[f"{field}_tail"] != size)
        if wrong.any():
            raise MDGenError(
                f"{name} has a wrong record mark in frame {start + int(np.argmax(wrong))} ({field}, {size} bytes "
                "expected): it is corrupt or of another layout; write it anew with MDAnalysis"
            )


def record_positions(records: np.ndarray) -> np.ndarray:
    """(F, N, 3) float64 positions in Å."""
    return np.stack([records[axis] for axis in "xyz"], axis=-1).astype(np.float64)


def record_cells(records: np.ndarray) -> np.ndarray | None:
    """(F, 6) unit cells as the file has them, None where it has none."""
    names = records.dtype.names or ()
    return records["cell"].astype(np.float64) if "cell" in names else None


def positions_to_records(positions: np.ndarray, cells: np.ndarray | None, header: Header) -> np.ndarray:
    """Records for new frames.

    Parameters
    ----------
    positions
        (F, N, 3) Å.
    cells
        (F, 6) unit cells in the file's own terms, None where it has none.
    """
    records = np.empty(len(positions), header.record_dtype)
    if header.has_cell:
        records["cell_head"] = records["cell_tail"] = 48
        records["cell"] = 0.0 if cells is None else cells
    for k, axis in enumerate("xyz"):
        records[f"{axis}_head"] = records[f"{axis}_tail"] = 4 * header.n_atoms
        records[axis] = positions[..., k]
    return records

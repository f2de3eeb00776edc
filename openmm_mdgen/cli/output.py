"""Trajectory files that have their names only once they are complete."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
from MDAnalysis import AtomGroup, Universe
from MDAnalysis.coordinates.base import WriterBase
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile

from openmm_mdgen.convert.mdanalysis import structure_to_mdanalysis, structure_to_universe
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.names import is_device
from openmm_mdgen.files.replacing import Replacement, reason
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.trajectory.writing import frame_writer, frame_writer_class

_BYTES_PER_ATOM = 100  # of a frame, in the most wasteful text format
_PDB_FRAME_END = b"ENDMDL\n"
_XDR_FILES = {".xtc": XTCFile, ".trr": TRRFile}


def output_names(output: Path, count: int) -> list[Path]:
    """``out.dcd`` for one file; ``out_00.dcd``, ``out_01.dcd``, ... for several."""
    if count == 1:
        return [output]
    width = max(2, len(str(count - 1)))
    return [output.with_stem(f"{output.stem}_{number:0{width}d}") for number in range(count)]


def check_output(path: Path, *, is_trajectory: bool = True) -> None:
    """Fail before any frame is made.

    Raises
    ------
    MDGenError
        If the folder is missing or cannot be written to, the name is a folder's or a device's, or the extension is
        unknown.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise MDGenError(f"folder {str(path.parent)!r} does not exist; make it or choose another output")
    if not os.access(folder, os.W_OK):
        raise MDGenError(f"folder {str(path.parent)!r} cannot be written to; choose another output")
    if path.is_dir():
        raise MDGenError(f"output {str(path)!r} is a folder; give the name of a file")
    if is_device(path.name):
        raise MDGenError(f"output {str(path)!r} has the name of a device on Windows; choose another name")
    if is_trajectory:
        frame_writer_class(path)


def structure_to_atoms(structure: Structure) -> AtomGroup:
    """MDAnalysis atoms with the structure's names and positions."""
    return structure_to_universe(structure).atoms


class TrajectoryFiles:
    """A trajectory file per replica, written frame by frame under temporary names in the same folder.

    When all went well, the files get their names. When the disk is full or the user interrupts, the frames so far stay
    readable, in files called ``<name>.partial<extension>``; after any other error nothing is left.

    Parameters
    ----------
    paths
        One file per replica.
    structure
        The atoms.
    interval
        Picoseconds between frames.
    first_time
        Picoseconds of the first frame; default: one interval.

    Examples
    --------
    >>> with TrajectoryFiles([Path("out.xtc")], structure, interval=10.0) as files:
    ...     files.write(frames)  # (1, T, N, 3) Å
    """

    def __init__(
        self, paths: Sequence[Path], structure: Structure, interval: float, first_time: float | None = None
    ) -> None:
        self.paths = list(paths)
        self.interval = interval
        self.first_time = interval if first_time is None else first_time
        self.n_frames = 0
        self._topology = structure_to_mdanalysis(structure)
        self._atoms = structure_to_atoms(structure)
        self._files: list[Replacement] = []
        self._writers: list[WriterBase] = []

    def __enter__(self) -> TrajectoryFiles:
        try:
            for path in self.paths:
                self._files.append(Replacement(path))
                name = self._files[-1].unfinished
                self._writers.append(frame_writer(name, self._atoms.n_atoms, self.interval, self.first_time))
        except OSError as error:
            self._remove()
            raise MDGenError(f"cannot write {str(self.paths[0])!r} ({reason(error)}); choose another output") from error
        return self

    def write(self, frames: np.ndarray) -> None:
        """Append frames, (R, T, N, 3) Å.

        Raises
        ------
        OSError
            If the disk is full.
        """
        free = shutil.disk_usage(self.paths[0].absolute().parent).free
        if free < frames.shape[0] * frames.shape[1] * frames.shape[2] * _BYTES_PER_ATOM:
            raise OSError(f"{free / 1e6:.1f} MB left on the disk")
        size = self._dcd_size()
        universe = self._atoms.universe  # writers copy the Timestep of an AtomGroup, but not a Universe's
        timestep, frames = universe.trajectory.ts, frames.astype(np.float32)
        for place in range(frames.shape[1]):
            timestep.frame = self.n_frames
            timestep.time = self.first_time + self.n_frames * self.interval
            for writer, replica in zip(self._writers, frames, strict=True):
                timestep.positions = replica[place]
                writer.write(universe)
            self.n_frames += 1
        if self._dcd_size() - size < frames.size * 4 and self._is_dcd:
            self.n_frames -= frames.shape[1]
            raise OSError("No space left on device")

    @property
    def _is_dcd(self) -> bool:
        return self.paths[0].suffix.lower() == ".dcd"

    def _dcd_size(self) -> int:
        """Bytes on disk of DCD files, whose writer says nothing when the disk is full; 0 for other formats."""
        return sum(file.unfinished.stat().st_size for file in self._files) if self._is_dcd else 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close()
            if error is None:
                for file in self._files:
                    file.commit()
        except OSError as closing:
            error = error or closing
        if isinstance(error, OSError):
            raise MDGenError(
                self._kept_message(f"cannot go on writing ({reason(error)})", "free space and run again")
            ) from error
        if isinstance(error, KeyboardInterrupt):
            raise MDGenError(self._kept_message("interrupted", "run again for the whole trajectory")) from error
        self._remove()

    def _close(self) -> None:
        with ExitStack() as stack:
            for writer in self._writers:
                stack.callback(writer.close)

    def _kept_message(self, cause: str, remedy: str) -> str:
        """Give the frames so far a name of their own, and say where they are."""
        kept, numbers = [], [self.n_frames]
        for file, path in zip(self._files, self.paths, strict=True):
            if file.unfinished.exists() and self.n_frames:
                _cut_to_whole_frames(file.unfinished)
                partial = path.with_name(f"{path.stem}.partial{path.suffix}")
                file.commit(file.path.with_name(partial.name))
                kept.append(str(partial))
                numbers.append(self._n_readable(partial))
        self._remove()
        where = f"in {', '.join(kept)}" if kept else "nothing is kept"
        return f"{cause} after {min(numbers)} frames, {where}; {remedy}"

    def _n_readable(self, path: Path) -> int:
        """Frames that MDAnalysis finds in a file that was not finished; 0 where it cannot open it."""
        with suppress(OSError, EOFError, ValueError, IndexError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return int(Universe(self._topology, str(path)).trajectory.n_frames)
        return 0

    def _remove(self) -> None:
        for file in self._files:
            file.discard()


def _cut_to_whole_frames(path: Path) -> None:
    """Drop a frame that a full disk cut off, from files that could not be read otherwise."""
    extension = path.suffix.lower()
    if extension in _XDR_FILES:
        with _XDR_FILES[extension](str(path)) as file:
            offsets = file.offsets
            with suppress(OSError, EOFError):
                file.seek(len(offsets) - 1)
                file.read()
                return
        os.truncate(path, int(offsets[-1]))
    if extension == ".pdb":
        os.truncate(path, path.read_bytes().rfind(_PDB_FRAME_END) + len(_PDB_FRAME_END))

"""Trajectory files of one system while they are written."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.coordinates.base import WriterBase

from openmm_mdgen.convert.mdanalysis import structure_to_mdanalysis, structure_to_universe
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.trajectory.writing import frame_writer


class FrameFiles:
    """One open trajectory for each replica.

    Parameters
    ----------
    paths
        The extension says which format.
    structure
        The atoms.
    interval
        ps between frames, and the time of the first.
    """

    def __init__(self, paths: Sequence[Path], structure: Structure, interval: float) -> None:
        self.paths, self._interval, self._n = list(paths), interval, 0
        self._topology = structure_to_mdanalysis(structure)
        self._atoms = structure_to_universe(structure).atoms
        self._stack = ExitStack()
        self._writers: list[WriterBase] = []

    def __enter__(self) -> FrameFiles:
        for path in self.paths:
            writer = frame_writer(path, self._atoms.n_atoms, self._interval)
            self._stack.callback(writer.close)
            self._writers.append(writer)
        return self

    def write(self, frames: np.ndarray) -> None:
        """Append frames (R, T, N, 3) in Å."""
        universe = self._atoms.universe  # writers copy the Timestep of an AtomGroup, but not a Universe's
        timestep, frames = universe.trajectory.ts, frames.astype(np.float32)
        for place in range(frames.shape[1]):
            timestep.frame, timestep.time = self._n, (self._n + 1) * self._interval
            for writer, replica in zip(self._writers, frames, strict=True):
                timestep.positions = replica[place]
                writer.write(universe)
            self._n += 1

    def check(self, n_frames: int) -> None:
        """After closing: whether all frames can be read back.

        Raises
        ------
        OSError
            If a file is short: some writers say nothing when a disk is full.
        """
        for path in self.paths:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    with Universe(self._topology, str(path)).trajectory as trajectory:  # Windows moves no open file
                        found = trajectory.n_frames
                except (EOFError, ValueError, IndexError):
                    found = 0
            if found != n_frames:
                raise OSError(f"{path.name} holds {found} of {n_frames} frames: the disk is full")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

"""Frames in memory as a Universe over the user's own atoms, with the right times."""

from __future__ import annotations

import numpy as np
from MDAnalysis import AtomGroup, Merge, Universe
from MDAnalysis.coordinates.memory import MemoryReader
from MDAnalysis.coordinates.timestep import Timestep

from openmm_mdgen.convert.locations import one_location
from openmm_mdgen.convert.mdanalysis import structure_to_mdanalysis
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.trajectory.names import name_universe


class TimedMemoryReader(MemoryReader):  # type: ignore[misc]  # comes without types
    """MDAnalysis' `MemoryReader` whose first frame need not be at time 0.

    Parameters
    ----------
    coordinate_array, **kwargs
        As for `MemoryReader`.
    first_time
        ps.
    """

    def __init__(self, coordinate_array: np.ndarray, *args: object, first_time: float = 0.0, **kwargs: object) -> None:
        self._first_time = first_time
        super().__init__(coordinate_array, *args, **kwargs)

    def _read_next_timestep(self, ts: Timestep | None = None) -> Timestep:
        ts = super()._read_next_timestep(ts)
        ts.time += self._first_time
        return ts

    def copy(self) -> TimedMemoryReader:
        """A reader of its own, with a copy of the frames."""
        new: TimedMemoryReader = super().copy()
        new._first_time = self._first_time
        new[self.ts.frame]
        return new


def frames_to_universe(
    source: Universe | AtomGroup | Structure, frames: np.ndarray, interval: float, first_time: float = 0.0
) -> Universe:
    """A Universe over the source's atoms.

    Parameters
    ----------
    source : Universe, AtomGroup or Structure
        All that a Universe or AtomGroup knows of its atoms is kept.
    frames : ndarray (T, N, 3)
        Å.
    interval, first_time : float
        ps.
    """
    if isinstance(source, Universe | AtomGroup):
        universe = Merge(one_location(source.atoms, tell=False))
    else:
        assert isinstance(source, Structure)
        universe = Universe(structure_to_mdanalysis(source))
    universe.load_new(frames.astype(np.float32), format=TimedMemoryReader, dt=interval, first_time=first_time)
    return name_universe(universe)

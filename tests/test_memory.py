"""Generated frames in memory: the user's atoms and the right times, however the reader is used."""

import pickle

import MDAnalysis as mda
import numpy as np
import pytest
from MDAnalysis.analysis.rms import RMSD

from openmm_mdgen.trajectory.memory import TimedMemoryReader, frames_to_universe
from tests.helpers.tiny import DATA, moving, moving_universe, structure

TIMES = [25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0]


@pytest.fixture
def universe() -> mda.Universe:
    """Eight frames from 25 ps on, 5 ps apart."""
    return frames_to_universe(structure("QGRE"), moving("QGRE"), 5.0, 25.0)


def test_times(universe):
    assert isinstance(universe.trajectory, TimedMemoryReader)
    assert universe.trajectory.n_frames == 8 and universe.trajectory.dt == 5.0
    assert universe.trajectory.time == 25.0  # before anything is read
    assert [ts.time for ts in universe.trajectory] == TIMES
    assert [ts.time for ts in universe.trajectory] == TIMES  # again
    assert universe.trajectory[3].time == 40.0 and universe.trajectory[-1].time == 60.0
    universe.trajectory.rewind()
    assert universe.trajectory.time == 25.0 and universe.trajectory.next().time == 30.0


def test_slices(universe):
    assert [ts.time for ts in universe.trajectory[2:7:2]] == TIMES[2:7:2]
    assert [ts.time for ts in universe.trajectory[::-1]] == TIMES[::-1]
    assert [ts.time for ts in universe.trajectory[[0, 5]]] == [25.0, 50.0]
    assert RMSD(universe).run(step=3).results.rmsd[:, 1].tolist() == TIMES[::3]


def test_frames_are_as_given(universe):
    expected = moving("QGRE").astype(np.float32)
    assert np.array_equal(universe.trajectory.timeseries(order="fac"), expected)
    for ts, frame in zip(universe.trajectory, expected, strict=True):
        assert np.array_equal(ts.positions, frame)


@pytest.mark.parametrize("frame", [0, 5])
def test_copies(universe, frame):
    universe.trajectory[frame]
    for other in (universe.copy(), pickle.loads(pickle.dumps(universe))):
        assert (other.trajectory.frame, other.trajectory.time) == (frame, TIMES[frame])
        assert np.array_equal(other.atoms.positions, universe.atoms.positions)
        assert [ts.time for ts in other.trajectory] == TIMES
        other.trajectory[1].positions += 1.0
        assert np.array_equal(universe.trajectory[1].positions, moving("QGRE")[1].astype(np.float32))
        universe.trajectory[frame]


def test_analyses_in_processes(universe):
    serial = RMSD(universe, select="name CA").run().results.rmsd
    parallel = RMSD(universe, select="name CA").run(backend="multiprocessing", n_workers=2).results.rmsd
    assert np.array_equal(serial, parallel) and serial[:, 1].tolist() == TIMES


def test_written_files_keep_times(universe, tmp_path):
    with mda.Writer(str(tmp_path / "out.xtc"), universe.atoms.n_atoms) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    again = mda.Universe(str(DATA / "QGRE.pdb"), str(tmp_path / "out.xtc"))
    assert [ts.time for ts in again.trajectory] == TIMES


def test_sources():
    """A structure's names, or all that a Universe or a part of it knows."""
    source = moving_universe("QGRE")
    source.add_TopologyAttr("charges", np.arange(66.0))
    part = source.select_atoms("resid 2 3")
    frames = moving("QGRE")[:, part.indices]
    found = frames_to_universe(part, frames, 1.0)
    assert found.atoms.charges.tolist() == part.charges.tolist() and found.residues.resids.tolist() == [2, 3]
    assert found.trajectory[0].time == 0.0 and found.trajectory.n_frames == 8
    assert frames_to_universe(source, moving("QGRE"), 1.0).atoms.n_atoms == 66
    assert source.trajectory.n_frames == 8 and source.trajectory[0].time == 10.0
    assert (
        frames_to_universe(structure("QGRE"), moving("QGRE"), 1.0).atoms.names.tolist() == source.atoms.names.tolist()
    )

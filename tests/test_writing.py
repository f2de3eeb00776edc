"""Writers whose files are MDAnalysis' own."""

import MDAnalysis as mda
import numpy as np
import pytest
from MDAnalysis.coordinates.XTC import XTCWriter

from openmm_mdgen.convert.mdanalysis import structure_to_universe
from openmm_mdgen.trajectory.writing import XTCFrameWriter, frame_writer
from tests.helpers.tiny import structure


@pytest.mark.parametrize("cell", [None, [30, 31, 32, 90, 90, 90]])
@pytest.mark.parametrize("whole", [True, False])
def test_xtc_files_are_those_of_mdanalysis_to_the_last_byte(tmp_path, cell, whole):
    universe = structure_to_universe(structure("QGRE"))
    universe.dimensions = cell
    source = universe if whole else universe.select_atoms("not name H*")
    ours = frame_writer(tmp_path / "ours.xtc", source.atoms.n_atoms, dt=10.0)
    assert isinstance(ours, XTCFrameWriter)
    with ours, XTCWriter(str(tmp_path / "theirs.xtc"), source.atoms.n_atoms) as theirs:
        for frame in range(3):
            universe.trajectory.ts.frame, universe.trajectory.ts.time = frame, 10.0 * (frame + 1)
            universe.atoms.positions += 0.1 * frame
            for writer in (ours, theirs):
                writer.write(source)
    written = (tmp_path / "ours.xtc").read_bytes()
    assert written == (tmp_path / "theirs.xtc").read_bytes()
    found = mda.coordinates.XTC.XTCReader(str(tmp_path / "ours.xtc"))
    assert [ts.time for ts in found] == [10.0, 20.0, 30.0]
    np.testing.assert_allclose(found[2].positions, source.atoms.positions, atol=0.006)

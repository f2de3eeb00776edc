"""Files that MDAnalysis opens, or does not: errors of one line."""

import pytest
from MDAnalysis import Universe
from MDAnalysisTests import datafiles

from openmm_mdgen.convert.trajectories import open_topology, open_trajectory, select_atoms, stored_interval
from openmm_mdgen.errors import MDGenError


def test_a_file_and_a_selection(data):
    universe = open_topology(data / "QGRE.pdb")
    assert select_atoms(universe, None).n_atoms == universe.atoms.n_atoms
    assert set(select_atoms(universe, "name CA").names) == {"CA"}
    assert open_trajectory(data / "QGRE.pdb", data / "QGRE.pdb").trajectory.n_frames == 1


@pytest.mark.parametrize("name", ["absent.xtc", "junk.xtc", "junk.dcd", "junk.nc", "junk.pdb", "empty.xtc"])
@pytest.mark.parametrize("with_topology", [False, True])
def test_whatever_is_wrong_is_one_line(tmp_path, data, name, with_topology):
    path = tmp_path / name
    if "absent" not in name:
        path.write_bytes(b"no\ntrajectory\n" if "junk" in name else b"")
    topology = data / "QGRE.pdb" if with_topology else None
    with pytest.raises(MDGenError, match=f"{name}.* (cannot be read|does not exist)") as raised:
        open_trajectory(path, topology, "generated")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("selection", ["no such word", "resid", "(name CA", "name CA and", ""])
def test_what_is_no_selection(data, selection):
    with pytest.raises(MDGenError, match=r"is no MDAnalysis selection|finds 0 of") as raised:
        select_atoms(open_topology(data / "QGRE.pdb"), selection, "--select")
    assert str(raised.value).startswith(f"--select {selection!r}")
    assert "\n" not in str(raised.value)


def test_a_selection_of_nothing(data):
    with pytest.raises(MDGenError, match="select 'resname XXX' finds 0 of 66 atoms"):
        select_atoms(open_topology(data / "QGRE.pdb"), "resname XXX")


@pytest.mark.parametrize(
    ("topology", "trajectory", "message"),
    [
        (datafiles.PRM, datafiles.TRJ, r"md does not say the time between its frames; open it .*dt=10.0"),
        (datafiles.PRMncdf, datafiles.NCDF, r"md stores 0 ps between frames; open it .*dt=10.0"),
    ],
)
def test_a_trajectory_without_times(topology, trajectory, message):
    with pytest.raises(MDGenError, match=message):
        stored_interval(open_trajectory(trajectory, topology).trajectory, "md")
    assert stored_interval(Universe(topology, trajectory, dt=10.0).trajectory, "md") == 10.0

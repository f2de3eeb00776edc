import os
import shutil
import struct

import mdtraj
import numpy as np
import openmm
import pytest
from MDAnalysis import Universe
from MDAnalysisTests import datafiles
from openmm import app, unit

from openmm_mdgen.errors import MDGenWarning
from openmm_mdgen.upsampling import inplace
from openmm_mdgen.upsampling.dcd import DCD, record_cells, record_positions
from openmm_mdgen.upsampling.inplace import upsample_dcd
from tests.helpers.dcd_files import STEP_PS, read_with_mdanalysis, walk, write_dcd, write_topology
from tests.helpers.gap_fillers import Shaking

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
FACTOR = 5


@pytest.fixture
def small(tmp_path):
    """A DCD file of 9 frames, 10 ps apart, and its topology."""
    path = write_dcd(tmp_path / "a.dcd", walk(9), n_savc=100, delta=0.1 / STEP_PS, i_start=300)
    return path, write_topology(tmp_path / "a.pdb", 7)


def times(path, topology):
    return np.array([ts.time for ts in Universe(topology, path).trajectory])


def assert_keys_kept(original: bytes, path, factor):
    """Every factor-th record of the finer file is one of the original, byte for byte."""
    with DCD(path) as finer:
        head, size = len(finer.header.raw), finer.header.record_dtype.itemsize
        data = path.read_bytes()
        keys = b"".join(data[k : k + size] for k in range(head, len(data), factor * size))
        assert keys == original[head:]
        assert len(finer) == finer.header.n_set == (len(original) - head) // size * factor - factor + 1


@pytest.mark.filterwarnings("ignore::openmm_mdgen.errors.MDGenWarning")
@pytest.mark.parametrize(
    ("source", "topology", "factor"),
    [
        (datafiles.DCD, datafiles.PSF, 4),
        (datafiles.DCD_NAMD_GBIS, datafiles.PSF, 3),
        (datafiles.DCD_TRICLINIC, datafiles.PSF_TRICLINIC, 10),
    ],
    ids=["CHARMM", "NAMD", "CHARMM triclinic"],
)
def test_real_files_as_three_readers_see_them(tmp_path, source, topology, factor):
    path = tmp_path / "a.dcd"
    shutil.copy(source, path)
    before_header, before = read_with_mdanalysis(path)
    before_times = times(path, topology)
    original = path.read_bytes()
    upsample_dcd(path, topology, Universe(topology, source).trajectory.dt / factor, model="linear")

    assert_keys_kept(original, path, factor)
    header, frames = read_with_mdanalysis(path)
    np.testing.assert_array_equal(frames[::factor], before)
    assert len(frames) == (len(before) - 1) * factor + 1
    assert header["remarks"] == before_header["remarks"]
    np.testing.assert_allclose(times(path, topology)[::factor], before_times, rtol=1e-6)
    with mdtraj.formats.DCDTrajectoryFile(str(path)) as file:
        seen, lengths, angles = file.read()
    with mdtraj.formats.DCDTrajectoryFile(str(source)) as file:
        seen_before, lengths_before, angles_before = file.read()
    np.testing.assert_array_equal(seen[::factor], seen_before)
    if lengths_before is not None:
        np.testing.assert_array_equal(lengths[::factor], lengths_before)
        np.testing.assert_array_equal(angles[::factor], angles_before)


def test_a_file_with_the_header_that_vmd_writes(tmp_path):
    frames = walk(6)
    vmd = open(datafiles.DCD_NAMD_TRICLINIC, "rb").read(92 + 172)
    rest = write_dcd(tmp_path / "rest.dcd", frames, cells=np.tile([30.0, 0.5, 31.0, 0.0, 0.0, 32.0], (6, 1)))
    with DCD(rest) as dcd:
        records = struct.pack("<3i", 4, 7, 4) + dcd.records(0, 6).tobytes()
    path = tmp_path / "a.dcd"
    path.write_bytes(vmd[:8] + struct.pack("<i", 6) + vmd[12:] + records)
    original = path.read_bytes()
    topology = write_topology(tmp_path / "a.pdb", 7)
    upsample_dcd(path, topology, STEP_PS / FACTOR, model="linear")
    assert_keys_kept(original, path, FACTOR)
    assert b"Created by DCD plugin" in path.read_bytes()[:264]
    np.testing.assert_allclose(np.diff(times(path, topology)), STEP_PS / FACTOR, rtol=1e-5)


def test_a_file_that_openmm_writes_and_appends_to(tmp_path):
    topology = app.Topology()
    residue = topology.addResidue("LIG", topology.addChain())
    for k in range(7):
        topology.addAtom(f"C{k}", app.element.carbon, residue)
    path = tmp_path / "a.dcd"
    with open(path, "wb") as file:
        dcd = app.DCDFile(file, topology, 4 * unit.femtoseconds, firstStep=2500, interval=2500)
        for frame in walk(6):
            dcd.writeModel(frame * unit.angstrom, unitCellDimensions=openmm.Vec3(3, 3, 3) * unit.nanometer)
    original = path.read_bytes()
    pdb = write_topology(tmp_path / "a.pdb", 7)
    before = times(path, pdb)
    upsample_dcd(path, pdb, 0.1, model="linear")
    assert_keys_kept(original, path, 100)
    np.testing.assert_allclose(times(path, pdb)[::100], before, rtol=1e-6)
    assert before[0] == pytest.approx(10, rel=1e-5)
    with open(path, "r+b") as file:
        app.DCDFile(file, topology, 4 * unit.femtoseconds, append=True).writeModel(walk(1)[0] * unit.angstrom)
    with DCD(path) as appended:
        assert (len(appended), appended.header.n_set, appended.header.n_savc) == (502, 502, 25)


@pytest.mark.parametrize("endian", "<>", ids=["little", "big"])
def test_cells_are_interpolated_in_either_byte_order(tmp_path, endian):
    cells = np.array([[20.0 + k, 0.1, 21.0, 0.0, -0.1, 22.0 - k] for k in range(5)])
    path = write_dcd(tmp_path / "a.dcd", walk(), endian=endian, cells=cells, n_savc=10, delta=1 / STEP_PS)
    original = path.read_bytes()
    upsample_dcd(path, write_topology(tmp_path / "a.pdb", 7), 2.0, model="linear")
    assert_keys_kept(original, path, FACTOR)
    with DCD(path) as finer:
        found = record_cells(finer.records(0, len(finer)))
    np.testing.assert_allclose(found[:, 0], 20 + np.arange(21) / 5)
    np.testing.assert_allclose(found[:, 5], 22 - np.arange(21) / 5)


def test_output_elsewhere_leaves_the_original(small, tmp_path):
    path, topology = small
    original = path.read_bytes()
    assert upsample_dcd(path, topology, 2.0, model="linear", output=tmp_path / "b.dcd") == tmp_path / "b.dcd"
    assert path.read_bytes() == original
    assert_keys_kept(original, tmp_path / "b.dcd", FACTOR)


def test_given_dt_is_written(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(), n_savc=0, delta=0.0)
    topology = write_topology(tmp_path / "a.pdb", 7)
    upsample_dcd(path, topology, 2.0, dt=10.0, model="linear")
    np.testing.assert_allclose(np.diff(times(path, topology)), 2.0, rtol=1e-6)


def test_lying_nset_is_put_right(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(), n_set=500, n_savc=100, delta=0.1 / STEP_PS)
    with pytest.warns(MDGenWarning, match="says 500 frames and holds 5"):
        upsample_dcd(path, write_topology(tmp_path / "a.pdb", 7), 2.0, model="linear")
    assert DCD(path).header.n_set == len(DCD(path)) == 21


def test_mode_link_and_backup_are_kept(small, tmp_path):
    path, topology = small
    original = path.read_bytes()
    os.chmod(path, 0o640)
    link = tmp_path / "link.dcd"
    link.symlink_to(path)
    upsample_dcd(link, topology, 2.0, model="linear", backup=True)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "a.dcd.bak").read_bytes() == original
    assert sorted(os.listdir(tmp_path)) == ["a.dcd", "a.dcd.bak", "a.pdb", "link.dcd"]


def test_an_open_universe_goes_on_reading_the_old_file(small):
    path, topology = small
    universe = Universe(topology, path)
    upsample_dcd(path, topology, 2.0, model="linear")
    np.testing.assert_array_equal(universe.trajectory[8].positions, walk(9)[8])


def test_a_file_as_fine_already_is_left_alone_and_strays_go(small, tmp_path):
    path, topology = small
    upsample_dcd(path, topology, 2.0, model="linear")
    finer = path.read_bytes()
    (tmp_path / ".a.dcd.mdgen-journal").write_text("{}")
    upsample_dcd(path, topology, 2.0, model="linear")
    assert path.read_bytes() == finer
    assert sorted(os.listdir(tmp_path)) == ["a.dcd", "a.pdb"]


def interrupt_at(chunk, error=KeyboardInterrupt):
    def hook(calls):
        if calls == chunk:
            raise error

    return hook


def test_an_interrupted_run_goes_on_where_it_was(small, tmp_path):
    path, topology = small
    original = path.read_bytes()
    upsample_dcd(path, topology, 2.0, model=Shaking(FACTOR), output=tmp_path / "whole.dcd")
    with pytest.raises(KeyboardInterrupt):
        upsample_dcd(path, topology, 2.0, model=Shaking(FACTOR, interrupt_at(3)))
    assert path.read_bytes() == original
    rest = Shaking(FACTOR)
    upsample_dcd(path, topology, 2.0, model=rest)
    assert rest.calls == 1
    assert path.read_bytes() == (tmp_path / "whole.dcd").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_killed_run_goes_on_where_it_was(small, tmp_path, monkeypatch):
    path, topology = small
    original = path.read_bytes()
    upsample_dcd(path, topology, 2.0, model=Shaking(FACTOR), output=tmp_path / "whole.dcd")
    monkeypatch.setattr(inplace, "_COMMIT_SECONDS", 0.0)
    child = os.fork()
    if child == 0:
        try:
            killer = Shaking(FACTOR, lambda calls: calls == 2 and os.kill(os.getpid(), 9))
            upsample_dcd(path, topology, 2.0, model=killer)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 9
    assert path.read_bytes() == original
    assert (tmp_path / ".a.dcd.mdgen-part").exists()
    rest = Shaking(FACTOR)
    upsample_dcd(path, topology, 2.0, model=rest)
    assert rest.calls == 2
    assert path.read_bytes() == (tmp_path / "whole.dcd").read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("change", ["seed", "interval", "original", "journal"])
def test_what_another_run_left_is_dropped(small, tmp_path, change):
    path, topology = small
    with pytest.raises(KeyboardInterrupt):
        upsample_dcd(path, topology, 2.0, model=Shaking(FACTOR, interrupt_at(3)))
    factor = 10 if change == "interval" else FACTOR
    if change == "original":
        write_dcd(path, walk(9, seed=4), n_savc=100, delta=0.1 / STEP_PS)
    if change == "journal":
        (tmp_path / ".a.dcd.mdgen-journal").write_text("{torn")
    original = path.read_bytes()
    anew = Shaking(factor)
    with pytest.warns(MDGenWarning, match="of another run"):
        upsample_dcd(path, topology, 10 / factor, model=anew, seed=int(change == "seed"))
    assert anew.calls == 4
    assert_keys_kept(original, path, factor)


def test_chunks_and_files_agree_with_the_reader(small):
    path, topology = small
    from openmm_mdgen.upsampling import upsample

    fine = upsample(Universe(topology, path), 2.0, model=Shaking(FACTOR), seed=3)
    lazy = np.array([ts.positions.copy() for ts in fine.trajectory])
    upsample_dcd(path, topology, 2.0, model=Shaking(FACTOR), seed=3)
    with DCD(path) as dcd:
        np.testing.assert_array_equal(record_positions(dcd.records(0, len(dcd))).astype(np.float32), lazy)


def test_seed_and_progress(small, tmp_path):
    path, topology = small
    seen = []
    for seed in (0, 1):
        output = tmp_path / f"{seed}.dcd"
        upsample_dcd(
            path, topology, 2.0, model=Shaking(FACTOR), seed=seed, output=output, progress=lambda *a: seen.append(a)
        )
    assert (tmp_path / "0.dcd").read_bytes() != (tmp_path / "1.dcd").read_bytes()
    assert seen[-1] == (41, 41)

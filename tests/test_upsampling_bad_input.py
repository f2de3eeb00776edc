"""Each bad input: one line that says value, limit and remedy; the original byte for byte as it was; no strays."""

import errno
import os
import shutil

import numpy as np
import pytest
from MDAnalysis import Universe, Writer
from MDAnalysisTests import datafiles

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.upsampling import upsample
from openmm_mdgen.upsampling.inplace import upsample_dcd
from openmm_mdgen.upsampling.partfile import PartFile
from tests.helpers.dcd_files import STEP_PS, walk, write_dcd, write_topology
from tests.helpers.gap_fillers import Model, Shaking

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SPACED = {"n_savc": 100, "delta": 0.1 / STEP_PS}  # 10 ps


@pytest.fixture
def refused(tmp_path):
    """Checks that a file is refused and stays as it is, with nothing left beside it."""

    def check(message, *, frames=None, interval=2.0, n_atoms=7, **options):
        layout = {key: options.pop(key) for key in ("cells", "n_savc", "delta", "i_start", "n_set") if key in options}
        path = write_dcd(tmp_path / "a.dcd", walk() if frames is None else frames, **(SPACED | layout))
        topology = write_topology(tmp_path / "a.pdb", n_atoms)
        before = path.read_bytes()
        with pytest.raises(MDGenError, match=message) as caught:
            upsample_dcd(path, topology, interval, **({"model": "linear"} | options))
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == before
        assert sorted(os.listdir(tmp_path)) == ["a.dcd", "a.pdb"]

    return check


def test_atom_count(refused):
    refused(r"a\.dcd has 7 atoms and a\.pdb 8", n_atoms=8)


@pytest.mark.parametrize("layout", [{"n_savc": 0}, {"delta": 0.0}, {"delta": float("nan")}])
def test_unknown_spacing_asks_for_dt(refused, layout):
    refused("give --dt", **layout)


@pytest.mark.parametrize("dt", [0.0, -1.0, float("nan")])
def test_dt_that_is_none(refused, dt):
    refused("is not a spacing of frames", dt=dt)


def test_interval_that_does_not_divide(refused):
    refused(
        "interval 3 ps does not divide the 10 ps between the frames of a.dcd; choose 2.5 or 3.33333 ps", interval=3.0
    )


def test_interval_coarser_than_the_file(refused):
    refused("interval 20 ps is coarser", interval=20.0)


@pytest.mark.parametrize("interval", [0.0, -0.1, float("nan")])
def test_interval_that_is_none(refused, interval):
    refused("is not a time between frames", interval=interval)


def test_single_frame(refused):
    refused("has 1 frame, at least 2", frames=walk(1))


def test_step_counts_past_32_bits(refused):
    refused("past the 32 bits", i_start=2 * 10**9, n_savc=1, delta=10 / STEP_PS)


def test_positions_that_are_not_finite(refused):
    frames = walk()
    frames[3, 2] = np.nan
    refused("frame 3 has positions that are not finite", frames=frames)


def test_molecule_broken_over_the_box(refused):
    chain = np.arange(7)[:, None] * np.array([1.5, 0, 0]) + np.zeros((5, 1, 1))
    chain[3:, 4:, 0] -= 20.0
    cells = np.tile([20.0, 0.0, 20.0, 0.0, 0.0, 20.0], (5, 1))
    refused("broken over the periodic box: in frame 3 .* make it whole", frames=chain, cells=cells)


def test_molecule_broken_where_no_box_is_known(refused):
    chain = np.arange(7)[:, None] * np.array([1.5, 0, 0]) + np.zeros((5, 1, 1))
    chain[2:, 4:, 0] -= 20.0
    refused("broken over the periodic box: in frame 2", frames=chain)


def test_filler_that_gives_nonsense(refused):
    class Broken(Shaking):
        def fill(self, key_frames, seeds):
            return super().fill(key_frames, seeds) * np.nan

    refused("not finite after frame 0", model=Broken(5))


@pytest.mark.parametrize(
    ("interval", "layout", "message"),
    [
        (0.05, {}, "interval of 0.05 ps is outside model"),
        (10.0, {"n_savc": 1000}, "key frames of 100 ps is outside model"),
    ],
    ids=["finer", "coarser"],
)
def test_beyond_what_the_model_learned(tmp_path, interval, layout, message):
    peptide = Universe(datafiles.PRM, datafiles.TRJ)
    frames = np.array([ts.positions for ts in peptide.trajectory[:3]])
    path = write_dcd(tmp_path / "a.dcd", frames, **(SPACED | layout))
    with pytest.raises(MDGenError, match=message):
        upsample_dcd(path, datafiles.PRM, interval, model=Model())


def test_models_that_fill_no_gaps(refused):
    refused("got a dict without fill or bind_gaps", model={})
    refused("model 'none' is unknown; known are", model="none")


def test_changed_while_running(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(9), **SPACED)
    before = path.read_bytes()

    def grow(calls):
        if calls == 1:
            path.write_bytes(before + before[-100:])

    with pytest.raises(MDGenError, match="changed while it was upsampled"):
        upsample_dcd(path, write_topology(tmp_path / "a.pdb", 7), 2.0, model=Shaking(5, grow))
    assert path.read_bytes() == before + before[-100:]
    assert not list(tmp_path.glob(".*"))


def test_changed_key_frames_are_seen_whatever_the_clock_says(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(9), **SPACED)
    stamp = path.stat()

    def rewrite(calls):
        if calls == 3:
            write_dcd(path, walk(9, seed=5), **SPACED)
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    with pytest.raises(MDGenError, match=r"key frames .* differ from a.dcd: it changed while running"):
        upsample_dcd(path, write_topology(tmp_path / "a.pdb", 7), 2.0, model=Shaking(5, rewrite))
    assert not list(tmp_path.glob(".*"))


def test_two_runs_at_once(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(), **SPACED)
    topology = write_topology(tmp_path / "a.pdb", 7)
    other = PartFile(path)
    other.file.write(b"its frames")
    with pytest.raises(MDGenError, match=r"another run is upsampling to a\.dcd"):
        upsample_dcd(path, topology, 2.0, model="linear")
    assert other.path.exists()
    other.close()
    upsample_dcd(path, topology, 2.0, model="linear")
    assert not list(tmp_path.glob(".*"))


def test_a_run_that_ended_a_moment_ago_is_not_overwritten(tmp_path, monkeypatch):
    """Between opening the temporary file and locking it, the run that held it may have moved it over its target."""
    target = tmp_path / "a.dcd"
    target.write_bytes(b"old")
    import openmm_mdgen.upsampling.partfile as partfile

    monkeypatch.setattr(partfile, "_lock", lambda file, _: os.replace(tmp_path / ".a.dcd.mdgen-part", target))
    with pytest.raises(MDGenError, match="another run"):
        PartFile(target)
    assert target.exists()


def test_no_permission_in_the_folder(refused, monkeypatch):
    real = os.open

    def forbidden(path, flags, *mode):
        if "mdgen-part" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", forbidden)
    refused("needs write permission in the folder")


def test_no_permission_for_the_file(refused, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    refused("no permission to write")


def test_disk_too_small(refused, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 0, 10))
    refused("the finer file needs .* MB are free")


def test_disk_full_while_writing(refused, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused("the disk is full; the original is untouched")


def test_backup_that_exists(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(), **SPACED)
    (tmp_path / "a.dcd.bak").write_text("dear to someone")
    with pytest.raises(MDGenError, match=r"a.dcd.bak exists already"):
        upsample_dcd(path, write_topology(tmp_path / "a.pdb", 7), 2.0, model="linear", backup=True)


def test_unreadable_topology(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(), **SPACED)
    with pytest.raises(MDGenError, match=r"none.pdb. does not exist"):
        upsample_dcd(path, tmp_path / "none.pdb", 2.0, model="linear")


def test_other_atoms_are_refused_unless_asked_for(tmp_path):
    water = Universe(datafiles.PRMncdf, datafiles.NCDF)
    with pytest.raises(MDGenError, match=r"of 2661 atoms are not protein \(Na\+, WAT\)"):
        upsample(water, 0.5, model="linear", dt=1.0)
    with pytest.raises(MDGenError, match="others='guess' is unknown"):
        upsample(water, 0.5, model="linear", dt=1.0, others="guess")
    with pytest.raises(MDGenError, match=r"\.nc\w* does not say how far its frames are apart"):
        upsample(water, 0.5, model="linear")


def test_universe_without_enough_frames_or_times():
    with pytest.raises(MDGenError, match="fewer than 2 frames"):
        upsample(Universe(datafiles.PDB_small), 0.1, model="linear")
    with pytest.raises(MDGenError, match="give --dt"):
        upsample(Universe(datafiles.PSF, np.zeros((3, 3341, 3)), dt=0.0), 0.1, model="linear")
    with pytest.raises(MDGenError, match="already"):
        upsample(Universe(datafiles.PSF, datafiles.DCD), 1.0, model="linear")


def test_uneven_times(tmp_path):
    universe = Universe(datafiles.PRM, datafiles.TRJ)
    with Writer(str(tmp_path / "a.trr"), universe.atoms.n_atoms) as writer:
        for ts in universe.trajectory[:4]:
            ts.time = ts.frame**2
            writer.write(universe.atoms)
    uneven = Universe(datafiles.PRM, str(tmp_path / "a.trr"))
    with pytest.raises(MDGenError, match="frame 3 is at 9 ps, 3 ps were expected"):
        upsample(uneven, 0.1, model="linear")
    assert len(upsample(uneven, 0.1, model="linear", dt=1.0).trajectory) == 31

import os
import shutil

import numpy as np
import pytest
from MDAnalysis import Universe
from MDAnalysisTests import datafiles

from openmm_mdgen.cli import main
from openmm_mdgen.upsampling.dcd import DCD
from tests.helpers.dcd_files import STEP_PS, walk, write_dcd, write_topology

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:MDAnalysis")


def run(*arguments):
    """Exit status of the command line."""
    with pytest.raises(SystemExit) as ended:
        main(["upsample", *map(str, arguments)])
    return ended.value.code


@pytest.fixture
def files(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(), n_savc=100, delta=0.1 / STEP_PS)
    return path, write_topology(tmp_path / "a.pdb", 7)


@pytest.mark.parametrize("text", ["2", "fast", "-1ps", "0ps"])
def test_times_have_units_and_are_above_zero(files, text, capfd):
    path, topology = files
    assert run(path, "-t", topology, "--in-place", "--interval", text) == 2
    assert f"{text!r}" in capfd.readouterr().err


def test_in_place_with_backup(files, tmp_path, capfd):
    path, topology = files
    original = path.read_bytes()
    assert run(path, "--topology", topology, "--interval", "2ps", "--in-place", "--backup", "--model", "linear") == 0
    with DCD(path) as dcd:
        assert len(dcd) == 21
    assert (tmp_path / "a.dcd.bak").read_bytes() == original
    assert "21 frames, 2 ps apart" in capfd.readouterr().err
    assert run(path, "--topology", topology, "--interval", "2ps", "--in-place", "--model", "linear") == 0
    assert "nothing to do" in capfd.readouterr().err


def test_new_dcd_file_is_a_copy_of_records(files, tmp_path):
    path, topology = files
    assert (
        run(path, "-t", topology, "--interval", "2000fs", "-o", tmp_path / "b.dcd", "--model", "linear", "--quiet") == 0
    )
    assert b"title 1" in (tmp_path / "b.dcd").read_bytes()[:264]
    assert len(DCD(tmp_path / "b.dcd")) == 21


@pytest.mark.parametrize("extension", ["xtc", "nc"])
def test_new_file_of_a_selection(tmp_path, extension):
    output = tmp_path / f"protein.{extension}"
    arguments = ["--select", "protein", "--dt", "1ps", "--interval", "0.5ps", "--model", "linear", "--quiet"]
    assert run(datafiles.NCDF, "-t", datafiles.PRMncdf, "-o", output, *arguments) == 0
    protein = Universe(datafiles.PRMncdf, datafiles.NCDF).select_atoms("protein")
    written = Universe.empty(len(protein), trajectory=True).load_new(str(output))
    assert (written.trajectory.n_frames, written.trajectory.dt) == (59, pytest.approx(0.5, rel=1e-5))
    protein.universe.trajectory[3]
    np.testing.assert_allclose(written.trajectory[6].positions, protein.positions, atol=0.006)
    assert not list(tmp_path.glob(".mdgen*"))


def test_others_in_place(tmp_path, capsys):
    path = tmp_path / "a.dcd"
    water = Universe(datafiles.PRMncdf, datafiles.NCDF)
    with water.trajectory.OtherWriter(str(path), dt=1.0) as writer:
        for _ in water.trajectory[:3]:
            writer.write(water.atoms)
    arguments = [path, "-t", datafiles.PRMncdf, "--interval", "0.5ps", "--in-place", "--model", "linear", "--quiet"]
    assert run(*arguments) == 2
    assert "--others=interpolate" in capsys.readouterr().err
    assert run(*arguments, "--others", "interpolate") == 0
    assert len(DCD(path)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either --in-place or -o"),
        (["--in-place", "-o", "b.xtc"], "either --in-place or -o"),
        (["--in-place", "--select", "protein"], "--select would drop atoms"),
        (["-o", "b.xtc", "--backup"], "--backup belongs to --in-place"),
        (["-o", "a.dcd"], "is the trajectory itself"),
        (["-o", "b.foo"], "no extension of a trajectory format"),
        (["-o", "none/b.xtc"], "is not a folder you may write to"),
        (["-o", "b.xtc", "--select", "nam CA"], "is no MDAnalysis selection"),
        (["-o", "b.xtc", "--select", "name XX"], "finds 0 of 7 atoms"),
        (["-o", "b.xtc", "--interval", "soon"], "is not a time"),
        (["-o", "b.xtc", "--interval", "3ps"], "does not divide"),
    ],
)
def test_bad_options_end_with_one_line(files, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = files[0].read_bytes()
    assert run("a.dcd", "-t", "a.pdb", "--model", "linear", "--quiet", *arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert files[0].read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.dcd", "a.pdb"]


def test_in_place_is_for_dcd_files(tmp_path, capsys):
    shutil.copy(datafiles.XTC, tmp_path / "a.xtc")
    assert run(tmp_path / "a.xtc", "-t", datafiles.GRO, "--in-place", "--model", "linear") == 2
    assert "the one format made finer in place" in capsys.readouterr().err


def test_a_trajectory_of_other_atoms(tmp_path, capsys):
    assert run(datafiles.XTC, "-t", datafiles.PSF, "-o", tmp_path / "b.xtc", "--model", "linear") == 2
    assert "cannot be read" in capsys.readouterr().err

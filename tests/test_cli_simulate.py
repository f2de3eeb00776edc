"""The simulate and models commands, with a toy model behind every name."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from openmm import app

import openmm_mdgen
from openmm_mdgen.cli import main, output
from openmm_mdgen.cli.output import TrajectoryFiles, output_names
from openmm_mdgen.cli.picture import torsion_pairs
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.frames import dihedral
from openmm_mdgen.peptide.peptide import Peptide
from tests.helpers.gap_fillers import LinearGapFiller
from tests.helpers.toys import TorchWalk

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@dataclass(frozen=True)
class Solver:
    """Stands for a task's solver."""

    n_steps: int = 10


@dataclass(frozen=True)
class ToyTask:
    """A random walk over any peptide, with the ranges of a model."""

    used: list[int]
    solver: Solver = Solver()

    name = "toy"
    content_hash = "1" * 64
    device = "cpu"
    precision = "float64"
    temperature = 350.0
    intervals = (0.1, 100.0)
    lengths = (1, 8)

    def with_steps(self, n_steps):
        """The toy with another number of steps."""
        return replace(self, solver=Solver(n_steps))

    def bind(self, structure, interval, *, reference=None):
        """A walk; raises like a model does."""
        self.used.append(self.solver.n_steps)
        length = Peptide.from_structure(structure).n_residues
        if not self.lengths[0] <= length <= self.lengths[1]:
            raise MDGenError(f"{length} residues are outside the model's range (1 to 8); choose a shorter peptide")
        if not self.intervals[0] <= interval <= self.intervals[1]:
            raise MDGenError(
                f"interval {interval:g} ps is outside the model's range (0.1 to 100 ps); choose one inside"
            )
        return Walk(len(structure.names))


class Walk(TorchWalk):
    """A walk of small steps, 7 frames per block."""

    def next_block(self, start, seed):
        """(N, 3) Å -> (7, N, 3) Å."""
        return start + 0.01 * (super().next_block(start, seed) - start)


@pytest.fixture(autouse=True)
def toy(registry, monkeypatch, tmp_path):
    """The model of the default name is the toy; the test runs in an empty folder."""
    task = ToyTask([])
    registry["peptide"] = task
    monkeypatch.chdir(tmp_path)
    return task


@pytest.fixture
def pep(data, tmp_path):
    """Alanine dipeptide in the current folder."""
    return Path(shutil.copy(data / "ACE-A-NME.pdb", tmp_path / "pep.pdb"))


def run(*arguments: str) -> None:
    """Run the command line; success exits with 0."""
    with pytest.raises(SystemExit) as exit_:
        main(["simulate", *arguments])
    assert exit_.value.code in (0, None)


def fail(capsys, *arguments: str) -> str:
    """Run the command line; it must fail with exit status 2 and one line, which is returned."""
    with pytest.raises(SystemExit) as exit_:
        main(["simulate", *arguments])
    assert exit_.value.code == 2
    line, *rest = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("error: ") and not rest
    return line


def files(folder: Path) -> set[str]:
    """Names in a folder, hidden ones too."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("extension", ["dcd", "xtc", "trr", "nc", "pdb", "xyz"])
def test_frames_and_times_in_every_format(pep, tmp_path, extension):
    run("pep.pdb", "--time", "170ps", "-o", f"out.{extension}")
    assert files(tmp_path) == {"pep.pdb", f"out.{extension}"}
    universe = MDAnalysis.Universe("pep.pdb", f"out.{extension}")
    assert universe.trajectory.n_frames == 17
    if extension not in ("pdb", "xyz"):  # which hold no times
        assert universe.trajectory.dt == pytest.approx(10.0)
        np.testing.assert_allclose([ts.time for ts in universe.trajectory], 10.0 * np.arange(1, 18), rtol=1e-6)


def test_replicas_equilibration_and_seed(pep):
    run("pep.pdb", "--time", "200ps", "--interval", "20ps", "--equilibrate", "60ps", "--replicas", "2", "-o", "a.dcd")
    run("pep.pdb", "--time", "260ps", "--interval", "20ps", "-o", "b.dcd")
    run("pep.pdb", "--time", "200ps", "--interval", "20ps", "--seed", "1", "-o", "c.dcd")
    first, second, whole, other = (
        MDAnalysis.Universe("pep.pdb", name).trajectory.timeseries(order="fac")
        for name in ("a_00.dcd", "a_01.dcd", "b.dcd", "c.dcd")
    )
    np.testing.assert_array_equal(first, whole[3:])
    assert not np.allclose(first, second) and not np.allclose(first[:7], other[:7])


def test_a_recipe_has_the_frames_of_a_file(pep, capsys):
    run("pep.pdb", "--time", "100ps", "--replicas", "2", "--equilibrate", "30ps", "-o", "out.mdgen")
    run("pep.pdb", "--time", "100ps", "--replicas", "2", "--equilibrate", "30ps", "-o", "out.trr")
    for number in ("00", "01"):
        recipe = MDAnalysis.Universe("pep.pdb", f"out_{number}.mdgen").trajectory.timeseries(order="fac")
        written = MDAnalysis.Universe("pep.pdb", f"out_{number}.trr").trajectory.timeseries(order="fac")
        np.testing.assert_allclose(recipe, written, atol=1e-5)
    assert "recipe of 10 frames, 10 ps apart: out_01.mdgen" in capsys.readouterr().out


def test_a_sequence_is_built_and_its_topology_written(tmp_path, capsys):
    run("--sequence", "ACE-A-NME", "--time", "50ps", "-o", "out.xtc")
    assert files(tmp_path) == {"out.pdb", "out.xtc"}
    assert "topology: out.pdb" in capsys.readouterr().out
    assert (
        app.PDBFile("out.pdb").topology.getNumAtoms() == MDAnalysis.Universe("out.pdb", "out.xtc").atoms.n_atoms == 22
    )
    run("--sequence", "ACE-A-NME", "--time", "50ps", "-o", "out.mdgen")  # the same topology may stay
    run("--sequence", "ACE-A-NME", "--time", "50ps", "-o", "frames.pdb")
    assert {"frames.pdb", "frames_topology.pdb"} < files(tmp_path)


def test_a_built_topology_overwrites_nothing(pep, tmp_path, capsys):
    assert "'pep.pdb' exists and would be overwritten" in fail(capsys, "--sequence", "GG", "-o", "pep.dcd")
    assert files(tmp_path) == {"pep.pdb"}


def test_a_selection_of_a_solvated_file(data, tmp_path):
    text = (data / "ACE-A-NME.pdb").read_text().split("TER")[0]
    water = "HETATM   23  O   HOH B   1      20.000  20.000  20.000  1.00  0.00           O\n"
    (tmp_path / "wet.pdb").write_text(f"{text}TER\n{water}END\n")
    run("wet.pdb", "--select", "protein", "--time", "50ps", "-o", "dry.xtc")
    assert MDAnalysis.Universe("dry.pdb", "dry.xtc").atoms.n_atoms == 22


def test_without_an_output_there_is_a_picture(pep, tmp_path, capsys):
    run("pep.pdb", "--time", "1ns")
    shown = {"pep.pdb", "pep_generated.xtc", "pep_generated.png", "pep_generated.html"}
    assert {name for name in files(tmp_path) if "offsets" not in name} == shown
    assert (tmp_path / "pep_generated.png").read_bytes().startswith(b"\x89PNG")
    told = capsys.readouterr().out
    assert "1 x 100 frames, 10 ps apart (1 x 1 ns): pep_generated.xtc" in told
    assert "ensemble at 350 K" in told and "ns/day" in told and "median energy" in told


def test_relaxed_frames_are_lower_in_energy_and_their_cost_is_told(pep, capsys):
    from openmm_mdgen.forcefield.build import build_system
    from openmm_mdgen.forcefield.minimizer import Minimizer

    run("pep.pdb", "--time", "30ps", "-o", "rough.trr")
    run("pep.pdb", "--time", "30ps", "--relax", "-o", "relaxed.trr")
    assert "ms per frame" in capsys.readouterr().out
    energy = Minimizer(build_system(app.PDBFile("pep.pdb").topology)).energy
    rough, relaxed = (
        [energy(ts.positions) for ts in MDAnalysis.Universe("pep.pdb", name).trajectory]
        for name in ("rough.trr", "relaxed.trr")
    )
    assert np.all(np.array(relaxed) < np.array(rough))


def test_thermalised_frames_are_those_of_the_function(pep, capsys, data):
    model = str(data / "tiny.safetensors")
    run("pep.pdb", "--time", "60ps", "--thermalise", "3", "--replicas", "2", "--model", model, "-o", "warm.dcd")
    assert "dynamics: " in capsys.readouterr().out
    expected = openmm_mdgen.simulate("pep.pdb", time=60, thermalise=3, replicas=2, model=data / "tiny.safetensors")
    for replica, universe in enumerate(expected):
        written = MDAnalysis.Universe("pep.pdb", f"warm_{replica:02d}.dcd")
        for ts, other in zip(written.trajectory, universe.trajectory, strict=True):
            np.testing.assert_allclose(ts.positions, other.positions, atol=1e-3)


def test_solver_steps_reach_the_model(pep, toy):
    run("pep.pdb", "--time", "10ps", "--steps", "3", "-o", "out.xtc")
    assert toy.used == [3]


def test_solver_steps_of_a_model_without_a_solver(pep, capsys, registry):
    registry["peptide"] = Walk(22)
    assert "has no solver steps to choose; leave out the steps" in fail(
        capsys, "pep.pdb", "--steps", "3", "-o", "out.xtc"
    )
    run("pep.pdb", "--time", "10ps", "-o", "out.xtc")


def test_a_model_that_does_not_simulate(pep, capsys, registry):
    registry["filler"] = LinearGapFiller(10)
    line = fail(capsys, "pep.pdb", "-o", "out.xtc", "--model", "filler")
    assert "model 'filler' cannot simulate but can fill the gaps between frames; choose 'peptide' or another" in line


def test_rounded_times_are_told(pep, capsys):
    run("pep.pdb", "--time", "25ps", "-o", "out.xtc")
    assert (
        "warning: --time 25 ps is not a multiple of the interval 10 ps; it is rounded up to 30 ps"
        in capsys.readouterr().err
    )
    assert MDAnalysis.Universe("pep.pdb", "out.xtc").trajectory.n_frames == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pep.pdb", "--time", "0ns"], "time '0ns' must be above 0"),
        (["pep.pdb", "--time", "-5ns"], "time '-5ns' must be above 0"),
        (["pep.pdb", "--time", "10"], "'10' is not a time"),
        (["pep.pdb", "--interval", "0ps"], "--interval '0ps' must be above 0"),
        (["pep.pdb", "--interval", "1ns"], r"interval 1000 ps is outside the model's range (0.1 to 100 ps)"),
        (["pep.pdb", "--equilibrate", "-1ns"], "must be above 0"),
        (["pep.pdb", "--replicas", "0"], "--replicas 0 is below 1"),
        (["pep.pdb", "--seed", "x"], "--seed x is no whole number"),
        (["pep.pdb", "--model", "unknown"], "model 'unknown' is unknown; known are peptide, "),
        (["pep.pdb", "-o", "out.foo"], "'out.foo' has no extension of a trajectory format"),
        (["pep.pdb", "-o", "absent/out.dcd"], "folder 'absent' does not exist"),
        (["pep.pdb", "-o", "pep.pdb"], "output 'pep.pdb' is the structure itself"),
        (["pep.pdb", "--relax", "-o", "out.mdgen"], "a .mdgen recipe cannot hold --relax"),
        (["pep.pdb", "--thermalise", "5", "-o", "out.mdgen"], "--thermalise or --steps; write the frames"),
        (["pep.pdb", "--thermalise", "-5"], "--thermalise -5 is below 0"),
        (["pep.pdb", "pep.pdb", "--thermalise", "5"], "run each system by itself"),
        (["pep.pdb", "--select", "resname XXX"], "finds 0 of"),
        (["pep.pdb", "--select", "no such thing"], "is no MDAnalysis selection"),
        (["absent.pdb"], "'absent.pdb' does not exist"),
        ([], "give either a STRUCTURE file or --sequence (neither is given)"),
        (["pep.pdb", "--sequence", "AA"], "(both are given)"),
        (["--sequence", "AXB"], "'B', which is no residue"),
        (["--sequence", "AAAAAAAAA"], "9 residues are outside the model's range (1 to 8)"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(pep, tmp_path, capsys, arguments, message):
    assert message in fail(capsys, *arguments)
    assert files(tmp_path) == {"pep.pdb"}


def test_bad_structures_are_one_line(pep, capsys):
    lines = pep.read_text().splitlines(keepends=True)
    bad = {
        "non-standard": ([line.replace("ALA", "MSE") for line in lines], "(MSE) is not a standard residue"),
        "missing": ([line for line in lines if " CA  ALA" not in line], "misses its backbone atom CA"),
        "water": ([*lines[:-1], "HETATM   23  O   HOH B   1      20.0    20.0    20.0\n"], "1 waters (HOH)"),
    }
    for name, (content, message) in bad.items():
        Path(f"{name}.pdb").write_text(
            "".join(line for line in content if not line.startswith(("CONECT", "TER"))), encoding="utf-8"
        )
        assert message in fail(capsys, f"{name}.pdb", "-o", "out.dcd")
    assert not list(Path().glob("*out*"))


def test_a_model_that_fails_midway_leaves_nothing(pep, tmp_path, capsys, monkeypatch):
    def next_block(self, start, seed):
        self.calls += 1
        return np.full((7, *start.shape), 0.0 if self.calls < 3 else np.nan)

    monkeypatch.setattr(Walk, "next_block", next_block)
    assert "NaN or infinite positions in frame 14" in fail(capsys, "pep.pdb", "-o", "out.dcd")
    assert files(tmp_path) == {"pep.pdb"}


@pytest.mark.parametrize("extension", ["dcd", "xtc", "trr", "pdb"])
def test_low_disk_keeps_whole_frames(pep, tmp_path, capsys, monkeypatch, extension):
    free = iter([10**12, 10**12, 0])
    monkeypatch.setattr(output.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, next(free)))
    line = fail(capsys, "pep.pdb", "-o", f"out.{extension}")
    assert f"after 14 frames, in out.partial.{extension}; free space and run again" in line
    assert files(tmp_path) - {f".out.partial.{extension}_offsets.npz"} - {f".out.partial.{extension}_offsets.lock"} == {
        "pep.pdb",
        f"out.partial.{extension}",
    }
    assert MDAnalysis.Universe("pep.pdb", f"out.partial.{extension}").trajectory.n_frames == 14


_FULL_DISK = """
import resource, sys
import numpy as np
from openmm_mdgen.cli.output import TrajectoryFiles
from openmm_mdgen.convert.structures import load_structure
structure = load_structure("pep.pdb")
frames = np.random.default_rng(0).normal(0, 5, (1, 5, 22, 3))
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
from pathlib import Path
try:
    with TrajectoryFiles([Path(sys.argv[1])], structure, 10.0) as files:
        for _ in range(200):
            files.write(frames)
except ValueError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file-size limit")
@pytest.mark.parametrize("extension", ["dcd", "xtc", "trr", "pdb"])
def test_a_write_that_fails_keeps_readable_frames(pep, tmp_path, extension):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FULL_DISK, f"out.{extension}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"in out.partial.{extension}; free space and run again" in done.stderr
    assert not list(tmp_path.glob("out.[!p]*"))
    told = int(done.stderr.split(" after ")[1].split()[0])
    universe = MDAnalysis.Universe("pep.pdb", f"out.partial.{extension}")
    assert universe.trajectory.n_frames == told > 10
    assert all(np.isfinite(ts.positions).all() for ts in universe.trajectory)


def test_an_interrupted_run_keeps_whole_frames(pep):
    with (
        pytest.raises(MDGenError, match=r"interrupted after 3 frames, in out\.partial\.dcd"),
        TrajectoryFiles([Path("out.dcd")], load_structure("pep.pdb"), 10.0) as output,
    ):
        output.write(np.zeros((1, 3, 22, 3)))
        raise KeyboardInterrupt


def test_output_names():
    assert output_names(Path("a/out.dcd"), 1) == [Path("a/out.dcd")]
    assert output_names(Path("a/out.dcd"), 2) == [Path("a/out_00.dcd"), Path("a/out_01.dcd")]
    assert output_names(Path("o.xtc"), 101)[100] == Path("o_100.xtc")


def test_dihedrals_are_those_of_mdanalysis(data):
    universe = MDAnalysis.Universe(str(data / "ITVLHC.pdb"))
    pairs = torsion_pairs(Peptide.from_structure(load_structure(universe)))
    assert [label for label, _, _ in pairs] == ["THR 2", "VAL 3", "LEU 4", "HIS 5"]
    for residue, (_, phi, psi) in zip(universe.residues[1:-1], pairs, strict=True):
        expected = [residue.phi_selection().dihedral.value(), residue.psi_selection().dihedral.value()]
        found = np.rad2deg(dihedral(*np.moveaxis(universe.atoms.positions[[phi, psi]], -2, 0)))
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_models_lists_ranges(capsys):
    with pytest.raises(SystemExit):
        main(["models"])
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["model", "tasks", "residues", "intervals", "temperature", "content"]
    (row,) = [row.split() for row in rows if row.split()[0] == "peptide"]
    assert row == "peptide simulate 1 to 8 100 fs to 100 ps 350 K 111111111111".split()
    assert "--identities of design" in rows[-1]

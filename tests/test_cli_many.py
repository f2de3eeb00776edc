"""``openmm-mdgen simulate`` of several structures, and lists."""

import shutil
import sys
from pathlib import Path

import pytest
from distributed import Client

from openmm_mdgen.cli import main
from openmm_mdgen.cli import many as cli_many
from openmm_mdgen.many import simulate
from openmm_mdgen.many.engine import Outcome, Progress
from openmm_mdgen.many.results import ManyResult
from tests.helpers.clusters import in_process
from tests.helpers.tiny import DATA

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
TINY = str(DATA / "tiny.safetensors")


@pytest.fixture(scope="module")
def scheduler():
    """The address of a scheduler with one worker in this process."""
    with in_process() as cluster, Client(cluster) as client:
        yield client.scheduler.address


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Two peptides in the current folder."""
    for name in ("QGRE", "NDKMF"):
        shutil.copy(DATA / f"{name}.pdb", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["simulate", *arguments])
    return int(exit_.value.code or 0)


def test_several_structures_and_a_list(scheduler, here, capsys):
    Path("list.csv").write_text("name,sequence\nglygly,GG\nwrong,AXB\n", encoding="utf-8")
    files = ["QGRE.pdb", "NDKMF.pdb", "--sequences", "list.csv"]
    options = ["--time", "105ps", "--model", TINY, "--scheduler", scheduler, "--format", "dcd", "-o", "out"]
    assert run(*files, *options) == 1
    told = capsys.readouterr()
    assert {p.name for p in Path("out").glob("[!.]*")} == {
        *("QGRE.dcd", "NDKMF.dcd", "glygly.pdb", "glygly.dcd", "failed.csv")
    }
    *rows, summary = told.out.splitlines()
    assert [row.split()[:2] for row in rows] == [
        *(["NDKMF", "made"], ["QGRE", "made"], ["glygly", "made"], ["wrong", "failed"])
    ]
    assert summary == "3 made, 1 failed (see failed.csv) in out"
    assert "warning: time 105 ps is not a multiple" in told.err and "3 of 3: " in told.err
    Path("list.csv").write_text("name,sequence\nglygly,GG\n", encoding="utf-8")
    assert run(*files, *options, "--quiet") == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == "0 made, 3 already whole in out" and "of 3: " not in told.err


def test_options_that_only_one_system_has_are_refused_or_left_out(here, capsys, monkeypatch):
    monkeypatch.setattr(simulate, "simulate_many", lambda structures, output, progress: structures)
    assert run("QGRE.pdb", "NDKMF.pdb", "--seed", "1") == 2
    assert "--seed is for one system; leave it out, or do each system by itself" in capsys.readouterr().err


def test_temperature_and_hydrogens_are_handed_over(here, monkeypatch):
    given = {}

    def double(structures, temperature, hydrogens, **others):
        given.update(temperature=temperature, hydrogens=hydrogens)
        return ManyResult((), (), (), Path("out"), {})

    monkeypatch.setattr(simulate, "simulate_many", double)
    assert run("QGRE.pdb", "NDKMF.pdb", "--temperature", "310", "--hydrogens", "quiet") == 0
    assert given == {"temperature": 310.0, "hydrogens": "quiet"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["QGRE.pdb", "--workers", "2"],
            "--workers is for many systems, and one is given; give several structure files",
        ),
        (["QGRE.pdb", "--scheduler", "tcp://127.0.0.1:1"], "--scheduler is for many systems"),
        (["QGRE.pdb", "NDKMF.pdb", "-o", "out.dcd"], "must be a folder; give for example -o generated --format dcd"),
        (["QGRE.pdb", "NDKMF.pdb", "--sequence", "GG"], "--sequence is for one system; list several"),
        (["QGRE.pdb", "NDKMF.pdb", "--temperature", "900", "--hydrogens", "cold"], "'cold' is not one of"),
        (["QGRE.pdb", "NDKMF.pdb", "--model", TINY, "--temperature", "nan"], "temperature nan K is not above zero"),
        (["--sequences", "absent.csv"], "list 'absent.csv' cannot be read (No such file or directory)"),
        (["QGRE.pdb", "NDKMF.pdb", "--workers", "0"], "--workers 0 is below 1"),
        (["QGRE.pdb", "NDKMF.pdb", "--format", "foo"], "has no extension of a trajectory format"),
        (["QGRE.pdb", "./QGRE.pdb", "copy/QGRE.pdb"], "would both write 'QGRE'"),
    ],
)
def test_bad_input_is_one_line(here, capsys, arguments, message):
    before = {p.name for p in here.iterdir()}
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err
    assert {p.name for p in here.iterdir()} == before


def test_a_bar_tells_systems_and_the_time_left(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with cli_many.shown_progress(quiet=False) as report:
        report(Progress(0, 4, 0.25, 3725.4))
        report(Progress(4, 4, 1.0, 0.0, (Outcome("a"),)))
    told = capsys.readouterr().err
    assert "0 of 4 systems, 1:02:05 left" in told and "4 of 4 systems" in told


def test_an_interrupt_says_how_to_go_on():
    with pytest.raises(ValueError, match="interrupted; what is whole stays"), cli_many.shown_progress(quiet=False):
        raise KeyboardInterrupt

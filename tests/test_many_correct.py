"""Many systems corrected side by side."""

import csv
import shutil
from pathlib import Path

import pytest
from distributed import Client

from openmm_mdgen.cli import main
from openmm_mdgen.many.correct import correct_many
from tests.helpers.clusters import in_process
from tests.helpers.correction_frames import hot_frames, to_universe
from tests.helpers.tiny import DATA

pytest.importorskip("deeptime")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
SHORT = {
    "seeds": 8,
    "time": 6.0,
    "interval": 0.2,
    "lag": 0.2,
    "n_bootstrap": 5,
    "temperature": 300.0,
    "platform": "Reference",
}


@pytest.fixture(scope="module")
def client():
    """One worker in this process."""
    with in_process() as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Path:
    """Frames of two systems; the topology of the second has other atoms."""
    folder = tmp_path_factory.mktemp("generated")
    universe = to_universe(DATA, hot_frames(DATA))
    for name, topology in (("good", "ACE-A-NME.pdb"), ("wrong", "QGRE.pdb")):
        universe.atoms.write(folder / f"{name}.xtc", frames="all")
        shutil.copy(DATA / topology, folder / f"{name}.pdb")
    return folder


def test_one_is_corrected_and_the_other_told(client, generated, tmp_path, capsys):
    patterns = (f"{generated}/{{name}}.xtc", f"{generated}/{{name}}.pdb")
    result = correct_many(*patterns, output=tmp_path, scheduler=client, **SHORT)
    assert [o.name for o in result.made] == ["good"] and [o.name for o in result.failed] == ["wrong"]
    assert "have the same number of atoms" in result.failed[0].error
    assert (tmp_path / "good" / "correction.html").is_file()
    (row,) = csv.DictReader((tmp_path / "systems.csv").open())
    assert row["name"] == "good" and float(row["ns of runs"]) == pytest.approx(8 * 8e-3)
    assert {p.name for p in (tmp_path / ".openmm-mdgen").glob("runs-*")} <= {"runs-wrong"}
    arguments = [
        "--topology",
        f"{generated}/w{{name}}.pdb",
        "--scheduler",
        client.scheduler.address,
        "--quiet",
        "-o",
        str(tmp_path / "cli"),
    ]
    arguments += "--seeds 8 --time 6ps --interval 0.2ps --lag 0.2ps --temperature 300 --platform Reference".split()
    with pytest.raises(SystemExit) as exit_:
        main(["correct", f"{generated}/w{{name}}.xtc", *arguments])
    assert exit_.value.code == 1
    assert "0 made, 1 failed (see failed.csv)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{name}.xtc"], "many systems need --topology"),
        (["{name}.xtc", "-t", "x.pdb"], "no file matches '{name}.xtc'"),
        (["{name}.xtc", "-t", "x.pdb", "--system", "s.xml"], "--system is for one system; name the force field"),
        (["x.xtc", "-t", "x.pdb", "--overwrite"], "--overwrite is for many systems, and one is given"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["correct", *arguments, "-o", "out"])
    assert exit_.value.code == 2 and message in capsys.readouterr().err

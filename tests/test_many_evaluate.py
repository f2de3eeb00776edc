"""Many systems judged side by side, and any function over many systems."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

from openmm_mdgen.cli import main
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.many.each import Job, run_each
from openmm_mdgen.many.evaluate import evaluate_many
from openmm_mdgen.many.patterns import matching_names
from openmm_mdgen.many.workers import Cluster
from tests.helpers.clusters import in_process
from tests.helpers.evaluate_toys import heavy_universe, toy_frames
from tests.helpers.tiny import DATA

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
QUICK = {"lag": 20.0, "energies": False, "view": False}


@pytest.fixture(scope="module")
def client():
    """One worker in this process: matplotlib draws in one thread only."""
    with in_process() as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Reference and generated trajectories of two systems; of a third there is only a reference."""
    folder = tmp_path_factory.mktemp("runs")
    for number, name in enumerate(("a", "b", "c")):
        (folder / "md" / name).mkdir(parents=True)
        (folder / "gen").mkdir(exist_ok=True)
        heavy_universe(DATA / "QGRE.pdb").atoms.write(folder / "md" / name / "top.pdb")
        for side in ("md", "gen")[: 1 if name == "c" else 2]:
            for replica in range(2):
                frames = toy_frames(DATA / "QGRE.pdb", 200, 100 * number + 10 * (side == "gen") + replica)
                path = (
                    folder / "md" / name / f"r{replica}.dcd"
                    if side == "md"
                    else folder / "gen" / f"{name}_0{replica}.dcd"
                )
                universe = heavy_universe(DATA / "QGRE.pdb", frames)
                universe.atoms.write(path, frames="all")
    return folder


def patterns(runs: Path) -> dict[str, str]:
    return {
        "reference": f"{runs}/md/{{name}}/r*.dcd",
        "generated": f"{runs}/gen/{{name}}_*.dcd",
        "topology": f"{runs}/md/{{name}}/top.pdb",
    }


def test_reports_scores_and_what_is_missing(client, runs, tmp_path):
    result = evaluate_many(**patterns(runs), output=tmp_path, scheduler=client, **QUICK)
    assert {o.name for o in result.made} == {"a", "b"} and [o.name for o in result.failed] == ["c"]
    assert "no generated file matches" in result.failed[0].error
    for name in ("a", "b"):
        assert {p.name for p in (tmp_path / name).iterdir()} == {"report.html", "evaluation.json", "evaluation.csv"}
    rows = list(csv.DictReader((tmp_path / "systems.csv").open()))
    assert [row["name"] for row in rows] == ["a", "b"] and all(0 < float(row["JSD backbone"]) < 1 for row in rows)
    scores = json.loads((tmp_path / "a" / "evaluation.json").read_text())["scores"]
    assert float(rows[0]["JSD states"]) == pytest.approx(scores["states"]["value"], abs=1e-3)
    assert scores["n_frames"] == 400
    again = evaluate_many(**patterns(runs), output=tmp_path, scheduler=client, **QUICK)
    assert len(again.whole) == 2 and not again.made
    assert list(csv.DictReader((tmp_path / "systems.csv").open())) == rows
    with pytest.raises(MDGenError, match="results of other settings \\(lag 20"):
        evaluate_many(**patterns(runs), output=tmp_path, scheduler=client, **QUICK | {"lag": 40.0})


def test_the_command_line(client, runs, tmp_path, capsys):
    arguments = [f"--{key}={value}" for key, value in patterns(runs).items()]
    arguments += ["--lag", "20ps", "--no-energies", "--no-3d", "--scheduler", client.scheduler.address]
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", *arguments, "-o", str(tmp_path / "out")])
    assert exit_.value.code == 1
    told = capsys.readouterr()
    assert [line.split()[:2] for line in told.out.splitlines()[:3]] == [["a", "made"], ["b", "made"], ["c", "failed"]]
    assert "JSD backbone 0." in told.out and "2 made, 1 failed (see failed.csv) in" in told.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reference={name}.x", "--generated={name}.y"], "many systems need --topology"),
        (["--reference={name}.x", "--generated=y", "--topology=z", "--paths=p"], "--paths is for one system; leave it"),
        (["--reference={name}.x", "--generated=y", "--topology=z"], "no file matches '{name}.x'"),
        (["--reference=x", "--generated={name}", "--topology=z"], "pattern 'x' has no {name}; write it where"),
        (["--reference=x", "--generated=y", "--overwrite"], "--overwrite is for many systems, and one is given; write"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", *arguments])
    assert exit_.value.code == 2 and message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_names_of_a_pattern(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a-b", "c.d"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}_r1.xtc").touch()
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "other_r1.xtc").touch()
    assert matching_names("{name}/*.xtc") == ["a-b", "c.d", "e"]
    assert matching_names("{name}/{name}_r?.xtc") == ["a-b", "c.d"]
    assert matching_names("*/{name}_r1.xtc") == ["a-b", "c.d", "other"]


def double(folder: Path, number: float) -> dict[str, float]:
    """Writes a file, returns a row; refuses negative numbers."""
    if number < 0:
        raise MDGenError(f"{number} is below 0")
    (folder / f"{number:g}.txt").write_text(str(2 * number))
    return {"double": 2 * number}


def test_any_function_over_many_systems(client, tmp_path):
    def jobs(*numbers: float) -> list[Job]:
        return [Job(f"{n:g}", (n,), str(n)) for n in numbers]

    cluster = Cluster(client)
    result = run_each(double, jobs(1.0, -1.0, 2.0), tmp_path, {"a": 1}, cluster)
    assert [o.row for o in result.made] == [{"double": 2.0}, {"double": 4.0}]
    assert result.failed[0].error == "-1.0 is below 0"
    assert result.files["2"] == (tmp_path / "2.txt",) and np.loadtxt(tmp_path / "2.txt") == 4.0
    again = run_each(double, jobs(1.0, 2.0, 3.0), tmp_path, {"a": 1}, cluster)
    assert [o.name for o in again.made] == ["3"] and [o.row for o in again.whole] == [{"double": 2.0}, {"double": 4.0}]
    with pytest.raises(MDGenError, match="would both write '1'"):
        run_each(double, jobs(1.0, 1.0), tmp_path, {"a": 1}, cluster)

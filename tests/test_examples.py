"""The examples run as they are, on fewer steps."""

import difflib
import runpy
import shutil
import sys
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
from openmm import app
from test_integrator_network import make_weights

from openmm_mdgen.weights.checkpoint import load_task

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WEIGHTS = EXAMPLES.parent / "openmm_mdgen" / "weights" / "peptide.safetensors"

needs_weights = pytest.mark.skipif(not WEIGHTS.exists(), reason="the bundled model's weights are absent")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs an example in a copy of its folder, which it returns."""
    folder = Path(shutil.copytree(EXAMPLES, tmp_path / "examples"))

    def run_script(name: str, *arguments: object) -> Path:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(folder / name), run_name="__main__")
        return folder

    return run_script


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short(script):
    assert len(script.read_text().splitlines()) < 40


def test_only_the_integrator_line_and_its_import_differ():
    plain, swapped = ((EXAMPLES / name).read_text().splitlines() for name in ("plain_md.py", "swap_integrator.py"))
    changes = [line for line in difflib.ndiff(plain, swapped) if line[0] in "+-" and line[2:].strip()]
    removed, added = ([line[2:] for line in changes if line[0] == sign] for sign in "-+")
    assert [line.split(" = ")[0] for line in removed] == ["integrator"]
    assert added[0] == "from openmm_mdgen import GenerativeIntegrator"
    assert [line.split("(")[0] for line in added[1:]] == ["integrator = GenerativeIntegrator"]


def shapes(folder: Path) -> dict[str, object]:
    """What the files of plain_md.py and swap_integrator.py hold, apart from coordinates."""
    topology = str(folder / "peptide.pdb")
    found: dict[str, object] = {}
    for kind in ("dcd", "xtc", "pdb"):
        universe = mda.Universe(topology, str(folder / f"out.{kind}"))
        found[kind] = (universe.trajectory.n_frames, universe.atoms.n_atoms)
        if kind != "pdb":
            found[f"{kind} dt"] = round(float(universe.trajectory.dt), 3)
    found["names"] = [atom.name for atom in app.PDBFile(str(folder / "out.pdb")).topology.atoms()]
    rows = np.genfromtxt(folder / "out.csv", delimiter=",", skip_header=1)
    found["steps"], found["columns"] = rows[:, 0].tolist(), rows.shape[1]
    found["times"] = np.round(rows[:, 1], 6).tolist()
    return found


@needs_weights
def test_plain_md_and_its_swap_write_files_of_one_shape(run):
    plain = shapes(run("plain_md.py", 5000))
    assert plain["dcd"] == plain["xtc"] == plain["pdb"] == (2, 22)
    assert plain["dcd dt"] == 10
    for path in [*Path.cwd().glob("out.*"), *Path.cwd().glob(".out.*")]:
        path.unlink()
    assert shapes(run("swap_integrator.py", 5000)) == plain


@needs_weights
def test_from_solvated(run):
    folder = run("from_solvated.py", 10_000)
    modeller = app.Modeller(*_solvated(folder))
    modeller.deleteWater()
    modeller.delete([residue for residue in modeller.topology.residues() if len(list(residue.atoms())) == 1])
    with open(folder / "peptide_alone.pdb", "w", encoding="utf-8") as file:
        app.PDBFile.writeFile(modeller.topology, modeller.positions, file)
    universe = mda.Universe(str(folder / "peptide_alone.pdb"), str(folder / "solvated.dcd"))
    assert universe.trajectory.n_frames == 2 and universe.trajectory.dt == pytest.approx(10, rel=1e-4)


def _solvated(folder: Path) -> tuple[app.Topology, object]:
    pdb = app.PDBFile(str(folder / "solvated.pdb"))
    assert pdb.topology.getPeriodicBoxVectors() is not None and pdb.topology.getNumResidues() > 100
    return pdb.topology, pdb.positions


def test_any_propagator(run):
    folder = run("any_propagator.py")
    universe = mda.Universe(str(folder / "peptide.pdb"), str(folder / "wiggle.dcd"))
    assert universe.trajectory.n_frames == 100 and universe.trajectory.dt == pytest.approx(1, rel=1e-4)
    first, last = universe.trajectory[0].positions.copy(), universe.trajectory[-1].positions.copy()
    assert np.abs(first - last).max() > 0.1


@pytest.fixture
def tempered(tmp_path):
    """A small network that knows temperatures from 300 to 450 K, untrained."""
    return make_weights(tmp_path / "tempered.safetensors", temperatures=(300.0, 450.0))


def test_annealing(run, tempered, capsys):
    folder = run("annealing.py", tempered, 5000)
    universe = mda.Universe(str(folder / "peptide.pdb"), str(folder / "annealing.dcd"))
    assert universe.trajectory.n_frames == 10 and universe.trajectory.dt == pytest.approx(10, rel=1e-4)
    assert len(capsys.readouterr().out.splitlines()) == 6


@pytest.mark.skipif(not hasattr(app, "ReplicaExchangeSampler"), reason="this OpenMM has no ReplicaExchangeSampler")
def test_replica_exchange(run, tempered, capsys):
    run("replica_exchange.py", tempered, 4)
    assert "changes of temperature in 4 iterations, by replica: [" in capsys.readouterr().out


def test_replica_exchange_says_what_it_is_worth():
    assert "detailed\nbalance holds only" in (EXAMPLES / "replica_exchange.py").read_text()


@needs_weights
def test_replicas(run, capsys):
    run("replicas.py", 200, 2)
    assert "over 2 replicas" in capsys.readouterr().out


@needs_weights
def test_transition_paths(run, capsys):
    run("transition_paths.py", 100, 2)
    assert "every path ends exactly where it should: True" in capsys.readouterr().out


@needs_weights
def test_unconditional(run, capsys):
    run("unconditional.py", 100)
    assert capsys.readouterr().out.count("end to end") == 2


@needs_weights
def test_inpainting(run, capsys):
    needs_inpainting()
    run("inpainting.py", 100, 2)
    assert capsys.readouterr().out.count("inpainted [") == 2


@needs_weights
def test_design(run, capsys):
    needs_inpainting()
    folder = run("design.py", 100)
    assert capsys.readouterr().out.count("probability") == 3
    assert len(list(folder.glob("S??K.xtc"))) == 3


def needs_inpainting() -> None:
    """Skip where the bundled model cannot."""
    if not load_task("peptide").network.config.inpaints:
        pytest.skip("the bundled model has not learned to inpaint")

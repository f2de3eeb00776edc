"""Weights for another task as model: every function and every command says so in the user's words."""

import shlex

import MDAnalysis as mda
import pytest
from openmm.app import PDBFile

import openmm_mdgen
from openmm_mdgen.cli import main
from openmm_mdgen.errors import MDGenError
from tests.helpers.tiny import DATA

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
UPSAMPLE, SIMULATE = DATA / "tiny-upsample.safetensors", DATA / "tiny.safetensors"
PDB = DATA / "ACE-A-NME.pdb"


@pytest.fixture
def trajectory(tmp_path):
    """Four frames, 10 ps apart, in a file."""
    universe = mda.Universe(str(DATA / "QGRE.pdb"))
    path = tmp_path / "pep.dcd"
    with mda.Writer(str(path), universe.atoms.n_atoms, dt=10.0) as writer:
        for _ in range(4):
            writer.write(universe.atoms)
    return path


FUNCTIONS = {
    "simulate": lambda u: openmm_mdgen.simulate(PDB, time=100, model=UPSAMPLE),
    "interpolate": lambda u: openmm_mdgen.interpolate(PDB, PDB, time=100, model=UPSAMPLE),
    "make trajectories from a sequence alone": lambda u: openmm_mdgen.unconditional("A", time=100, model=UPSAMPLE),
    "inpaint": lambda u: openmm_mdgen.inpaint(u, [2], model=UPSAMPLE),
    "design": lambda u: openmm_mdgen.design(u, [2], model=UPSAMPLE),
}


@pytest.mark.parametrize("words", FUNCTIONS)
def test_functions(words, trajectory):
    universe = mda.Universe(str(DATA / "QGRE.pdb"), str(trajectory))
    with pytest.raises(MDGenError, match=f"model 'tiny-upsample' cannot {words} but can fill the gaps"):
        FUNCTIONS[words](universe)


def test_upsample(trajectory):
    universe = mda.Universe(str(DATA / "QGRE.pdb"), str(trajectory))
    with pytest.raises(MDGenError, match="model 'tiny' cannot fill the gaps between frames but can simulate"):
        openmm_mdgen.upsample(universe, interval=1.0, model=SIMULATE)


def test_a_recipe_by_name_or_object():
    for model in (UPSAMPLE, openmm_mdgen.load_task(UPSAMPLE)):
        recipe = openmm_mdgen.Recipe(model, PDB, n_frames=10, interval=10.0)
        with pytest.raises(MDGenError, match="model 'tiny-upsample' cannot simulate"):
            mda.Universe(str(PDB), recipe)


@pytest.mark.parametrize("model", [UPSAMPLE, "peptide-upsample"])
def test_integrator(model):
    with pytest.raises(MDGenError, match=r"upsample' cannot simulate but can fill the gaps"):
        openmm_mdgen.GenerativeIntegrator(PDBFile(str(PDB)).topology, 350, model=model)


COMMANDS = {
    f"simulate {PDB} --time 100ps -o out.xtc": "cannot simulate",
    f"interpolate {PDB} {PDB} --time 100ps -o out.xtc": "cannot interpolate",
    "unconditional A --time 100ps -o out.xtc": "cannot make trajectories from a sequence alone",
    f"inpaint pep.dcd -t {DATA / 'QGRE.pdb'} --residues 2 -o out.xtc": "cannot inpaint",
    f"design pep.dcd -t {DATA / 'QGRE.pdb'} --residues 2 -o out.xtc": "cannot design",
}


def line_of(capsys, command):
    """The one line that a failing command prints."""
    with pytest.raises(SystemExit) as exit_:
        main(shlex.split(command))
    assert exit_.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    return line


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command, trajectory, capsys, monkeypatch):
    monkeypatch.chdir(trajectory.parent)
    line = line_of(capsys, f"{command} --model {UPSAMPLE}")
    assert line.startswith(f"error: model 'tiny-upsample' {COMMANDS[command]} but can fill the gaps")
    assert not list(trajectory.parent.glob("out*"))


def test_upsample_command(trajectory, capsys, monkeypatch):
    monkeypatch.chdir(trajectory.parent)
    line = line_of(capsys, f"upsample pep.dcd -t {DATA / 'QGRE.pdb'} --interval 1ps -o out.dcd --model {SIMULATE}")
    assert line.startswith("error: model 'tiny' cannot fill the gaps between frames but can simulate")


@pytest.mark.parametrize("command", [*COMMANDS, f"upsample pep.dcd -t {DATA / 'QGRE.pdb'} --interval 1ps -o out.dcd"])
@pytest.mark.parametrize(("device", "message"), [("gpu", "is unknown; choose cpu"), ("meta", "is not present on this")])
def test_devices_that_are_not_there(command, device, message, trajectory, capsys, monkeypatch):
    monkeypatch.chdir(trajectory.parent)
    weights = UPSAMPLE if command.startswith("upsample") else SIMULATE
    assert f"error: device '{device}' {message}" in line_of(capsys, f"{command} --model {weights} --device {device}")

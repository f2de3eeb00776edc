"""Functions take what their commands offer: selections, steps, relaxation, temperature; warnings on one line."""

import shlex
from dataclasses import replace

import MDAnalysis as mda
import numpy as np
import pytest

from openmm_mdgen import design, inpaint, interpolate, read_recipe, simulate, unconditional, write_recipe
from openmm_mdgen.cli import group, main
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.trajectory.recipe import Recipe
from tests.helpers.tiny import DATA, simulate_task
from tests.helpers.toys import BindableTask, TorchWalk

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
TINY, INPAINT, PDB = DATA / "tiny.safetensors", DATA / "tiny-inpaint.safetensors", DATA / "ACE-A-NME.pdb"


@pytest.fixture
def moving():
    universe = mda.Universe(str(DATA / "QGRE.pdb"))
    still = np.repeat(universe.atoms.positions[None], 4, axis=0)
    universe.load_new(still, order="fac", dt=10.0)
    return universe


def frames(universe):
    return universe.trajectory.timeseries(order="fac")


def test_steps_reach_the_network():
    usual, few = simulate(PDB, time=20, model=TINY), simulate(PDB, time=20, model=TINY, steps=2)
    same = simulate(PDB, time=20, model=replace(simulate_task(), solver=replace(simulate_task().solver, n_steps=2)))
    np.testing.assert_array_equal(frames(few), frames(same))
    assert not np.allclose(frames(few), frames(usual))


@pytest.mark.parametrize(
    "function",
    [
        lambda universe, **options: interpolate(PDB, PDB, time=50, n_paths=1, model=INPAINT, **options)[0],
        lambda universe, **options: unconditional("ACE-A-NME", time=50, model=INPAINT, **options),
        lambda universe, **options: inpaint(universe, [2], model=INPAINT, **options)[0],
        lambda universe, **options: design(universe, [2], n_sequences=1, model=INPAINT, **options).universes[0],
    ],
    ids=["interpolate", "unconditional", "inpaint", "design"],
)
def test_functions_whose_frames_are_in_memory(function, moving):
    assert np.isfinite(frames(function(moving, steps=1, temperature=350.0))).all()
    with pytest.raises(MDGenError, match=r"a temperature of 300 K is not one of model 'tiny.*', which learned 350 K"):
        function(moving, temperature=300.0)


def test_a_model_without_steps():
    with pytest.raises(MDGenError, match="model 'TorchWalk' has no solver steps to choose"):
        simulate(PDB, time=20, model=TorchWalk(22), steps=2)


@pytest.mark.parametrize(
    "source",
    [PDB, mda.Universe(str(PDB)), mda.Universe(str(PDB)).atoms, load_structure(PDB)],
    ids=["path", "universe", "atoms", "structure"],
)
def test_selections_of_a_start(source):
    few = simulate(source, time=20, model=TorchWalk(6), select="resname ACE")
    assert list(few.atoms.resnames) == ["ACE"] * 6 and few.trajectory.n_frames == 2
    with pytest.raises(MDGenError, match="select"):
        simulate(source, time=20, model=TorchWalk(6), select="resname NONE")


def test_selections_of_a_trajectory(moving):
    (found,) = inpaint(moving, [2], model=INPAINT, select="protein")
    assert found.atoms.n_atoms == moving.atoms.n_atoms
    for function in (inpaint, design):
        with pytest.raises(MDGenError, match="select"):
            function(moving, [2], model=INPAINT, select="resname NONE")


def test_relaxed_frames_are_relaxed_when_they_are_read():
    rough = frames(simulate(PDB, time=20, model=TINY))
    relaxed = frames(simulate(PDB, time=20, model=TINY, relax=True))
    assert 0 < np.abs(rough - relaxed).max() < 5 and np.isfinite(relaxed).all()


class OfSeveral(BindableTask):
    """Learned 300 to 400 K; notes which it is bound at."""

    temperature = None
    temperatures = (300.0, 400.0)
    told: float | None = None

    def bind(self, structure, interval, *, reference=None, temperature=None):
        self.told = temperature
        return super().bind(structure, interval, reference=reference)


def test_a_temperature_reaches_a_model_that_learned_several():
    model = OfSeveral()
    universe = simulate(PDB, time=20, model=model, temperature=310.0)
    assert model.told == 310.0 and universe.trajectory.recipe.temperature == 310.0


def test_another_temperature_than_the_only_one_is_told():
    with pytest.warns(
        MDGenWarning, match="temperature 310 K is not the model's: the frames are of its ensemble at 350"
    ):
        simulate(PDB, time=20, model=BindableTask(), temperature=310.0)


def test_a_recipe_keeps_its_temperature(tmp_path):
    for kelvin in (None, 310.0):
        write_recipe(Recipe("toy", PDB, n_frames=2, interval=10.0, temperature=kelvin), tmp_path / "a.mdgen")
        assert read_recipe(tmp_path / "a.mdgen").temperature == kelvin
        assert ("temperature_K" in (tmp_path / "a.mdgen").read_text()) is (kelvin is not None)


def test_warnings_of_a_command_are_one_line_each(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="0"):
        main(shlex.split(f"simulate {PDB} --time 25ps --model {TINY} --temperature 300 --quiet -o out.xtc"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith("warning: ") for line in lines)
    assert "temperature 300 K is not the model's" in lines[1]


def test_commands_share_their_options():
    told = {}
    for name in ("simulate", "interpolate", "inpaint", "design", "unconditional", "upsample"):
        for option in group.get_command(None, name).params:
            if (name, option.name) == ("upsample", "temperature"):
                continue  # of the frames that are given, not of those that are made
            if option.name in ("seed", "device", "steps", "temperature"):
                told.setdefault(option.name, set()).add(option.help)
    assert {name: len(helps) for name, helps in told.items()} == dict.fromkeys(told, 1) and len(told) == 4

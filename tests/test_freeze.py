import shutil
from types import SimpleNamespace

import MDAnalysis as mda
import numpy as np
import pytest
from click.testing import CliRunner
from MDAnalysis.coordinates import DCD

from openmm_mdgen.cli import freeze as freeze_module
from openmm_mdgen.cli import main
from openmm_mdgen.cli.freeze import command, freeze
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.trajectory.recipe import Recipe
from openmm_mdgen.trajectory.recipe_file import write_recipe
from tests.helpers import toys
from tests.helpers.toys import BindableTask, TorchWalk


@pytest.fixture
def recipe(data, tmp_path, registry):
    registry["toy"] = BindableTask()
    shutil.copy(data / "ACE-A-NME.pdb", tmp_path / "pep.pdb")
    write_recipe(Recipe("toy", tmp_path / "pep.pdb", n_frames=17, interval=2.0, seed=1), tmp_path / "pep.mdgen")
    return tmp_path / "pep.mdgen"


@pytest.mark.parametrize("extension", ["xtc", "dcd", "trr", "nc", "pdb"])
def test_frozen_file_has_the_frames_and_times(recipe, extension):
    output = recipe.with_suffix(f".{extension}").with_stem("out")
    result = CliRunner().invoke(command, [str(recipe), "-o", str(output)], catch_exceptions=False)
    assert result.exit_code == 0 and "17 frames written to" in result.output
    virtual, frozen = mda.Universe(str(recipe)), mda.Universe(str(recipe.parent / "pep.pdb"), str(output))
    np.testing.assert_allclose(
        frozen.trajectory.timeseries(order="fac"), virtual.trajectory.timeseries(order="fac"), atol=6e-3
    )
    if extension != "pdb":  # which holds no times
        np.testing.assert_allclose([ts.time for ts in frozen.trajectory], np.arange(1, 18) * 2.0, rtol=1e-6)
        assert frozen.trajectory.dt == pytest.approx(2.0)


def test_nothing_but_the_output_is_left(recipe):
    before = set(recipe.parent.iterdir())
    freeze(recipe, recipe.parent / "out.xtc")
    assert {path.name for path in set(recipe.parent.iterdir()) - before} <= {"out.xtc"}


def test_failing_model_leaves_the_old_output(recipe, monkeypatch):
    output = recipe.parent / "out.dcd"
    output.write_bytes(b"old")
    monkeypatch.setattr(toys.TorchWalk, "next_block", lambda self, start, seed: np.full((7, *start.shape), np.nan))
    before = set(recipe.parent.iterdir())
    with pytest.raises(MDGenError, match="NaN or infinite"):
        freeze(recipe, output)
    assert output.read_bytes() == b"old" and set(recipe.parent.iterdir()) == before


@pytest.mark.parametrize("extension", ["dcd", "xtc"])
def test_full_disk_leaves_no_output(recipe, monkeypatch, extension):
    monkeypatch.setattr(freeze_module.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    before = set(recipe.parent.iterdir())
    with pytest.raises(MDGenError, match=r"cannot write .*out\..*' \(No space left on device\)"):
        freeze(recipe, recipe.parent / f"out.{extension}")
    assert set(recipe.parent.iterdir()) == before


def test_writer_that_fails_leaves_no_output(recipe, monkeypatch):
    def fail(self, universe):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(DCD.DCDWriter, "write", fail)
    before = set(recipe.parent.iterdir())
    with pytest.raises(MDGenError, match=r"cannot write .*out\.dcd' \(Input/output error\)"):
        freeze(recipe, recipe.parent / "out.dcd")
    assert set(recipe.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("out.foo", "has no extension of a trajectory format"),
        ("absent/out.xtc", "does not exist"),
        (".", "is a folder"),
    ],
)
def test_unusable_outputs_fail_before_frames_are_made(recipe, monkeypatch, output, message):
    monkeypatch.setattr(TorchWalk, "next_block", None)
    with pytest.raises(MDGenError, match=message):
        freeze(recipe, recipe.parent / output)


def test_command_line_tells_bad_input_on_one_line(recipe, capsys):
    (recipe.parent / "pep.pdb").unlink()
    with pytest.raises(SystemExit) as error:
        main(["freeze", str(recipe), "-o", str(recipe.parent / "out.xtc")])
    assert error.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: structure file") and not (recipe.parent / "out.xtc").exists()


def test_cache_is_filled(recipe):
    freeze(recipe, recipe.parent / "out.xtc", cache=recipe.parent / "cache")
    assert len(list((recipe.parent / "cache").rglob("*.npz"))) == 2  # of three blocks; the first is made each time

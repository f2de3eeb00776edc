"""A recipe's model: found by its hash where the bundled one of that name is another now."""

import json
import shutil
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.weights.checkpoint import bundled_with_hash
from openmm_mdgen.weights.header import bundled_path

DATA = Path(__file__).parent / "data"


@pytest.fixture
def old(tmp_path) -> Path:
    """A recipe that version 0.1 wrote, and the frames that it made (tests/data/peptide-0.1.npy)."""
    shutil.copy(DATA / "QGRE.pdb", tmp_path)
    shutil.copy(DATA / "peptide-0.1.mdgen", tmp_path / "old.mdgen")
    return tmp_path / "old.mdgen"


def test_a_recipe_of_version_0_1_makes_its_frames(old):
    universe = mda.Universe(str(old.parent / "QGRE.pdb"), str(old))
    found, expected = universe.trajectory.timeseries(order="fac")[1:4], np.load(DATA / "peptide-0.1.npy")
    heavy = universe.select_atoms("not name H*").indices
    apart = np.linalg.norm(found - expected, axis=-1)[:, heavy]
    other = np.linalg.norm(found[::-1] - expected, axis=-1)[[0, 2]][:, heavy]
    assert np.median(apart) < 0.25 < 0.5 < np.median(other)  # bfloat16 and float32 differ by rounding


def test_content_that_no_bundled_weights_have_is_an_error(old):
    recipe = json.loads(old.read_text())
    recipe["model"]["hash"] = "0" * 64
    old.write_text(json.dumps(recipe))
    universe_error = r"has content \w+, the recipe was written with 000000000000; install the version"
    with pytest.raises(MDGenError, match=universe_error):
        mda.Universe(str(old.parent / "QGRE.pdb"), str(old)).trajectory[1]


def test_bundled_by_hash():
    found = bundled_with_hash(json.loads((DATA / "peptide-0.1.mdgen").read_text())["model"]["hash"])
    assert found == bundled_path("peptide-0.1") and bundled_with_hash("f" * 64) is None

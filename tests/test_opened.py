"""A recipe's files are read once for all of its replicas, and API and command line make the same frames."""

import hashlib

import MDAnalysis as mda
import numpy as np
import pytest

from openmm_mdgen.api.simulate import simulate
from openmm_mdgen.cli import main
from openmm_mdgen.convert import structures
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.trajectory import recipe as recipes
from openmm_mdgen.trajectory.opened import open_recipe
from openmm_mdgen.trajectory.reader import recipe_to_universe
from openmm_mdgen.trajectory.recipe import Recipe
from openmm_mdgen.trajectory.recipe_file import write_recipe
from tests.helpers.tiny import DATA
from tests.helpers.toys import TorchWalk

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
TINY = DATA / "tiny.safetensors"


@pytest.fixture
def pdb(data):
    return data / "ACE-A-NME.pdb"


@pytest.fixture
def counts(monkeypatch):
    """How often a structure file was parsed and hashed."""
    found = {"parses": 0, "hashes": 0}

    def counted(name, function):
        def count(*arguments, **named):
            found[name] += 1
            return function(*arguments, **named)

        return count

    monkeypatch.setattr(structures, "Universe", counted("parses", structures.Universe))
    monkeypatch.setattr(recipes.hashlib, "sha256", counted("hashes", hashlib.sha256))
    return found


@pytest.mark.parametrize("replicas", [None, 1, 4])
def test_one_parse_and_one_hash(pdb, counts, replicas):
    simulate(pdb, time=70, model=TorchWalk(22), replicas=replicas)
    assert counts == {"parses": 1, "hashes": 1}


def test_one_parse_and_one_hash_of_a_recipe_alone(pdb, counts, tmp_path):
    write_recipe(Recipe("toy", pdb, n_frames=7, interval=10.0), tmp_path / "a.mdgen")
    counts.update(parses=0, hashes=0)
    recipe_to_universe(tmp_path / "a.mdgen", model=TorchWalk(22))
    assert counts == {"parses": 1, "hashes": 1}


def test_replicas_share_nothing_that_can_be_changed(pdb):
    first, second = simulate(pdb, time=70, model=TorchWalk(22), replicas=2)
    first.add_TopologyAttr("charges", np.ones(22))
    first.atoms[0].name = "X"
    assert not hasattr(second.atoms, "charges") and second.atoms[0].name != "X"


def test_simulate_makes_no_frame_and_then_all_first_blocks_at_once(pdb):
    class Batched(TorchWalk):
        sizes: tuple[int, ...] = ()

        def next_blocks(self, starts, seeds):
            self.sizes += (len(seeds),)
            return np.stack([self.next_block(x, s) for x, s in zip(starts, seeds, strict=True)])

    walk = Batched(22)
    runs = simulate(pdb, time=70, model=walk, replicas=4)
    assert walk.sizes == ()
    for run in runs:
        run.trajectory.timeseries()
    assert walk.sizes == (4,)


def test_a_changed_file_is_found_when_it_is_opened(pdb, tmp_path):
    copy = tmp_path / "pep.pdb"
    copy.write_bytes(pdb.read_bytes())
    recipe = Recipe("toy", copy, n_frames=7, interval=10.0).with_hashes()
    assert open_recipe(recipe).recipe.origin == recipe.origin
    copy.write_bytes(pdb.read_bytes() + b"END\n")
    with pytest.raises(MDGenError, match=r"structure file .* has changed since the recipe was written"):
        open_recipe(recipe)


def test_api_and_command_line_make_the_same_frames(pdb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = f"--model {TINY} --time 700ps --replicas 2 --seed 5 --equilibrate 20ps --device cpu --quiet"
    with pytest.raises(SystemExit, match="0"):
        main(["simulate", str(pdb), *options.split(), "-o", "out.nc"])
    runs = simulate(pdb, time=700, replicas=2, seed=5, equilibrate=20, model=TINY, device="cpu")
    for number, run in enumerate(runs):
        written = mda.Universe(str(pdb), f"out_{number:02d}.nc")
        assert [ts.time for ts in written.trajectory] == pytest.approx([ts.time for ts in run.trajectory])
        for there, here in zip(written.trajectory, run.trajectory, strict=True):
            np.testing.assert_array_equal(there.positions, here.positions)

import multiprocessing
import os
import pickle
from types import SimpleNamespace

import MDAnalysis as mda
import numpy as np
import pytest
import torch
from MDAnalysis.analysis.rms import RMSD
from MDAnalysis.coordinates.DCD import DCDWriter
from MDAnalysis.transformations import fit_rot_trans
from MDAnalysisTests.coordinates.base import BaseReference, MultiframeReaderTest

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.trajectory import blocks
from openmm_mdgen.trajectory.reader import MDGenReader
from openmm_mdgen.trajectory.recipe import Origin, Recipe
from openmm_mdgen.trajectory.recipe_file import read_recipe, write_recipe
from openmm_mdgen.trajectory.writing import frame_writer
from tests.helpers.toys import BindableTask, Doubling, Drift, TorchWalk, small_structure

N_FRAMES = 40


@pytest.fixture
def task(registry):
    """The model of the name "toy" in this test."""
    toy = BindableTask()
    registry["toy"], registry["doubling"] = toy, Doubling()
    return toy


@pytest.fixture
def pdb(data):
    return data / "ACE-A-NME.pdb"


@pytest.fixture
def recipe(pdb):
    n_atoms = mda.Universe(str(pdb)).atoms.n_atoms
    return Recipe(model=TorchWalk(n_atoms), structure=pdb, n_frames=N_FRAMES, interval=10.0, seed=3)


@pytest.fixture
def universe(pdb, recipe):
    return mda.Universe(str(pdb), recipe)


@pytest.fixture
def frames(universe):
    """(40, N, 3): all frames, read in order by a reader of their own."""
    return np.array([ts.positions.copy() for ts in universe.copy().trajectory])


class ToyReference(BaseReference):
    """MDAnalysis' five frames, each twice the one before, made in blocks of two."""

    def __init__(self, path):
        super().__init__()
        structure = small_structure()
        start = np.arange(15).reshape(5, 3) / 2
        write_recipe(Recipe("doubling", structure, n_frames=5, interval=1.0, start=start), path)
        self.trajectory = str(path)
        self.reader = lambda name: MDGenReader(name, time_offset=-1.0)
        self.writer, self.ext = DCDWriter, "dcd"
        self.dimensions, self.volume = None, 0


@pytest.mark.usefixtures("task")
@pytest.mark.filterwarnings("ignore:Reload offsets", "ignore::DeprecationWarning")
class TestMDAnalysisSuite(MultiframeReaderTest):
    @pytest.fixture
    def ref(self, tmp_path):
        return ToyReference(tmp_path / "toy.mdgen")


def test_frame_zero_is_the_first_generated_frame_at_one_interval(universe, recipe):
    start = recipe.load_start(recipe.load_structure())
    block = TorchWalk(universe.atoms.n_atoms).next_block(start, block_seed(recipe.seed, 0))
    ts = universe.trajectory[0]
    assert ts.time == 10.0
    np.testing.assert_array_equal(ts.positions, block[0].astype(np.float32))
    assert ts.positions.dtype == np.float32


def test_times_and_units(universe):
    trajectory = universe.trajectory
    assert (trajectory.dt, trajectory.n_frames, trajectory.totaltime) == (10.0, N_FRAMES, 390.0)
    assert [ts.time for ts in trajectory[::13]] == [10.0, 140.0, 270.0, 400.0]
    assert trajectory.units == {"time": "ps", "length": "Angstrom"}
    assert trajectory.ts.dimensions is None


def test_dt_of_the_user(pdb, recipe):
    trajectory = mda.Universe(str(pdb), recipe, dt=2.0).trajectory
    assert trajectory.dt == 2.0 and trajectory[3].time == 8.0


def test_in_memory(pdb, recipe, frames):
    np.testing.assert_array_equal(mda.Universe(str(pdb), recipe, in_memory=True).trajectory[7].positions, frames[7])


def test_repr(universe):
    assert repr(universe.trajectory) == "<MDGenReader recipe with 40 frames of 22 atoms>"


def test_blocks_are_chained_from_unrounded_last_frames(universe, recipe):
    walk = TorchWalk(universe.atoms.n_atoms)
    anchor, expected = recipe.load_start(recipe.load_structure()), []
    for block in range(3):
        made = walk.next_block(anchor, block_seed(recipe.seed, block))
        anchor = made[-1]
        expected.append(made.astype(np.float32))
    found = np.array([ts.positions.copy() for ts in universe.trajectory[:21]])
    np.testing.assert_array_equal(found, np.concatenate(expected))


def test_random_access_equals_sequential_bitwise(universe, frames):
    for index in np.random.default_rng(0).integers(-N_FRAMES, N_FRAMES, 300):
        np.testing.assert_array_equal(universe.trajectory[int(index)].positions, frames[index])


def test_random_access_equals_sequential_when_blocks_are_dropped(recipe, pdb, frames):
    universe = mda.Universe(str(pdb), recipe)
    universe.trajectory._blocks._n_kept = 1
    for index in np.random.default_rng(1).integers(0, N_FRAMES, 100):
        np.testing.assert_array_equal(universe.trajectory[int(index)].positions, frames[index])
    assert len(universe.trajectory._blocks._kept) == 1


def test_opening_makes_no_frame(recipe, pdb, frames):
    calls = recipe.model.calls
    universe = mda.Universe(str(pdb), recipe)
    trajectory = universe.trajectory
    assert (trajectory.n_frames, trajectory.dt, trajectory.frame, trajectory.time) == (N_FRAMES, 10.0, 0, 10.0)
    assert universe.select_atoms("name CA").n_atoms == 1 and trajectory.totaltime == 10.0 * (N_FRAMES - 1)
    assert recipe.model.calls == calls
    np.testing.assert_array_equal(universe.atoms.positions, frames[0])
    assert recipe.model.calls == calls + 1


def test_copies_and_pickles_of_a_universe_that_was_not_looked_at(recipe, pdb, frames):
    for other in (mda.Universe(str(pdb), recipe).copy(), pickle.loads(pickle.dumps(mda.Universe(str(pdb), recipe)))):
        np.testing.assert_array_equal(other.atoms.positions, frames[0])
        assert other.trajectory.time == 10.0


def test_first_frame_of_an_iteration_makes_nothing_before_it(recipe, pdb):
    calls = recipe.model.calls
    universe = mda.Universe(str(pdb), recipe)
    assert [ts.time for ts in universe.trajectory][:2] == [10.0, 20.0]
    assert recipe.model.calls == calls + 6


def test_seeking_far_makes_each_block_once(universe, recipe):
    calls = recipe.model.calls
    universe.trajectory[-1]
    assert recipe.model.calls - calls == 6  # 40 frames in blocks of 7
    universe.trajectory[20], universe.trajectory[3]
    assert recipe.model.calls - calls == 6


@pytest.mark.parametrize("index", [slice(3, 30, 4), slice(None, None, -5), [7, 0, 39, 7], np.arange(40) % 9 == 0])
def test_slicing_and_fancy_indexing(universe, frames, index):
    found = np.array([ts.positions.copy() for ts in universe.trajectory[index]])
    np.testing.assert_array_equal(found, frames[index])


def test_positions_changed_by_the_user_come_back_on_reading_again(universe, frames):
    universe.trajectory[8]
    universe.atoms.positions += 5
    universe.trajectory[9], universe.trajectory[8]
    np.testing.assert_array_equal(universe.atoms.positions, frames[8])


def test_copy_is_independent_and_makes_no_block_again(universe, recipe, frames):
    universe.trajectory[30]
    calls = recipe.model.calls
    other = universe.copy()
    assert other.trajectory.frame == 30
    other.trajectory[2]
    assert universe.trajectory.frame == 30 and recipe.model.calls == calls
    np.testing.assert_array_equal(other.atoms.positions, frames[2])


def test_pickle_goes_on_where_it_was_and_is_small(universe, frames):
    universe.trajectory[25]
    universe.atoms.positions += 1
    text = pickle.dumps(universe.trajectory)
    model = len(pickle.dumps(universe.trajectory._recipe.model))
    assert len(text) - model < 20_000
    found = pickle.loads(text)
    np.testing.assert_array_equal(found.ts.positions, universe.atoms.positions)
    np.testing.assert_array_equal(found.next().positions, frames[26])
    assert found.time == 270.0


def test_transfer_to_memory(universe, frames):
    universe.transfer_to_memory()
    np.testing.assert_array_equal(universe.trajectory.timeseries(order="fac"), frames)
    assert universe.trajectory.dt == 10.0


def test_transformations_compose(universe, frames):
    reference = universe.copy()
    reference.trajectory[0]
    universe.trajectory.add_transformations(fit_rot_trans(universe.atoms, reference))
    universe.trajectory[20]
    aligned = universe.atoms.positions - universe.atoms.positions.mean(axis=0)
    assert not np.allclose(aligned, frames[20] - frames[20].mean(axis=0), atol=1e-3)
    assert np.linalg.norm(aligned - (frames[0] - frames[0].mean(axis=0))) < np.linalg.norm(
        frames[20] - frames[20].mean(axis=0) - (frames[0] - frames[0].mean(axis=0))
    )


@pytest.mark.parametrize(("extension", "tolerance"), [("dcd", 1e-5), ("xtc", 6e-3), ("trr", 1e-4), ("ncdf", 1e-4)])
def test_writers_keep_positions_and_times(universe, frames, tmp_path, pdb, extension, tolerance):
    path = tmp_path / f"out.{extension}"
    with universe.trajectory.Writer(str(path)) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    written = mda.Universe(str(pdb), str(path)).trajectory
    assert len(written) == N_FRAMES
    np.testing.assert_allclose([ts.time for ts in written], np.arange(1, N_FRAMES + 1) * 10.0, rtol=1e-6)
    np.testing.assert_allclose(written.timeseries(order="fac"), frames, atol=tolerance)


def test_pdb_and_xyz_writers(universe, frames, tmp_path, pdb):
    for name in ("out.pdb", "out.xyz"):
        with universe.trajectory.Writer(str(tmp_path / name)) as writer:
            for _ in universe.trajectory[:3]:
                writer.write(universe.atoms)
        written = mda.Universe(str(pdb), str(tmp_path / name)).trajectory
        np.testing.assert_allclose(written.timeseries(order="fac"), frames[:3], atol=1e-3)


def test_mda_writer_of_a_selection(universe, frames, tmp_path):
    heavy = universe.select_atoms("not name H*")
    with mda.Writer(str(tmp_path / "heavy.dcd"), heavy.n_atoms, dt=universe.trajectory.dt) as writer:
        for _ in universe.trajectory:
            writer.write(heavy)
    written = mda.Universe.empty(heavy.n_atoms, trajectory=True).load_new(str(tmp_path / "heavy.dcd"))
    assert written.trajectory.dt == pytest.approx(10.0)
    np.testing.assert_array_equal(written.trajectory.timeseries(order="fac"), frames[:, heavy.indices])


def test_unknown_writer_format(universe):
    with pytest.raises(MDGenError, match=r"'out\.foo' has no extension of a trajectory format"):
        universe.trajectory.Writer("out.foo")
    with pytest.raises(MDGenError, match=r"'out\.gro'"):
        frame_writer("out.gro", 5, dt=1.0)


def test_chain_with_dcd(universe, frames, tmp_path, pdb, task):
    with universe.trajectory.Writer(str(tmp_path / "a.dcd")) as writer:
        for _ in universe.trajectory[:10]:
            writer.write(universe.atoms)
    write_recipe(Recipe("toy", pdb, n_frames=N_FRAMES, interval=10.0, seed=3), tmp_path / "b.mdgen")
    chained = mda.Universe(str(pdb), [str(tmp_path / "a.dcd"), str(tmp_path / "b.mdgen")])
    assert len(chained.trajectory) == 50
    np.testing.assert_array_equal(chained.trajectory.timeseries(order="fac"), np.concatenate([frames[:10], frames]))
    np.testing.assert_array_equal(chained.trajectory[12].positions, frames[2])
    assert chained.trajectory[10].frame == 10


def test_auxiliary_data_follow_the_times(universe, tmp_path):
    times = np.arange(0, 500, 10.0)
    np.savetxt(tmp_path / "square.xvg", np.column_stack([times, times**2]))
    universe.trajectory.add_auxiliary("square", str(tmp_path / "square.xvg"))
    assert [ts.aux.square[-1] for ts in universe.trajectory[:3]] == [100.0, 400.0, 900.0]


def _last_positions(universe):
    return universe.trajectory[-1].positions.copy()


def test_spawned_process_makes_the_same_frames(universe, frames):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(_last_positions, (universe,)), frames[-1])


@pytest.fixture
def threads():
    """Several torch threads in the parent, as users have them."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_process_after_frames_were_made_in_the_parent(threads, universe, frames):
    universe.trajectory[20]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(_last_positions, [universe, universe]).get(timeout=600)
    np.testing.assert_array_equal(found, [frames[-1], frames[-1]])


def test_parallel_analysis_equals_serial(threads, universe):
    universe.trajectory[20]  # frames were made in the parent
    serial = RMSD(universe, select="all").run().results.rmsd
    parallel = RMSD(universe, select="all").run(backend="multiprocessing", n_workers=2).results.rmsd
    np.testing.assert_array_equal(parallel, serial)
    assert np.ptp(serial[:, 2]) > 0


def test_universe_of_a_recipe_file_alone(task, pdb, tmp_path):
    write_recipe(Recipe("toy", pdb, n_frames=3, interval=2.0), tmp_path / "a.mdgen")
    alone, usual = mda.Universe(str(tmp_path / "a.mdgen")), mda.Universe(str(pdb))
    assert list(alone.atoms.names) == list(usual.atoms.names)
    assert list(alone.residues.resnames) == list(usual.residues.resnames)
    assert len(alone.trajectory) == 3


def test_universe_of_an_inline_structure(task, tmp_path):
    write_recipe(Recipe("toy", small_structure(), n_frames=3, interval=2.0), tmp_path / "a.mdgen")
    alone = mda.Universe(str(tmp_path / "a.mdgen"))
    assert list(alone.atoms.names) == ["C0", "C1", "C2", "C3", "C4"]
    assert alone.residues.resids.tolist() == [1, 2]
    assert alone.bonds.indices.tolist() == [[0, 1], [1, 2]]


def test_task_is_bound_to_structure_and_interval(task, pdb, tmp_path):
    write_recipe(Recipe("toy", pdb, n_frames=3, interval=2.5), tmp_path / "a.mdgen")
    mda.Universe(str(pdb), str(tmp_path / "a.mdgen"))
    [(structure, interval)] = task.bound
    assert interval == 2.5 and len(structure.names) == 22


def test_skip_leaves_out_the_first_frames_and_keeps_times(recipe, pdb, frames):
    later = mda.Universe(str(pdb), Recipe(recipe.model, pdb, n_frames=5, interval=10.0, seed=3, skip=9))
    np.testing.assert_array_equal(later.trajectory.timeseries(order="fac"), frames[9:14])
    assert later.trajectory[0].time == 10.0


def test_seed_and_replica_make_other_trajectories(recipe, pdb, frames):
    for changed in ({"seed": 4}, {"seed": 3, "replica": 1}):
        other = mda.Universe(str(pdb), Recipe(recipe.model, pdb, n_frames=5, interval=10.0, **changed))
        assert not np.allclose(other.trajectory[0].positions, frames[0])


def test_written_recipe_gives_the_same_frames_without_a_warning(task, pdb, tmp_path, recwarn):
    first = mda.Universe(str(pdb), Recipe("toy", pdb, n_frames=9, interval=10.0, seed=3))
    write_recipe(first.trajectory.recipe, tmp_path / "a.mdgen")
    again = mda.Universe(str(pdb), str(tmp_path / "a.mdgen"))
    np.testing.assert_array_equal(again.trajectory.timeseries(order="fac"), first.trajectory.timeseries(order="fac"))
    assert not [one for one in recwarn if issubclass(one.category, MDGenWarning)]
    origin = read_recipe(tmp_path / "a.mdgen").origin
    assert origin.model_hash == task.content_hash and len(origin.first_block) == 64
    assert (origin.device, origin.precision) == ("cpu", "float64") and "openmm-mdgen" in origin.versions


def test_other_frames_than_the_recipe_was_written_with_bring_a_warning(recipe, pdb, tmp_path):
    checksum = mda.Universe(str(pdb), recipe).trajectory.recipe.origin.first_block
    n_atoms = len(recipe.load_structure().names)
    elsewhere = Recipe(Drift(n_atoms), pdb, N_FRAMES, 10.0, seed=3, origin=Origin(first_block=checksum))
    with pytest.warns(MDGenWarning, match="other frames .* 'openmm-mdgen freeze'"):
        mda.Universe(str(pdb), elsewhere).trajectory[0]


def test_unpickled_on_another_host_checks_the_first_block(universe, monkeypatch):
    universe.trajectory[0]
    text = pickle.dumps(universe.trajectory)
    same = pickle.loads(text)
    same[12]
    assert same._blocks._loaded().calls == universe.trajectory._recipe.model.calls + 1
    monkeypatch.setattr(blocks.platform, "node", lambda: "elsewhere")
    elsewhere = pickle.loads(text)
    elsewhere._recipe.model.mix *= 1 + 1e-6
    with pytest.warns(MDGenWarning, match="other frames"):
        elsewhere[12]


def test_model_with_another_hash(task, pdb, tmp_path):
    first = mda.Universe(str(pdb), Recipe("toy", pdb, n_frames=3, interval=10.0))
    write_recipe(first.trajectory.recipe, tmp_path / "a.mdgen")
    task.content_hash = "f" * 64
    with pytest.raises(
        MDGenError, match="model 'toy' has content ffffffffffff, the recipe was written with 000000000000"
    ):
        mda.Universe(str(pdb), str(tmp_path / "a.mdgen"))


def test_model_given_in_place_of_the_recipes_must_be_the_same(task, pdb, tmp_path):
    first = mda.Universe(str(pdb), Recipe("toy", pdb, n_frames=3, interval=10.0))
    write_recipe(first.trajectory.recipe, tmp_path / "a.mdgen")
    same = mda.Universe(str(pdb), str(tmp_path / "a.mdgen"), model=BindableTask())
    np.testing.assert_array_equal(same.atoms.positions, first.atoms.positions)
    with pytest.raises(MDGenError, match="has content eeeeeeeeeeee"):
        mda.Universe(str(pdb), str(tmp_path / "a.mdgen"), model=BindableTask("e" * 64))


def test_model_that_does_not_simulate(pdb):
    with pytest.raises(MDGenError, match="model 'SimpleNamespace' cannot simulate but can fill the gaps"):
        mda.Universe(str(pdb), Recipe(SimpleNamespace(bind_gaps=print), pdb, n_frames=3, interval=1.0))


def test_topology_with_another_number_of_atoms(task, data, pdb, tmp_path):
    write_recipe(Recipe("toy", pdb, n_frames=3, interval=10.0), tmp_path / "a.mdgen")
    with pytest.raises(MDGenError, match="the recipe's structure has 22"):
        mda.Universe(str(data / "QGRE.pdb"), str(tmp_path / "a.mdgen"))


class _Wrong:
    n_frames = 2

    def __init__(self, frames):
        self.frames = frames

    def next_block(self, start, seed):
        return self.frames


def test_model_that_returns_nonsense(tmp_path):
    for frames, message in ((np.zeros((3, 5, 3)), "shape"), (np.full((2, 5, 3), np.nan), "NaN or infinite")):
        with pytest.raises(MDGenError, match=message):
            mda.Universe(Recipe(_Wrong(frames), small_structure(), n_frames=3, interval=1.0)).trajectory[0]

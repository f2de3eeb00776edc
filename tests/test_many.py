"""Many systems on the workers of a Dask cluster: two of them in this process, with the tiny network."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from distributed import Client, get_worker
from MDAnalysis import Universe

import openmm_mdgen
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.many import frames, simulating
from openmm_mdgen.many.engine import Progress
from openmm_mdgen.many.folder import grouped
from openmm_mdgen.many.settings import Settings
from openmm_mdgen.many.simulate import simulate_many
from openmm_mdgen.many.systems import System
from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks import model as model_module
from openmm_mdgen.tasks.propagator import next_blocks
from openmm_mdgen.tasks.together import next_blocks_together
from openmm_mdgen.tokens.tokens import N_CHANNELS
from openmm_mdgen.weights.checkpoint import Weights, load_task, save_weights
from tests.helpers.clusters import in_process
from tests.helpers.mostly import assert_mostly_same
from tests.helpers.tiny import DATA, rearranged, structure

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
TINY = DATA / "tiny.safetensors"
SHORT = {"time": 100, "model": TINY, "extension": "trr"}
FILES = [DATA / f"{name}.pdb" for name in ("QGRE", "NDKMF", "PSWYP", "ACE-A-NME")]


@pytest.fixture(scope="module")
def client():
    """Two workers in this process."""
    with in_process(2) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def tempered(tmp_path_factory) -> Path:
    """A small network, untrained, that knows temperatures."""
    torch.manual_seed(0)
    config = VelocityConfig(width=32, depth=1, heads=2, tempered=True)
    network = VelocityNetwork(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    tables = {"mean": torch.zeros(N_CHANNELS), "std": torch.ones(N_CHANNELS)}
    about = {"name": "tempered", "intervals": (1.0, 100.0), "lengths": (1, 5), "temperatures": (300.0, 450.0)}
    path = tmp_path_factory.mktemp("weights") / "tempered.safetensors"
    save_weights(path, Weights(config, network.state_dict(), tables, **about))
    return path


def positions(name: str, folder: Path, topology: Path | None = None) -> np.ndarray:
    """(T, N, 3) Å of a trajectory."""
    universe = Universe(str(topology or DATA / f"{name}.pdb"), str(folder / f"{name}.trr"))
    return universe.trajectory.timeseries(order="fac")


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_equal_lengths_share_a_call_and_get_their_own_frames(monkeypatch):
    monkeypatch.setattr(model_module, "prepared", lambda *_: None)  # calls of the network itself are counted
    task = load_task(TINY, "cpu")
    pair = [structure("NDKMF"), structure("PSWYP")]
    propagators = [task.bind(s, 10.0) for s in pair]
    starts = [np.repeat(s.positions[None], 2, axis=0) for s in pair]
    calls = []
    network = task.network.forward
    task.network.forward = lambda *a: calls.append(len(a[0])) or network(*a)
    try:
        together = next_blocks_together(propagators, starts, [[1, 2], [3, 4]])
        assert set(calls) == {4}
        calls.clear()
        alone = [next_blocks(p, x, s) for p, x, s in zip(propagators, starts, [[1, 2], [3, 4]], strict=True)]
        assert set(calls) == {2}
    finally:
        del task.network.forward
    for a, b in zip(together, alone, strict=True):
        assert_mostly_same(a, b, atol=1e-3)


def test_other_lengths_and_other_propagators_are_called_by_themselves(make_toy):
    task = load_task(TINY, "cpu")
    mixed = [task.bind(structure("NDKMF"), 10.0), task.bind(structure("QGRE"), 10.0), make_toy()]
    starts = [structure(name).positions[None] for name in ("NDKMF", "QGRE", "QGRE")]
    together = next_blocks_together(mixed, starts, [[1], [2], [3]])
    for propagator, start, seed, frames_ in zip(mixed, starts, (1, 2, 3), together, strict=True):
        np.testing.assert_array_equal(frames_[0], propagator.next_block(start[0], seed))


def test_frames_are_those_of_simulate(client, tmp_path):
    result = simulate_many(FILES, output=tmp_path, scheduler=client, seed=3, equilibrate=50, **SHORT)
    assert [o.name for o in result.failed] == [] and len(result.made) == 4
    assert visible(tmp_path) == {"QGRE.trr", "NDKMF.trr", "PSWYP.trr", "ACE-A-NME.trr"}
    for path in FILES:
        single = openmm_mdgen.simulate(path, 100, model=TINY, seed=3, equilibrate=50)
        expected = single.trajectory.timeseries(order="fac")
        np.testing.assert_allclose(positions(path.stem, tmp_path), expected, atol=2e-3)
    times = [ts.time for ts in Universe(str(FILES[0]), str(tmp_path / "QGRE.trr")).trajectory]
    np.testing.assert_allclose(times, 10.0 * np.arange(1, 11))


def test_temperature_and_hydrogens_are_those_of_simulate(client, tmp_path, tempered):
    files, own = FILES[1:3], {"temperature": 420.0, "hydrogens": "quiet"}  # of one length: they share calls
    options = SHORT | {"model": tempered} | own
    result = simulate_many(files, output=tmp_path / "many", scheduler=client, **options)
    assert [o.error for o in result.failed] == []
    for path in files:
        single = openmm_mdgen.simulate(path, 100, model=tempered, **own)
        expected = single.trajectory.timeseries(order="fac")
        np.testing.assert_allclose(positions(path.stem, tmp_path / "many"), expected, atol=2e-3)
        for other in ({"temperature": 300.0}, {"hydrogens": "moving"}):
            single = openmm_mdgen.simulate(path, 100, model=tempered, **(own | other))
            assert np.abs(single.trajectory.timeseries(order="fac") - expected).max() > 0.01


def test_a_batch_shares_calls_at_a_temperature_of_its_own(tempered):
    settings = Settings(10, 10.0, model=tempered, temperature=420.0, hydrogens="quiet")
    task = simulating._tuned(simulating.loaded_task(settings), settings)
    assert task.temperature == 420.0 and task.hydrogens == "quiet"
    assert task.bind(structure("NDKMF"), 10.0).task is task.bind(structure("PSWYP"), 10.0).task is task


def test_a_temperature_that_was_not_learned_is_told_and_the_nearest_made(client, tmp_path, tempered):
    options = SHORT | {"model": tempered, "scheduler": client}
    with pytest.warns(MDGenWarning, match="frames are of its ensemble at 450 K"):
        simulate_many(FILES[:1], output=tmp_path / "hot", temperature=900.0, **options)
    simulate_many(FILES[:1], output=tmp_path / "warm", temperature=450.0, **options)
    np.testing.assert_array_equal(positions("QGRE", tmp_path / "hot"), positions("QGRE", tmp_path / "warm"))


def test_broken_systems_stop_no_other_and_can_be_mended(client, tmp_path):
    (tmp_path / "bad.pdb").write_text("no atoms\n")
    inputs = [*FILES[:2], tmp_path / "absent.pdb", tmp_path / "bad.pdb"]
    out = tmp_path / "out"
    result = simulate_many(inputs, sequences=["GG", "AXB"], output=out, scheduler=client, **SHORT)
    assert {o.name for o in result.made} == {"QGRE", "NDKMF", "GG"}
    assert {o.name for o in result.failed} == {"absent", "bad", "AXB"}
    assert result.summary() == "3 made, 3 failed (see failed.csv)"
    header, *rows = (out / "failed.csv").read_text().splitlines()
    assert header == "name,input,error" and len(rows) == 3
    assert any(row.startswith("AXB,sequence 2,") and "'B', which is no residue" in row for row in rows)
    assert result.table().splitlines()[-1].split()[:2] == ["bad", "failed"]
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.trr")}
    inputs[3].write_text(FILES[2].read_text())
    result = simulate_many(inputs[:2] + inputs[3:], sequences=["GG"], output=out, scheduler=client, **SHORT)
    assert [o.name for o in result.made] == ["bad"] and {o.name for o in result.whole} == {"QGRE", "NDKMF", "GG"}
    assert not (out / "failed.csv").exists()
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_missing_or_damaged_file_is_made_again_as_it_was(client, tmp_path):
    pair = FILES[1:3]
    simulate_many(pair, output=tmp_path, scheduler=client, **SHORT)
    first = {path.name: path.read_bytes() for path in tmp_path.glob("*.trr")}
    (tmp_path / "NDKMF.trr").unlink()
    result = simulate_many(pair, output=tmp_path, scheduler=client, **SHORT)
    assert [o.name for o in result.made] == ["NDKMF"]
    (tmp_path / "PSWYP.trr").write_bytes(b"short")
    result = simulate_many(pair, output=tmp_path, scheduler=client, **SHORT)
    assert [o.name for o in result.made] == ["PSWYP"]
    assert first == {path.name: path.read_bytes() for path in tmp_path.glob("*.trr")}


def test_systems_that_are_added_change_nothing_for_the_others(client, tmp_path):
    simulate_many(FILES[1:2], output=tmp_path, scheduler=client, **SHORT)
    result = simulate_many(FILES[1:3], output=tmp_path, scheduler=client, **SHORT)
    assert [o.name for o in result.made] == ["PSWYP"]
    plan = json.loads((tmp_path / ".openmm-mdgen" / "plan.json").read_text())
    assert [[name for name, _ in batch] for batch in plan["batches"]] == [["NDKMF"], ["PSWYP"]]


def test_batches_are_of_equal_length_and_limited(client, tmp_path):
    simulate_many(FILES, sequences=["AKD", "GG", "AA"], output=tmp_path, scheduler=client, batch=2, **SHORT)
    plan = json.loads((tmp_path / ".openmm-mdgen" / "plan.json").read_text())
    batches = [[name for name, _ in batch] for batch in plan["batches"]]
    assert batches == [["NDKMF", "PSWYP"], ["QGRE"], ["ACE-A-NME", "AKD"], ["AA", "GG"]]


@pytest.mark.parametrize(("count", "sizes"), [(3, [3]), (4, [4]), (5, [2, 3]), (6, [3, 3]), (9, [3, 3, 3])])
def test_batches_are_even_so_that_workers_end_together(count, sizes):
    systems = [System(f"{k:02d}", "", 4) for k in range(count)] + [System("longer", "", 5)]
    batches = grouped(systems, 4)
    assert [s.name for s in batches[0]] == ["longer"] and [len(batch) for batch in batches[1:]] == sizes
    assert sorted(s.name for batch in batches for s in batch) == sorted(s.name for s in systems)


def test_other_settings_need_another_folder(client, tmp_path):
    simulate_many(FILES[:1], output=tmp_path, scheduler=client, **SHORT)
    with pytest.raises(MDGenError, match="holds results of other settings \\(seed 0, now 1\\); choose another"):
        simulate_many(FILES[:1], output=tmp_path, scheduler=client, seed=1, **SHORT)
    result = simulate_many(FILES[:1], output=tmp_path, scheduler=client, seed=1, overwrite=True, **SHORT)
    assert len(result.made) == 1


def test_a_changed_input_is_made_again(client, tmp_path):
    source = tmp_path / "pep.pdb"
    source.write_text(FILES[0].read_text())
    simulate_many([source], output=tmp_path / "out", scheduler=client, **SHORT)
    source.write_text(FILES[1].read_text())
    result = simulate_many([source], output=tmp_path / "out", scheduler=client, **SHORT)
    assert len(result.made) == 1
    assert Universe(str(FILES[1]), str(tmp_path / "out" / "pep.trr")).trajectory.n_frames == 10


def test_built_systems_come_with_a_topology_that_makes_their_frames(client, tmp_path):
    result = simulate_many(sequences={"mine": "GG"}, output=tmp_path, scheduler=client, **SHORT)
    assert result.files["mine"] == (tmp_path / "mine.pdb", tmp_path / "mine.trr")
    again = openmm_mdgen.simulate(tmp_path / "mine.pdb", 100, model=TINY)
    expected = again.trajectory.timeseries(order="fac")
    np.testing.assert_allclose(positions("mine", tmp_path, tmp_path / "mine.pdb"), expected, atol=2e-3)


def test_replicas_relaxed_frames_and_structures_by_name(client, tmp_path):
    residues, rng = structure("QGRE").residues, np.random.default_rng(0)
    order = np.concatenate([rng.permutation(np.flatnonzero(residues == k)) for k in range(4)])
    apart = rearranged(structure("QGRE"), rng.permutation(len(residues)))
    systems = {"turned": rearranged(structure("QGRE"), order), "as is": structure("QGRE"), "apart": apart}
    result = simulate_many(systems, output=tmp_path, scheduler=client, replicas=2, relax=True, **SHORT | {"time": 20})
    assert not result.failed
    assert visible(tmp_path) == {f"{name}{end}" for name in systems for end in (".pdb", "_00.trr", "_01.trr")}
    assert Peptide.from_structure(load_structure(tmp_path / "apart.pdb")).heavy == Peptide.from_structure(apart).heavy
    first, second = (
        Universe(str(tmp_path / "as is.pdb"), str(tmp_path / f"as is_0{k}.trr")).trajectory.timeseries(order="fac")
        for k in (0, 1)
    )
    assert first.shape == (2, len(order), 3) and not np.allclose(first, second)


def test_a_full_disk_on_one_worker_leaves_the_work_to_the_other(client, tmp_path, monkeypatch):
    write, met = frames.FrameFiles.write, set()

    def full(self, some):
        met.add(get_worker().name)
        if get_worker().name == min(met | {0}):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, some)

    monkeypatch.setattr(frames.FrameFiles, "write", full)
    result = simulate_many(FILES, output=tmp_path, scheduler=client, **SHORT)
    assert len(result.made) == 4 and not result.failed
    assert met == {0, 1}
    assert not list((tmp_path / ".openmm-mdgen").glob("part-*"))


def test_a_disk_that_is_full_everywhere_is_told_and_leaves_nothing(client, tmp_path, monkeypatch):
    def full(self, some):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(frames.FrameFiles, "write", full)
        result = simulate_many(FILES[:1], output=tmp_path, scheduler=client, **SHORT)
    assert "No space left on device" in result.failed[0].error
    assert visible(tmp_path) == {"failed.csv"}
    assert len(simulate_many(FILES[:1], output=tmp_path, scheduler=client, **SHORT).made) == 1


def test_a_writer_that_says_nothing_of_a_full_disk_is_found_out(client, tmp_path, monkeypatch):
    write = frames.FrameFiles.write
    monkeypatch.setattr(frames.FrameFiles, "write", lambda self, some: write(self, some[:, :-1]))
    result = simulate_many(FILES[:1], output=tmp_path, scheduler=client, **SHORT)
    assert "holds 9 of 10 frames: the disk is full" in result.failed[0].error
    assert visible(tmp_path) == {"failed.csv"}


class Faulty:
    """A model that fails for one size of molecule."""

    n_frames = 4

    def next_block(self, start, seed):
        """(N, 3) Å -> (4, N, 3) Å."""
        frames_ = np.repeat(start[None], 4, axis=0)
        return frames_ * np.nan if len(start) == len(structure("PSWYP").names) else frames_


def test_a_system_that_fails_midway_stops_no_other_of_its_batch(client, tmp_path):
    result = simulate_many(FILES, output=tmp_path, scheduler=client, **SHORT | {"model": Faulty()})
    assert [o.name for o in result.failed] == ["PSWYP"] and len(result.made) == 3
    assert "NaN or infinite" in result.failed[0].error and not (tmp_path / "PSWYP.trr").exists()


class Raising:
    """A model with a programmer's mistake."""

    n_frames = 4

    def next_block(self, start, seed):
        """Never returns."""
        raise KeyError("forgotten")


def test_any_error_of_a_model_is_told_in_the_table(client, tmp_path):
    result = simulate_many(FILES[:1], output=tmp_path, scheduler=client, **SHORT | {"model": Raising()})
    assert "KeyError: 'forgotten'" in result.failed[0].error


def test_progress_goes_up_to_the_end(client, tmp_path):
    told: list[Progress] = []
    simulate_many(FILES, output=tmp_path, scheduler=client, progress=told.append, **SHORT | {"time": 2_000})
    assert told[-1].n_done == told[-1].n_systems == 4 and told[-1].share == pytest.approx(1.0)
    assert any(0 < p.share < 1 and p.seconds_left for p in told)
    assert sorted(o.name for p in told for o in p.outcomes) == sorted(path.stem for path in FILES)


def test_whole_results_need_no_cluster(client, tmp_path):
    simulate_many(FILES[:1], output=tmp_path, scheduler=client, **SHORT)
    result = simulate_many(FILES[:1], output=tmp_path, scheduler="tcp://127.0.0.1:1", **SHORT)
    assert len(result.whole) == 1 and not result.made


def test_an_output_folder_on_another_disk(client, tmp_path):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk here")
    import tempfile

    with tempfile.TemporaryDirectory(dir=other) as folder:
        assert len(simulate_many(FILES[:1], output=folder, scheduler=client, **SHORT).made) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": 0}, "time 0 ps must be above 0"),
        ({"interval": float("nan")}, "interval nan ps must be above 0"),
        ({"replicas": 0}, "replicas 0 must be a whole number of 1 or more"),
        ({"batch": 0}, "batch 0 must be a whole number of 1 or more"),
        ({"temperature": 0.0}, "temperature 0 K is not above zero"),
        ({"temperature": float("nan")}, "temperature nan K is not above zero"),
        ({"hydrogens": "cold"}, "hydrogens 'cold' is not known; choose one of"),
        ({"workers": 0}, "workers 0 must be a whole number of 1 or more"),
        ({"extension": "foo"}, "has no extension of a trajectory format"),
        ({"model": "nothing"}, "model 'nothing' is unknown"),
        ({"structures": []}, "there are 0 systems"),
        ({"extension": "pdb", "output": DATA}, "would write over the input 'QGRE.pdb'"),
        ({"output": FILES[0]}, "cannot be written to"),
    ],
)
def test_bad_options_start_nothing(tmp_path, changes, message):
    options = {"structures": FILES[:1], "output": tmp_path, "scheduler": "tcp://127.0.0.1:1", **SHORT} | changes
    with pytest.raises(MDGenError, match=message):
        simulate_many(**options)
    assert not visible(tmp_path)


def test_a_selection_writes_its_own_topology(client, tmp_path):
    result = simulate_many(FILES[:1], output=tmp_path, scheduler=client, select="not type H", **SHORT)
    assert {path.name for path in result.files["QGRE"]} == {"QGRE.pdb", "QGRE.trr"}
    assert len(load_structure(tmp_path / "QGRE.pdb").names) < len(structure("QGRE").names)


def test_repeats_are_made_once(client, tmp_path):
    with pytest.warns(MDGenWarning, match=r"made once only: .*QGRE.pdb repeats .*QGRE.pdb"):
        result = simulate_many([FILES[0], FILES[0]], output=tmp_path, scheduler=client, **SHORT)
    assert len(result.made) == 1

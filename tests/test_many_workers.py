"""Workers that lack something, are lost, or whose scheduler goes away."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from dask import system
from distributed import Client, LocalCluster, Status, get_worker
from torch import cuda

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.many import engine, simulate, simulating, workers
from openmm_mdgen.many.simulate import simulate_many
from openmm_mdgen.many.simulating import loaded_task
from openmm_mdgen.many.workers import Cluster, Demand, checked, default_workers, versions
from tests.helpers.clusters import in_process
from tests.helpers.tiny import DATA

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
TINY = DATA / "tiny.safetensors"
SHORT = {"time": 100, "model": TINY, "extension": "trr"}
FILES = [DATA / f"{name}.pdb" for name in ("QGRE", "NDKMF", "PSWYP", "ACE-A-NME")]


@pytest.fixture
def held(monkeypatch):
    """The first worker makes one call, and begins the next when the event is set and it is told to go away."""
    ending, first = threading.Event(), []

    def waiting(settings):
        worker = get_worker()
        if worker in first:
            ending.wait()
            _wait_until(lambda: worker.status != Status.running)
        elif not first:
            first.append(worker)
        return loaded_task(settings)

    monkeypatch.setattr(simulating, "loaded_task", waiting)
    return ending


@pytest.fixture
def client():
    """Two workers in this process."""
    with in_process(2) as cluster, Client(cluster) as client:
        yield client


def test_an_unreachable_scheduler(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_CONNECT", 0.3)
    with pytest.raises(MDGenError, match=r"scheduler 'tcp://127.0.0.1:1' cannot be reached in 0.3 s; check that"):
        simulate_many(FILES[:1], output=tmp_path, scheduler="tcp://127.0.0.1:1", **SHORT)
    with (
        pytest.raises(MDGenError, match="scheduler 'nonsense://x' cannot be reached"),
        Cluster("nonsense://x").connected(1),
    ):
        pass


def test_a_scheduler_without_workers(tmp_path):
    with in_process(0) as cluster, Client(cluster) as client:
        with pytest.raises(MDGenError, match=r"has had 0 workers for 0.2 s; start some, as in dask worker inproc://"):
            simulate_many(FILES[:1], output=tmp_path, scheduler=client, wait=0.2, **SHORT)


def test_dask_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MDGenError, match=r"pip install 'openmm-mdgen\[dask\]'"), Cluster().connected(1):
        pass


def test_what_a_worker_may_lack(tmp_path):
    absent = tmp_path / "absent"
    assert Demand(versions()).faults() == []
    assert Demand((("torch", "0.1"),)).faults()[0].startswith("has torch 2.")
    assert Demand(versions(), output=absent, token="x").faults() == [f"does not see the folder {absent}"]
    no_file = Demand(versions(), str(tmp_path / "gone.safetensors"), "1" * 64).faults()
    assert no_file[0].startswith("cannot load the model (")
    other = Demand(versions(), str(TINY), "1" * 64).faults()
    assert "with content" in other[0] and other[0].endswith("not 111111111111")


@pytest.mark.parametrize(
    ("demand", "message"),
    [
        (
            Demand((("torch", "0.1"),)),
            r"worker inproc://\S+ has torch 2.* not 0.1; worker .*: install there what is here",
        ),
        (Demand(versions(), "gone.safetensors", "1"), r"cannot load the model .*the same weights"),
    ],
)
def test_all_workers_are_looked_at_before_work_starts(client, demand, message):
    with pytest.raises(MDGenError, match=message), checked(client, demand):
        pytest.fail("work started")


def test_a_worker_that_cannot_be_asked(client, monkeypatch):
    def raising(self):
        raise ModuleNotFoundError("No module named 'openmm_mdgen'")

    monkeypatch.setattr(Demand, "faults", raising)
    with pytest.raises(MDGenError, match="cannot be asked"), checked(client, Demand(versions())):
        pytest.fail("work started")


def test_other_versions_stop_a_run_before_it_writes(client, tmp_path, monkeypatch):
    old = (("openmm-mdgen", "0.0.1"),)
    monkeypatch.setattr(simulate, "versions", lambda: old)
    with pytest.raises(MDGenError, match=r"has openmm-mdgen .*, not 0.0.1"):
        simulate_many(FILES, output=tmp_path, scheduler=client, **SHORT)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".openmm")]


def test_a_bad_worker_that_joins_late_gets_no_work_done(client, tmp_path, monkeypatch):
    met = set()

    def faults(demand):
        met.add(get_worker().name)
        return ("has torch 1, not 2",) if get_worker().name == min(met | {0}) else ()

    monkeypatch.setattr(engine, "_faults", faults)
    result = simulate_many(FILES, output=tmp_path, scheduler=client, **SHORT)
    assert len(result.made) == 4 and met == {0, 1}


def test_workers_of_this_machine(monkeypatch):
    monkeypatch.setattr(system, "CPU_COUNT", 6)
    monkeypatch.setattr(cuda, "device_count", lambda: 0)
    assert [default_workers(threads) for threads in (1, 2, 16)] == [6, 3, 1]
    monkeypatch.setattr(cuda, "device_count", lambda: 4)
    assert default_workers(1) == 4


def test_local_workers_are_given_time_to_come_back(monkeypatch):
    import dask

    found, names = [], ("deploy.lost-worker-timeout", "comm.timeouts.connect", "worker.profile.enabled")

    def cluster(n_workers):
        found.append((n_workers, [dask.config.get(f"distributed.{name}") for name in names]))
        return in_process()

    monkeypatch.setattr(workers, "_local_cluster", cluster)
    with Cluster(workers=3).connected(2) as client:
        assert client.scheduler_info()["workers"]
    assert found == [(2, ["10 minutes", "10 minutes", False])]
    assert dask.config.get("distributed.deploy.lost-worker-timeout") != "10 minutes"


def test_local_workers_share_all_memory(monkeypatch):
    """Not a core's share of it each, at which dask holds a worker up and then kills it."""
    import distributed
    from distributed.system import MEMORY_LIMIT

    monkeypatch.setattr(distributed, "LocalCluster", lambda **options: options)
    assert workers._local_cluster(3)["memory_limit"] == MEMORY_LIMIT // 3


def test_a_scheduler_that_goes_away_leaves_what_is_whole(tmp_path, held):
    """It is closed as soon as the first of several batches is done."""
    with in_process() as cluster:
        threading.Thread(target=lambda: held.wait() and cluster.close(), daemon=True).start()

        def report(progress):
            if progress.outcomes:
                held.set()

        with pytest.raises(MDGenError, match=r"scheduler went away, when \d of 4 systems .* same command again"):
            simulate_many(
                FILES, output=tmp_path, scheduler=cluster, batch=1, progress=report, **SHORT | {"time": 3_000}
            )
    with in_process() as cluster:
        result = simulate_many(FILES, output=tmp_path, scheduler=cluster, batch=1, **SHORT | {"time": 3_000})
    assert 1 <= len(result.whole) < 4 and len(result.made) + len(result.whole) == 4


def test_the_last_worker_that_goes_away_is_not_waited_for_without_end(tmp_path, held):
    with in_process() as cluster:
        threading.Thread(target=lambda: held.wait() and cluster.scale(0), daemon=True).start()

        def report(progress):
            if progress.outcomes:
                held.set()

        with pytest.raises(MDGenError, match=r"the last worker was lost, and none came in 0.5 s, when \d of 4 systems"):
            simulate_many(
                FILES, output=tmp_path, scheduler=cluster, batch=1, wait=0.5, progress=report, **SHORT | {"time": 3_000}
            )


@pytest.mark.slow
def test_a_killed_worker_loses_and_doubles_nothing(tmp_path):
    long = SHORT | {"time": 3_000, "batch": 2}
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        simulate_many(FILES, output=tmp_path / "quiet", scheduler=client, **long)
        killed = []

        def kill(progress):
            if not killed and 0 < progress.share:
                killed.append(next(iter(client.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)

        def later(progress):
            threading.Thread(target=kill, args=(progress,)).start()

        result = simulate_many(FILES, output=tmp_path / "killed", scheduler=client, progress=later, **long)
    assert killed and len(result.made) == 4
    for path in FILES:
        name = f"{path.stem}.trr"
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "quiet" / name).read_bytes()
    assert not list((tmp_path / "killed" / ".openmm-mdgen").glob("part-*"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_scheduler(tmp_path):
    """Scheduler and worker are processes of their own; the scheduler is killed in mid-run."""
    with _Process("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(tmp_path / "s.json")) as boss:
        _wait_until(lambda: (tmp_path / "s.json").exists() and (tmp_path / "s.json").stat().st_size > 0)
        with _Process("worker", "--scheduler-file", str(tmp_path / "s.json"), "--no-dashboard", "--nthreads", "1"):
            with Client(scheduler_file=str(tmp_path / "s.json")) as client:
                address = client.scheduler.address

            def report(progress):
                if progress.outcomes:
                    boss.kill()

            with pytest.raises(MDGenError, match=r"scheduler went away"):
                simulate_many(
                    FILES,
                    output=tmp_path / "out",
                    scheduler=address,
                    batch=1,
                    progress=report,
                    **SHORT | {"time": 5_000},
                )
    with in_process() as cluster:
        result = simulate_many(FILES, output=tmp_path / "out", scheduler=cluster, batch=1, **SHORT | {"time": 5_000})
    assert result.whole and len(result.made) + len(result.whole) == 4


class _Process:
    """A Dask process that ends with the block."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments

    def __enter__(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "distributed.cli.dask_" + self.arguments[0], *self.arguments[1:]]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def _wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(30_000):
        if happened():
            return
        time.sleep(0.01)
    raise TimeoutError

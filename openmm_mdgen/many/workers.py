"""Where the work is done: processes of this machine, or a Dask scheduler's workers; checked before work starts."""

from __future__ import annotations

import logging
import platform
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.protocols import ModelLike, model_info

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

LOCAL = "local"
Scheduler: TypeAlias = "str | Client | LocalCluster"
_PACKAGES = ("openmm-mdgen", "torch", "numpy", "MDAnalysis", "openmm")
_CONNECT = 10.0  # s
_RESTART = "10 minutes"


@dataclass(frozen=True)
class Cluster:
    """Where work is to be done.

    Attributes
    ----------
    scheduler
        ``"local"``; the address of a scheduler; or a `distributed.Client` or cluster, which stays open.
    workers, threads
        Processes of this machine, where the scheduler is local, and torch's threads in each; default: all cores, and 1.
    wait
        Seconds to wait for the first worker.
    """

    scheduler: Scheduler = LOCAL
    workers: int | None = None
    threads: int | None = None
    wait: float = 60.0

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("threads", self.threads)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise MDGenError(f"{name} {value!r} must be a whole number of 1 or more")

    @contextmanager
    def connected(self, n_calls: int) -> Iterator[Client]:
        """A `distributed.Client` with at least one worker; no more of this machine's than calls.

        Raises
        ------
        MDGenError
            If dask is not installed, the scheduler cannot be reached, or no worker comes.
        """
        try:
            from distributed import Client
        except ImportError as error:
            raise MDGenError(
                "many systems need dask.distributed, which is not installed; pip install 'openmm-mdgen[dask]'"
            ) from error
        if isinstance(self.scheduler, Client):
            _await_worker(self.scheduler, self.wait)
            yield self.scheduler
        elif self.scheduler == LOCAL:
            n_workers = min(self.workers or default_workers(self.threads or 1), n_calls)
            with _quiet(), local_settings(), _local_cluster(n_workers) as cluster, Client(cluster) as client:
                yield client
        else:
            opened = _remote(self.scheduler) if isinstance(self.scheduler, str) else Client(self.scheduler)
            with _quiet(), opened as client:
                _await_worker(client, self.wait)
                yield client


def default_workers(threads: int) -> int:
    """Workers of this machine: its GPUs, or as many as its cores allow."""
    import torch
    from dask.system import CPU_COUNT

    return torch.cuda.device_count() or max(1, int(CPU_COUNT) // threads)


def _local_cluster(n_workers: int) -> LocalCluster:
    """Workers that share all of this machine's memory; by itself dask gives each the share of one core."""
    from distributed import LocalCluster
    from distributed.system import MEMORY_LIMIT

    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
        memory_limit=MEMORY_LIMIT // n_workers,
    )


@contextmanager
def local_settings() -> Iterator[None]:
    """What dask is told for workers of this machine.

    A worker may take minutes to start, or come back, on a busy machine, where dask gives it up after 30 s, or 15. And
    none is looked at a hundred times a second to see what it does, which costs 5 % of its time.
    """
    import dask

    waits = ("distributed.deploy.lost-worker-timeout", "distributed.comm.timeouts.connect")
    with dask.config.set(dict.fromkeys(waits, _RESTART) | {"distributed.worker.profile.enabled": False}):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log lines of dask: what the user must know is said in our words."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _remote(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT)
    except (OSError, ValueError) as error:
        raise MDGenError(
            f"scheduler {address!r} cannot be reached in {_CONNECT:g} s; check that it runs and the address, as in "
            "tcp://host:8786, or leave out --scheduler for the processes of this machine"
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=2)


def _await_worker(client: Client, wait: float) -> None:
    try:
        client.wait_for_workers(1, timeout=wait)
    except TimeoutError as error:
        raise MDGenError(
            f"the scheduler has had 0 workers for {wait:g} s; start some, as in dask worker "
            f"{client.scheduler_info()['address']}, or wait longer with --wait"
        ) from error


@dataclass(frozen=True)
class Demand:
    """What a worker must have: the same versions and weights as the caller, and the output folder.

    Attributes
    ----------
    model, model_hash
        As for `load_task`, and its content.
    versions
        Of the packages that frames depend on.
    output
        A folder that all must see, or None.
    token
        Name of a file in it.
    """

    versions: tuple[tuple[str, str], ...]
    model: ModelLike | None = None
    model_hash: str = ""
    output: Path | None = None
    token: str = ""

    def faults(self) -> list[str]:
        """What is missing where it is called; empty where all is well."""
        found = dict(versions())
        faults = [f"has {k} {found[k]}, not {v}" for k, v in self.versions if found[k] != v]
        if self.output is not None and not (self.output / self.token).is_file():
            faults.append(f"does not see the folder {self.output}")
        if not faults and self.model is not None:
            faults = self._model_faults(self.model)
        return faults

    def _model_faults(self, model: ModelLike) -> list[str]:
        try:
            found = _content_hash(model)
        except MDGenError as error:
            return [f"cannot load the model ({error})"]
        same = found == self.model_hash
        return [] if same else [f"has model {model!r} with content {found[:12]}, not {self.model_hash[:12]}"]


def _content_hash(model: ModelLike) -> str:
    """Content of a model; weights of our own are not loaded for it, since what loads elsewhere loads here too."""
    from openmm_mdgen.weights.checkpoint import load_task
    from openmm_mdgen.weights.header import file_info, own_weights

    path = own_weights(model) if isinstance(model, str | Path) else None
    return model_info(load_task(model, "cpu")).content_hash if path is None else file_info(path).content_hash


def versions() -> tuple[tuple[str, str], ...]:
    """Versions of what frames depend on, as this process has them."""
    python = ".".join(platform.python_version_tuple()[:2])
    return (*((name, _version(name)) for name in _PACKAGES), ("python", python))


def _version(name: str) -> str:
    try:
        return version(name).split("+")[0]  # builds for a CPU and for CUDA may work together
    except PackageNotFoundError:
        return "none"


@contextmanager
def checked(client: Client, demand: Demand) -> Iterator[Demand]:
    """The demand with a token in the output folder, met by all workers that there are.

    Raises
    ------
    MDGenError
        If a worker does not meet it: which, and why.
    """
    token = f".seen-{uuid.uuid4().hex}"
    seen = Demand(demand.versions, demand.model, demand.model_hash, demand.output, token)
    if demand.output is not None:
        (demand.output / token).touch()
    try:
        _check_workers(client, seen)
        yield seen
    finally:
        if demand.output is not None:
            (demand.output / token).unlink(missing_ok=True)


def _check_workers(client: Client, demand: Demand) -> None:
    try:
        answers = client.run(demand.faults, on_error="return")
    except Exception as error:  # a worker that cannot even read the question
        raise MDGenError(_unfit([f"a worker cannot be asked ({_first_line(error)})"])) from error
    bad = [
        f"worker {address} {answer[0] if isinstance(answer, list) else f'cannot be asked ({_first_line(answer)})'}"
        for address, answer in answers.items()
        if isinstance(answer, BaseException) or answer
    ]
    if bad:
        raise MDGenError(_unfit(bad))


def _unfit(bad: list[str]) -> str:
    more = f" and {len(bad) - 2} more" if len(bad) > 2 else ""
    return (
        f"{'; '.join(bad[:2])}{more}: install there what is here (openmm-mdgen {_version('openmm-mdgen')}), the same "
        "weights, and a folder that all machines share"
    )


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"

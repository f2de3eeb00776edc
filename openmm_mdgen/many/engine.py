"""Calls of one function on the workers of a Dask cluster, each for one or more systems; a failed one stops no other."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.many.workers import Demand, checked

if TYPE_CHECKING:
    from dask.typing import Key
    from distributed import Client, Future

TOPIC = "openmm-mdgen-many"
_POLL = 1.0  # s


@dataclass(frozen=True)
class Outcome:
    """What became of one system.

    Attributes
    ----------
    name
    row
        What the table says of it.
    seconds
        What it took.
    error
        Why it failed; empty where it did not.
    elsewhere
        Whether another worker may succeed: its disk was full, say.
    """

    name: str
    row: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    elsewhere: bool = False


@dataclass(frozen=True)
class Call:
    """One call of the function.

    Attributes
    ----------
    names
        The systems that it is for.
    arguments
        Of the function, which returns one `Outcome` for each of the names.
    cost
        How long it takes, in units of its own; the longest are begun first.
    """

    names: tuple[str, ...]
    arguments: tuple[object, ...]
    cost: float = 1.0


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    n_done, n_systems
        Systems that have an outcome, and all.
    share
        Of the whole work, 0 to 1, with what is under way.
    seconds_left
        None at the beginning.
    outcomes
        Those that have just come.
    """

    n_done: int
    n_systems: int
    share: float
    seconds_left: float | None
    outcomes: tuple[Outcome, ...] = ()


Report = Callable[[Progress], None]


def tell_progress(names: Sequence[str], share: float) -> None:
    """Called on a worker: how much of the call for these systems is done, 0 to 1."""
    from distributed import get_worker

    try:
        get_worker().log_event(TOPIC, {"first": names[0], "share": share})
    except ValueError:  # not on a worker
        return


def on_worker(function: Callable[..., list[Outcome]], demand: Demand, call: Call) -> tuple[str, list[Outcome]]:
    """The function's outcomes, and the worker that it ran on, which may have joined only now and is looked at."""
    from distributed import get_worker

    faults = _faults(demand)
    worker = get_worker().address
    if faults:
        return worker, [Outcome(name, error=f"worker {worker} {faults[0]}", elsewhere=True) for name in call.names]
    try:
        return worker, function(*call.arguments)
    except (MDGenError, OSError) as error:
        return worker, failures(call.names, error)


@lru_cache(maxsize=1)
def _faults(demand: Demand) -> tuple[str, ...]:
    return tuple(demand.faults())


def run_calls(
    client: Client,
    function: Callable[..., list[Outcome]],
    calls: Sequence[Call],
    demand: Demand,
    report: Report | None = None,
    patience: float = 60.0,
) -> list[Outcome]:
    """Outcomes of all systems, in the order of the calls.

    Calls of workers that are lost are made again by others: that is the scheduler's work. A call whose outcomes say
    that another worker may succeed is tried on each of the others once.

    Parameters
    ----------
    client
        A `distributed.Client`.
    function
        ``function(*arguments) -> list[Outcome]``; must be importable on the workers.
    calls
        What to call it with.
    demand
        What workers must have.
    report
        Called as work goes on.
    patience
        Seconds to wait for a new worker when the last one was lost.

    Raises
    ------
    MDGenError
        If a worker does not meet the demand before work starts, the scheduler goes away, or there is no worker left.
    """
    with checked(client, demand) as seen:
        run = _Run(client, function, calls, seen, report, patience)
        with _events(client, run.hear):
            return run.finish()


class _Run:
    def __init__(
        self,
        client: Client,
        function: Callable[..., list[Outcome]],
        calls: Sequence[Call],
        demand: Demand,
        report: Report | None,
        patience: float,
    ) -> None:
        self.patience = patience
        self.client, self.function, self.calls, self.demand = client, function, list(calls), demand
        self.meter = Meter(calls, report)
        self.outcomes: dict[int, list[Outcome]] = {}
        self.tried: dict[int, set[str]] = defaultdict(set)
        self._place: dict[Key, int] = {}  # of a future's key

    def hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """An event from a worker."""
        self.meter.under_way(event[1]["first"], float(event[1]["share"]))

    def finish(self) -> list[Outcome]:
        """Submit all calls and wait for them."""
        order = sorted(range(len(self.calls)), key=lambda k: -self.calls[k].cost)
        waiting = {self._submit(k, rank) for rank, k in enumerate(order)}
        while waiting:
            done = self._some_done(waiting)
            tried_again = (self._received(self._place[future.key], future) for future in done)
            waiting = (waiting - done) | {future for future in tried_again if future is not None}
        return [outcome for k in range(len(self.calls)) for outcome in self.outcomes[k]]

    def _some_done(self, waiting: set[Future[Any]]) -> set[Future[Any]]:
        from distributed import wait

        alone_since = None
        while True:
            try:
                return set(wait(list(waiting), timeout=_POLL, return_when="FIRST_COMPLETED").done)
            except TimeoutError as error:
                if self._workers():
                    alone_since = None
                    continue
                now = time.monotonic()
                alone_since = now if alone_since is None else alone_since
                if now - alone_since >= self.patience:
                    raise MDGenError(
                        self._ended_message(f"the last worker was lost, and none came in {self.patience:g} s")
                    ) from error
            except CancelledError as error:
                raise MDGenError(self._ended_message("the scheduler went away")) from error

    def _workers(self) -> set[str]:
        return set(self.client.scheduler_info(n_workers=-1)["workers"])

    def _submit(self, place: int, rank: int = 0, workers: list[str] | None = None) -> Future[Any]:
        call = self.calls[place]
        future = self.client.submit(
            on_worker,
            self.function,
            self.demand,
            call,  # whole: early versions of dask call the first of a tuple with the others
            key=f"{TOPIC}-{uuid.uuid4().hex}",
            priority=-rank,
            workers=workers,
        )
        self._place[future.key] = place
        return future

    def _received(self, place: int, future: Future[Any]) -> Future[Any] | None:
        """Note the outcome of a call, or give the future of another try."""
        call = self.calls[place]
        try:
            worker, outcomes = future.result()
        except CancelledError as error:
            raise MDGenError(self._ended_message("the scheduler went away")) from error
        except Exception as error:  # of the user's model, or workers that died over it: told in the table
            worker, outcomes = "", [Outcome(name, error=_one_line(error)) for name in call.names]
        if any(outcome.elsewhere for outcome in outcomes):
            self.tried[place].add(worker)
            others = sorted(self._workers() - self.tried[place])
            if others:
                return self._submit(place, workers=others)
        self.outcomes[place] = outcomes
        self.meter.done(call, outcomes)
        return None

    def _ended_message(self, reason: str) -> str:
        n_done = sum(len(some) for some in self.outcomes.values())
        return (
            f"{reason}, when {n_done} of {self.meter.n_systems} systems had been done; what is whole stays: start a "
            "scheduler and workers, and run the same command again to go on"
        )


class Meter:
    """Counts systems and work, and reports.

    Parameters
    ----------
    calls
        All of them.
    report
        Called at every change.
    """

    def __init__(self, calls: Sequence[Call], report: Report | None) -> None:
        self._report = report
        self._cost = {call.names[0]: call.cost for call in calls}
        self._shares: dict[str, float] = {}
        self._begin = time.monotonic()
        self.n_done, self.n_systems = 0, sum(len(call.names) for call in calls)

    def under_way(self, first: str, share: float) -> None:
        """A call, named by its first system, has come so far; it falls back where its worker was lost."""
        if self._shares.get(first, 0.0) < 1.0 and first in self._cost:
            self._shares[first] = min(share, 0.999)
            self._tell(())

    def done(self, call: Call, outcomes: Sequence[Outcome]) -> None:
        """A call is finished."""
        self._shares[call.names[0]] = 1.0
        self.n_done += len(call.names)
        self._tell(tuple(outcomes))

    def _tell(self, outcomes: tuple[Outcome, ...]) -> None:
        if self._report is None:
            return
        whole = sum(self._cost.values())
        share = sum(self._cost[first] * part for first, part in self._shares.items()) / whole
        spent = time.monotonic() - self._begin
        left = spent * (1 - share) / share if share > 0.01 else None
        self._report(Progress(self.n_done, self.n_systems, share, left, outcomes))


@contextmanager
def _events(client: Client, handler: Callable[[tuple[float, dict[str, Any]]], None]) -> Iterator[None]:
    client.subscribe_topic(TOPIC, handler)
    try:
        yield
    finally:
        if client.status == "running":
            client.unsubscribe_topic(TOPIC)


def _one_line(error: BaseException) -> str:
    """What the table says of an error that is not one of ours."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return "the workers that made it were lost time after time; give them more memory, or choose a smaller --batch"
    text = (str(error).splitlines() or [""])[0]
    return text if isinstance(error, MDGenError) else f"{type(error).__name__}: {text}"


def failures(names: Sequence[str], error: BaseException) -> list[Outcome]:
    """The same error for several systems; that of a disk may not meet another worker."""
    of_the_disk = isinstance(error, OSError) or isinstance(error.__cause__, OSError)
    outcome = Outcome("", error=_one_line(error), elsewhere=of_the_disk)
    return [replace(outcome, name=name) for name in names]

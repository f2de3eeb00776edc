"""Any function of one system, over many of them: what `evaluate_many` is made of, and other work can be."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.many.engine import Call, Outcome, Report, failures, run_calls
from openmm_mdgen.many.folder import OutputFolder
from openmm_mdgen.many.results import ManyResult, gathered, write_failed, write_rows
from openmm_mdgen.many.systems import Broken
from openmm_mdgen.many.workers import Cluster, Demand, versions

Work = Callable[..., dict[str, object]]


@dataclass(frozen=True)
class Job:
    """One system.

    Attributes
    ----------
    name
        Of its results; no other job may write files or folders of the same names.
    arguments
        Of the function, after the folder to write to.
    content
        Anything that says whether the inputs are still the same.
    origin
        Where it came from, as the user would say it.
    cost
        How long it takes, in units of its own; the longest are begun first.
    """

    name: str
    arguments: tuple[object, ...]
    content: str
    origin: str = ""
    cost: float = 1.0


def run_each(
    function: Work,
    jobs: Sequence[Job],
    output: Path,
    settings: dict[str, object],
    cluster: Cluster,
    *,
    broken: Sequence[Broken] = (),
    overwrite: bool = False,
    progress: Report | None = None,
) -> ManyResult:
    """Call a function for each system, on the processes of this machine or on a cluster.

    A system that fails stops no other; what is whole is passed over the next time; what a lost worker had under way is
    made again by another.

    Parameters
    ----------
    function
        ``function(folder, *arguments) -> row``: writes files and folders into a folder of its own, from where they are
        moved when it is done, and returns numbers for the table. Must be importable on the workers.
    jobs
        One for each system.
    output
        Folder; made if absent. All machines must see it.
    settings
        What all results depend on; others in the same folder are an error.
    cluster
        Where to work.
    broken
        Inputs that cannot be used, for the table.
    overwrite
        Make everything again.
    progress
        Called as work goes on.

    Raises
    ------
    MDGenError
        If nothing can start, or the scheduler or the last worker goes away.

    Examples
    --------
    >>> jobs = [Job(name, (path,), content=str(path.stat().st_mtime_ns)) for name, path in paths.items()]
    >>> print(run_each(function, jobs, Path("results"), {}, Cluster()).table())
    """
    folder = OutputFolder(output.absolute())
    if overwrite:
        folder.start_anew()
    folder.make()
    demand = Demand(versions(), output=folder.path)
    folder.claim(settings | {"openmm_mdgen": dict(demand.versions)["openmm-mdgen"]})
    contents = {job.name: job.content for job in jobs}
    repeated = [name for name, times in Counter(job.name.casefold() for job in jobs).items() if times > 1]
    if repeated:
        raise MDGenError(f"two systems would both write {repeated[0]!r}; rename one of them")
    calls = [
        Call((job.name,), (function, job, folder.path), job.cost)
        for job in jobs
        if folder.record(job.name, job.content) is None
    ]
    outcomes: list[Outcome] = []
    if calls:
        with cluster.connected(len(calls)) as client:
            outcomes = run_calls(client, run_job, calls, demand, progress, cluster.wait)
        folder.sweep()
    result = gathered(folder, contents, outcomes, broken)
    origins = {x.name: x.origin for x in jobs} | {b.name: b.origin for b in broken}
    write_failed(folder.path, result.failed, origins)
    write_rows(result)
    return result


def run_job(function: Work, job: Job, output: Path) -> list[Outcome]:
    """What a worker does for one system."""
    begin, folder = time.perf_counter(), OutputFolder(output)
    try:
        with folder.scratch() as scratch:
            row = function(scratch, *job.arguments)
            seconds = time.perf_counter() - begin
            folder.publish(job.name, job.content, sorted(scratch.iterdir()), seconds, row)
    except Exception as error:  # told in the table
        return failures([job.name], error)
    return [Outcome(job.name, row, seconds)]

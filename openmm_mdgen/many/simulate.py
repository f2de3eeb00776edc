"""Trajectories of many systems, to files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from openmm_mdgen.convert.structures import Source
from openmm_mdgen.convert.times import Time, checked_time, whole_intervals
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.names import is_same_file
from openmm_mdgen.many.engine import Call, Outcome, Report, run_calls
from openmm_mdgen.many.folder import OutputFolder
from openmm_mdgen.many.results import ManyResult, gathered, write_failed
from openmm_mdgen.many.settings import Settings
from openmm_mdgen.many.simulating import loaded_task, simulate_batch
from openmm_mdgen.many.systems import System, find_systems
from openmm_mdgen.many.workers import LOCAL, Cluster, Demand, Scheduler, versions
from openmm_mdgen.tasks.hydrogens import checked_hydrogens
from openmm_mdgen.tasks.protocols import Model, ModelLike, model_info
from openmm_mdgen.trajectory.writing import frame_writer_class
from openmm_mdgen.weights.roles import sampled_temperature


def simulate_many(
    structures: Sequence[Source] | Mapping[str, Source] = (),
    time: Time = 10_000.0,
    *,
    sequences: str | PathLike[str] | Iterable[str] | Mapping[str, str] = (),
    output: str | PathLike[str] = "generated",
    interval: Time = 10.0,
    equilibrate: Time = 0.0,
    replicas: int = 1,
    model: ModelLike = "peptide",
    seed: int = 0,
    device: str | None = None,
    steps: int | None = None,
    temperature: float | None = None,
    hydrogens: str = "moving",
    relax: bool = False,
    extension: str = "xtc",
    select: str | None = None,
    scheduler: Scheduler = LOCAL,
    workers: int | None = None,
    threads: int | None = None,
    batch: int = 4,
    wait: float = 60.0,
    overwrite: bool = False,
    progress: Report | None = None,
) -> ManyResult:
    """Generate trajectories of many systems on the processes of this machine, or on any Dask cluster.

    A system that fails does not stop the others. What is whole is passed over when it is called again; what a lost
    worker had under way is made again by another. Systems of equal length share calls of the network, in batches that
    depend on the systems alone, so the frames are the same whatever the number of workers.

    Parameters
    ----------
    structures
        Paths, whose stems are the names; or by name anything that `simulate` takes.
    time, interval, equilibrate
        ps, as for `simulate`; times are rounded up to whole intervals.
    sequences
        ``["STHK", "ACE-A-NME"]``, or by name, or the path of a list with one a line or a CSV column ``sequence``.
    output
        Folder; made if absent. Workers write there, so all machines must see it.
    replicas, model, seed, device
        As for `simulate`.
    steps
        Solver steps; default: the model's.
    temperature, hydrogens
        As for `simulate`.
    relax
        Minimise every frame before it is written.
    extension
        Of the trajectories: xtc, dcd, trr, nc, pdb.
    select
        MDAnalysis selection, applied to every structure.
    scheduler
        ``"local"``, an address such as ``"tcp://host:8786"``, or a `distributed.Client` or cluster.
    workers, threads
        Processes of this machine, where the scheduler is local, and torch's threads in each.
    batch
        At most so many systems go through the network together.
    wait
        Seconds to wait for the first worker.
    overwrite
        Make everything again.
    progress
        Called with a `Progress` as work goes on.

    Returns
    -------
    ManyResult
        What was made, what failed and why, and the files by name.

    Raises
    ------
    MDGenError
        If nothing can start: no usable option, two inputs of one name, no scheduler, workers that lack something. And
        if the scheduler or the last worker goes away; what is whole stays.

    Notes
    -----
    A script that calls it with the local scheduler needs ``if __name__ == "__main__":``, as all that starts processes.

    Examples
    --------
    >>> result = openmm_mdgen.simulate_many(Path("pdb").glob("*.pdb"), time=10_000, output="generated")
    >>> print(result.table())
    """
    step = checked_time(interval, "interval", "10.0")
    settings = Settings(
        n_frames=whole_intervals(time, step),
        interval=step,
        skip=whole_intervals(equilibrate, step, "equilibrate") if equilibrate else 0,
        n_replicas=_count("replicas", replicas, 1),
        seed=_count("seed", seed, 0),
        model=_absolute(model),
        device=device,
        steps=None if steps is None else _count("steps", steps, 1),
        hydrogens=checked_hydrogens(hydrogens),
        relax=relax,
        extension=extension.lstrip("."),
        threads=1 if threads is None and scheduler == LOCAL else threads,
    )
    frame_writer_class(f"name.{settings.extension}")
    _count("batch", batch, 1)
    cluster = Cluster(scheduler, workers, threads, wait)
    task = _known_task(settings)
    settings = replace(settings, temperature=sampled_temperature(temperature, model_info(task)))
    listed = structures if isinstance(structures, Mapping) else list(structures)
    systems, broken = find_systems(listed, sequences, select)
    folder = OutputFolder(Path(output).absolute())
    _check_names(systems, settings, folder)
    if overwrite:
        folder.start_anew()
    folder.make()
    demand = Demand(versions(), _named(settings.model), model_info(task).content_hash, folder.path)
    plan = folder.batches(systems, settings.about(demand.model_hash, dict(demand.versions)["openmm-mdgen"]), batch)
    contents = {s.name: s.content() for s in systems}
    calls = [
        Call(tuple(s.name for s in some), (some, settings, folder.path), float(sum(s.n_residues for s in some)))
        for some in plan
        if any(folder.record(s.name, contents[s.name]) is None for s in some)
    ]
    outcomes: list[Outcome] = []
    if calls:
        before = {name for name, content in contents.items() if folder.record(name, content) is not None}
        with cluster.connected(len(calls)) as client:
            found = run_calls(client, simulate_batch, calls, demand, progress, cluster.wait)
        folder.sweep()
        outcomes = [o for o in found if o.name not in before]
    result = gathered(folder, contents, outcomes, broken)
    origins = {x.name: x.origin for x in systems} | {b.name: b.origin for b in broken}
    write_failed(folder.path, result.failed, origins)
    return result


def _count(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise MDGenError(f"{name} {value!r} must be a whole number of {least} or more")
    return value


def _absolute(model: ModelLike) -> ModelLike:
    """A model's path as workers can use it, whatever folder they run in."""
    return str(Path(model).absolute()) if isinstance(model, str | Path) and Path(model).is_file() else model


def _named(model: ModelLike) -> str | None:
    return model if isinstance(model, str) else None


def _known_task(settings: Settings) -> Model:
    """The model on the CPU, to know its range and content: this machine may lack the workers' devices."""
    return loaded_task(replace(settings, device="cpu"))


def _check_names(systems: Sequence[System], settings: Settings, folder: OutputFolder) -> None:
    """No two systems write one file, and none writes over an input."""
    owner: dict[str, str] = {}
    inputs = {Path(s.origin).resolve() for s in systems}
    alike = defaultdict(list)
    for given in inputs:
        alike[given.name.casefold()].append(given)
    for system in systems:
        names = [*settings.names(system.name), *([settings.topology(system.name)] if system.writes_topology else [])]
        for name in names:
            other = owner.setdefault(name.casefold(), system.name)
            if other != system.name:
                raise MDGenError(f"{other!r} and {system.name!r} would both write {name!r}; rename one of them")
            path = folder.path / name
            if path.resolve() in inputs or any(is_same_file(path, given) for given in alike[name.casefold()]):
                raise MDGenError(
                    f"{system.name!r} would write over the input {name!r}; choose another output folder or format"
                )

"""Generated frames of many systems, weighted by short runs of real dynamics."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path

from openmm_mdgen.many.each import Job, run_each
from openmm_mdgen.many.engine import Report
from openmm_mdgen.many.patterns import Patterns, files_content, found_files, listed, matching_names, named_path
from openmm_mdgen.many.results import ManyResult
from openmm_mdgen.many.workers import LOCAL, Cluster, Scheduler


def correct_many(
    generated: Patterns,
    topology: str,
    *,
    output: str | PathLike[str] = "corrected",
    temperature: float | None = None,
    forcefield: Sequence[str] | None = None,
    water: str | None = None,
    select: str = "all",
    seeds: int = 100,
    time: float = 50.0,
    interval: float = 1.0,
    lag: float | None = None,
    rounds: int = 1,
    tolerance: float = 0.0,
    method: str = "iterated",
    n_bootstrap: int = 100,
    platform: str | None = None,
    seed: int = 0,
    scheduler: Scheduler = LOCAL,
    workers: int | None = None,
    wait: float = 60.0,
    overwrite: bool = False,
    progress: Report | None = None,
) -> ManyResult:
    """`openmm_mdgen.correct` for many systems, one a worker; short runs that a lost worker had made are kept.

    Parameters
    ----------
    generated
        Patterns with ``{name}`` where the system's name is, such as ``"generated/{name}*.xtc"``. The systems are those
        of the first pattern.
    topology
        Path with ``{name}``.
    output
        Folder with a folder for each system.
    temperature, forcefield, water, select, seeds, time, interval, lag, rounds, tolerance, method, n_bootstrap
        As for `correct`; ps.
    platform, seed
        As for `correct`. The System is made of the force field.
    scheduler, workers, wait, overwrite, progress
        As for `simulate_many`.

    Returns
    -------
    ManyResult
        What was made, what failed and why, and the files by name.

    Raises
    ------
    MDGenError
        If the pattern has no ``{name}`` or matches nothing, or nothing can start. What is wrong with one system alone
        is told in the result.

    Examples
    --------
    >>> result = openmm_mdgen.correct_many("generated/{name}*.xtc", "generated/{name}.pdb", temperature=300)
    >>> print(result.table())
    """
    options = Options(
        temperature=temperature,
        forcefield=tuple(forcefield) if forcefield else None,
        water=water,
        select=select,
        seeds=seeds,
        time=time,
        interval=interval,
        lag=lag,
        rounds=rounds,
        tolerance=tolerance,
        method=method,
        n_bootstrap=n_bootstrap,
        platform=platform,
        seed=seed,
    )
    folder, patterns = Path(output).absolute(), listed(generated)
    jobs = []
    for name in matching_names(patterns[0]):
        trajectories, topology_file = found_files(patterns, name), named_path(topology, name)
        content = files_content([*trajectories, topology_file])
        size = float(sum(Path(file).stat().st_size for file in trajectories))
        arguments = (name, trajectories, topology_file, folder / ".openmm-mdgen" / f"runs-{name}", options)
        jobs.append(Job(name, arguments, content, trajectories[0], size))
    about = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(options).items()}
    cluster = Cluster(scheduler, workers, None, wait)
    return run_each(correct_one, jobs, folder, about, cluster, overwrite=overwrite, progress=progress)


@dataclass(frozen=True)
class Options:
    """How to correct every system, see `correct_many`."""

    temperature: float | None
    forcefield: tuple[str, ...] | None
    water: str | None
    select: str
    seeds: int
    time: float
    interval: float
    lag: float | None
    rounds: int
    tolerance: float
    method: str
    n_bootstrap: int
    platform: str | None
    seed: int


def correct_one(
    folder: Path, name: str, trajectories: Sequence[str], topology: str, runs: Path, options: Options
) -> dict[str, object]:
    """Correct one system; its runs lie in a folder from which another worker can go on."""
    from openmm_mdgen.correction.correct import correct
    from openmm_mdgen.evaluation.sample import open_sources

    arguments = asdict(options)
    sources = open_sources(list(trajectories), topology, arguments.pop("select"), "generated")
    result = correct(sources, folder=runs, workers=1, progress=False, **arguments)
    result.write(folder / name)
    shutil.rmtree(runs, ignore_errors=True)
    return {"states": int(result.n_states), "ns of runs": float(result.cost_ns), "failed runs": len(result.failures)}

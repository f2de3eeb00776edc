"""Generated trajectories of many systems against reference ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from openmm_mdgen.convert.times import Time, checked_time, to_picoseconds
from openmm_mdgen.many.each import Job, run_each
from openmm_mdgen.many.engine import Report
from openmm_mdgen.many.patterns import NAME, Patterns, files_content, found_files, listed, matching_names, named_path
from openmm_mdgen.many.results import ManyResult
from openmm_mdgen.many.systems import Broken
from openmm_mdgen.many.workers import LOCAL, Cluster, Scheduler


def evaluate_many(
    reference: Patterns,
    generated: Patterns,
    topology: str,
    *,
    output: str | PathLike[str] = "reports",
    generated_topology: str | None = None,
    replicate: Patterns | None = None,
    select: str = "all",
    lag: Time = 100.0,
    discard: Time = 0.0,
    energies: bool = True,
    view: bool = True,
    scheduler: Scheduler = LOCAL,
    workers: int | None = None,
    wait: float = 60.0,
    overwrite: bool = False,
    progress: Report | None = None,
) -> ManyResult:
    """Judge generated trajectories of many systems; a report for each, and all scores in ``systems.csv``.

    Parameters
    ----------
    reference, generated, replicate
        Patterns with ``{name}`` where the system's name is, such as ``"md/{name}/r*.xtc"``. The systems are those of
        the first reference pattern.
    topology, generated_topology
        Paths with ``{name}``, or one file for all.
    output
        Folder with a folder for each system.
    select, lag, discard
        As for `evaluate`; times are ps, or texts such as ``"1ns"``.
    energies, view
        Whether the report has OpenMM energies and the three-dimensional view.
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
    >>> result = openmm_mdgen.evaluate_many("md/{name}/r*.xtc", "generated/{name}*.xtc", "md/{name}/top.pdb")
    >>> print(result.table())
    """
    options = Options(select, checked_time(lag, "lag", "100"), to_picoseconds(discard, "discard"), energies, view)
    patterns = {
        "reference": listed(reference),
        "generated": listed(generated),
        "replicate": listed(replicate) if replicate else [],
    }
    jobs, broken = [], []
    for name in matching_names(patterns["reference"][0]):
        inputs = {side: found_files(some, name) for side, some in patterns.items()}
        missing = [side for side, some in patterns.items() if some and not inputs[side]]
        if missing:
            asked = ", ".join(pattern.replace(NAME, name) for pattern in patterns[missing[0]])
            broken.append(Broken(name, asked, f"no {missing[0]} file matches {asked}; check the path"))
            continue
        topologies = [named_path(pattern, name) for pattern in (topology, generated_topology or topology)]
        files = [*inputs["reference"], *inputs["generated"], *inputs["replicate"], *topologies]
        size = float(sum(Path(file).stat().st_size for file in files if Path(file).is_file()))
        jobs.append(Job(name, (name, inputs, topologies, options), files_content(files), inputs["generated"][0], size))
    about = dict(vars(options))
    cluster = Cluster(scheduler, workers, None, wait)
    return run_each(
        evaluate_one, jobs, Path(output), about, cluster, broken=broken, overwrite=overwrite, progress=progress
    )


@dataclass(frozen=True)
class Options:
    """How to judge every system, see `evaluate_many`."""

    select: str
    lag: float
    discard: float
    energies: bool
    view: bool


def evaluate_one(
    folder: Path, name: str, inputs: dict[str, list[str]], topologies: Sequence[str], options: Options
) -> dict[str, object]:
    """Write the report of one system; returns its scores."""
    from openmm_mdgen.evaluation import evaluate
    from openmm_mdgen.evaluation.distances import Estimate

    result = evaluate(
        inputs["reference"],
        inputs["generated"],
        topologies[0],
        generated_topology=topologies[1],
        replicate=inputs["replicate"] or None,
        select=options.select,
        lag=options.lag,
        discard=options.discard,
        n_energies=100 if options.energies else 0,
        view=options.view,
    )
    result.write(folder / name)
    scores: dict[str, Estimate | float] = {
        f"JSD {key}": value for key, value in result.scores.ensemble.figures().items()
    }
    scores |= {"JSD states": result.scores.states, "flux": result.scores.flux}
    scores |= {f"autocorrelation {key}": value for key, value in result.scores.autocorrelation.items()}
    numbers = {key: float(value.value if isinstance(value, Estimate) else value) for key, value in scores.items()}
    return {key: round(number, 4) for key, number in numbers.items() if np.isfinite(number)}

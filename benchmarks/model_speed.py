"""Frames per second of models, side by side in one run: 16 replicas by command, one replica through a Simulation.

    python benchmarks/model_speed.py ../shared/data/tetrapeptides/test/QGRE/allatom.pdb
    python benchmarks/model_speed.py ../shared/data/tetrapeptides/test/QGRE/allatom.pdb --length 2 --length 4 --length 8

Hydrogens and XTC files are included; the start of the process (imports, weights) is measured apart, by a run of one
block. Models take turns, twice; the faster turn counts. ``name:5`` asks for five midpoint steps. Seconds of a processor
count on a busy machine too. With ``--length`` there is a second table, of peptides of so many residues by the last
model.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import click
from ensemble_tables import table
from openmm import Platform, app, unit

from openmm_mdgen import GenerativeIntegrator
from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.weights.checkpoint import load_task

COMMAND = [sys.executable, "-c", "from openmm_mdgen.cli import main; main()"]
REPLICAS, SHORT = 16, 63  # replicas; frames of one block
RESIDUES = "SEQRKTLDVNYA"  # peptides of a length are its first so many


class Took(NamedTuple):
    """Seconds of a whole command, by the clock and of the processors."""

    wall: float
    processor: float


def by_command(source: Sequence[str], model: str, n_frames: int) -> Took:
    """What the command takes for a structure, or for ``--sequence`` and one."""
    name, _, steps = model.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        words = ["simulate", *source, "--time", f"{10 * n_frames}ps", "--replicas", str(REPLICAS), "--quiet"]
        words += ["--model", name, "-o", str(Path(folder) / "out.xtc"), *(["--steps", steps] if steps else [])]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def least(turns: Iterable[Took]) -> Took:
    """The least of either."""
    return Took(*(min(column) for column in zip(*turns, strict=True)))


def rates(began: Took, whole: Took, n_frames: int) -> tuple[float, float]:
    """Frames/s, and microseconds of a processor per frame, without the start of the process."""
    n = REPLICAS * (n_frames - SHORT)
    return n / (whole.wall - began.wall), 1e6 * (whole.processor - began.processor) / n


def by_simulation(pdb: Path, model: str, n_frames: int) -> float:
    """Frames per second of one replica with an XTCReporter, after the first block."""
    name, _, steps = model.partition(":")
    task = load_task(name)
    assert isinstance(task, Simulate)
    file = app.PDBFile(str(pdb))
    integrator = GenerativeIntegrator(
        file.topology,
        temperature=350 * unit.kelvin,
        stepSize=4 * unit.femtoseconds,
        model=task.with_steps(int(steps)) if steps else task,
    )
    system = build_system(file.topology)
    simulation = app.Simulation(file.topology, system, integrator, Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(file.positions)
    with tempfile.TemporaryDirectory() as folder:
        simulation.reporters.append(app.XTCReporter(str(Path(folder) / "out.xtc"), 2500))
        simulation.step(SHORT * 2500)
        began = time.perf_counter()
        simulation.step(n_frames * 2500)
        return n_frames / (time.perf_counter() - began)


@click.command()
@click.argument("pdb", type=click.Path(exists=True, path_type=Path))
@click.option("--model", "models", multiple=True, default=("peptide-0.1", "peptide:5", "peptide"), show_default=True)
@click.option("--frames", default=630, show_default=True, help="of each replica")
@click.option("--turns", default=2, show_default=True)
@click.option("--length", "lengths", multiple=True, type=click.IntRange(2, len(RESIDUES)), help="Residues; repeat.")
@click.option("--only-lengths", is_flag=True, help="Leave the table of models out.")
def main(
    pdb: Path, models: tuple[str, ...], frames: int, turns: int, lengths: tuple[int, ...], only_lengths: bool
) -> None:
    """Print the tables."""
    click.echo(f"{pdb.parent.name}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    if not only_lengths:
        click.echo(table_of_models(pdb, models, frames, turns))
    if lengths:
        click.echo(table_of_lengths(models[-1], lengths, frames, turns))


def table_of_models(pdb: Path, models: Sequence[str], frames: int, turns: int) -> str:
    """A row a model, which take turns."""
    began = {m: least(by_command([str(pdb)], m, SHORT) for _ in range(turns)) for m in models}
    command: dict[str, list[Took]] = {m: [] for m in models}
    alone: dict[str, list[float]] = {m: [] for m in models}
    for _ in range(turns):
        for model in models:
            command[model].append(by_command([str(pdb)], model, frames))
            alone[model].append(by_simulation(pdb, model, frames // 2))
    found = {m: rates(began[m], least(command[m]), frames) for m in models}
    rows = []
    for m in models:
        ratios = found[m][0] / found[models[0]][0], max(alone[m]) / max(alone[models[0]])
        whole = REPLICAS * frames / least(command[m]).wall
        numbers = [f"{found[m][0]:.0f}", f"{ratios[0]:.2f}", f"{found[m][1]:.0f}", f"{whole:.0f}"]
        rows.append([m, *numbers, f"{max(alone[m]):.0f}", f"{ratios[1]:.2f}"])
    replicas = f"frames/s, {REPLICAS} replicas"
    return table(["model", replicas, "x", "processor, µs a frame", "with the start", "frames/s, Simulation", "x"], rows)


def table_of_lengths(model: str, lengths: Sequence[int], frames: int, turns: int) -> str:
    """A row a length."""
    rows = []
    for n in lengths:
        source = ["--sequence", RESIDUES[:n]]
        began, whole = (least(by_command(source, model, k) for _ in range(turns)) for k in (SHORT, frames))
        speed, processor = rates(began, whole, frames)
        rows.append(
            [str(n), RESIDUES[:n], f"{speed:.0f}", f"{speed * n:.0f}", f"{processor:.0f}", f"{processor / n:.0f}"]
        )
    per = "processor, µs a frame", "and a residue"
    return table(["residues", "sequence", f"frames/s, {REPLICAS} replicas", "residues a second", *per], rows)


if __name__ == "__main__":
    main()

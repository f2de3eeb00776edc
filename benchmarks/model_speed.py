"""Frames per second of models, side by side in one run: 16 replicas by command, one replica through a Simulation.

    python benchmarks/model_speed.py ../shared/data/tetrapeptides/test/QGRE/allatom.pdb

Hydrogens and XTC files are included; the start of the process (imports, weights) is measured apart, by a run of one
block. Models take turns, twice; the faster turn counts. ``name:5`` asks for five midpoint steps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from ensemble_tables import table
from openmm import Platform, app, unit

from openmm_mdgen import GenerativeIntegrator
from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.weights.checkpoint import load_task

COMMAND = [sys.executable, "-c", "from openmm_mdgen.cli import main; main()"]
REPLICAS, SHORT = 16, 63  # replicas; frames of one block


def by_command(pdb: Path, model: str, n_frames: int) -> float:
    """Seconds of the whole command."""
    name, _, steps = model.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        words = ["simulate", str(pdb), "--time", f"{10 * n_frames}ps", "--replicas", str(REPLICAS), "--quiet"]
        words += ["--model", name, "-o", str(Path(folder) / "out.xtc"), *(["--steps", steps] if steps else [])]
        began = time.perf_counter()
        subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


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
def main(pdb: Path, models: tuple[str, ...], frames: int, turns: int) -> None:
    """Print the table."""
    began = {m: min(by_command(pdb, m, SHORT) for _ in range(turns)) for m in models}
    command: dict[str, list[float]] = {m: [] for m in models}
    alone: dict[str, list[float]] = {m: [] for m in models}
    for _ in range(turns):
        for model in models:
            command[model].append(by_command(pdb, model, frames))
            alone[model].append(by_simulation(pdb, model, frames // 2))
    speeds = {m: REPLICAS * (frames - SHORT) / (min(command[m]) - began[m]) for m in models}
    rows = []
    for m in models:
        ratios = speeds[m] / speeds[models[0]], max(alone[m]) / max(alone[models[0]])
        whole = REPLICAS * frames / min(command[m])
        rows.append(
            [m, f"{speeds[m]:.0f}", f"{ratios[0]:.2f}", f"{whole:.0f}", f"{max(alone[m]):.0f}", f"{ratios[1]:.2f}"]
        )
    click.echo(f"{pdb.parent.name}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    heads = ["model", "frames/s, 16 replicas", "x", "with the start", "frames/s, Simulation", "x"]
    click.echo(table(heads, rows))


if __name__ == "__main__":
    main()

"""What a nanosecond costs on one core, in processor seconds: MD on the Reference platform beside models.

    OMP_NUM_THREADS=1 python benchmarks/core_seconds.py ../shared/data/tetrapeptides/test/QGRE --json cost.json

Processor seconds, so that other work on the machine changes little. MD: the same System as in the examples, 4 fs.
Models: 16 replicas in a batch, atoms and hydrogens included, files not. Turns alternate, three times; the best turn
counts.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np
import openmm as mm
import torch
from ensemble_tables import table
from openmm import app
from speed import STEP, simulation_of
from temperatures import REPLICAS, load

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.tasks.propagator import Propagator, next_blocks

INTERVAL, KELVIN = 10.0, 350.0  # ps, K


def md_rate(simulation: app.Simulation, seconds: float) -> float:
    """ns of MD for a processor second."""
    began, steps = time.process_time(), 0
    while time.process_time() - began < seconds:
        simulation.integrator.step(100)
        steps += 100
    return steps * STEP / 1000 / (time.process_time() - began)


def model_rate(propagator: Propagator, anchors: np.ndarray, seconds: float) -> float:
    """ns of all replicas together for a processor second."""
    began, made, block = time.process_time(), 0.0, 0
    while time.process_time() - began < seconds:
        frames = next_blocks(propagator, anchors, [1000 * block + r for r in range(REPLICAS)])
        made += frames.shape[0] * frames.shape[1] * INTERVAL / 1000
        block += 1
    return made / (time.process_time() - began)


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--model", "models", multiple=True, default=("peptide-0.1", "peptide:5", "peptide"), show_default=True)
@click.option("--seconds", default=4.0, show_default=True, help="processor seconds a turn")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(folder: Path, models: tuple[str, ...], seconds: float, json_path: Path | None) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    pdb = app.PDBFile(str(folder / "allatom.pdb"))
    system = build_system(pdb.topology, hydrogen_mass=3.0)
    simulation = simulation_of(pdb, system, mm.LangevinMiddleIntegrator(KELVIN, 0.3, STEP), "Reference")
    start = mda.Universe(folder / "allatom.pdb").atoms
    anchors = np.repeat(start.positions[None].astype(float), REPLICAS, axis=0)
    propagators = {}
    for name in models:
        task = load(name)
        low, high = task.temperatures or (0.0, 0.0)
        propagators[name] = task.bind(load_structure(start), INTERVAL, temperature=KELVIN if high > low else None)
        next_blocks(propagators[name], anchors, range(REPLICAS))
    rates: dict[str, list[float]] = {"OpenMM, Reference": [], **{name: [] for name in models}}
    for _ in range(3):
        rates["OpenMM, Reference"].append(md_rate(simulation, seconds))
        for name, propagator in propagators.items():
            rates[name].append(model_rate(propagator, anchors, seconds))
    best = {name: max(found) for name, found in rates.items()}
    md = best["OpenMM, Reference"]
    click.echo(table(["", "ns a core second", "x MD"], [[n, f"{v:.3g}", f"{v / md:.0f}"] for n, v in best.items()]))
    if json_path:
        json_path.write_text(json.dumps({"peptide": folder.name, "ns_per_core_second": best}, indent=1))


if __name__ == "__main__":
    main()

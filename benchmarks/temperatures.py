"""Models against MD at one temperature, each peptide a row: ensemble, order in time, structure.

    python benchmarks/temperatures.py ../shared/data/peptides/test --model peptide-0.1 --model peptide
    python benchmarks/temperatures.py ../shared/data/T300/test --temperature 300 --model peptide-0.1 --model peptide

Sixteen replicas a peptide, after 630 ps. JSD: against the second half of the MD replicas, the floor is the first half
against it. Autocorrelations: mean over torsions of the absolute difference from all MD, the floor is one half of the MD
against the other. A model of one temperature makes its own. A model may be written ``name:5`` for five midpoint steps.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import click
import MDAnalysis as mda
import numpy as np
from ensemble_tables import table

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.evaluation.distances import histograms, jsd
from openmm_mdgen.evaluation.dynamics import autocorrelation
from openmm_mdgen.evaluation.structure import check_structure
from openmm_mdgen.evaluation.topology import Topology, heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.weights.checkpoint import load_task

REPLICAS, DISCARDED = 16, 1  # blocks
LAGS = {10: 1, 100: 10, 1000: 100}  # ps: frames


def generate(task: Simulate, start: mda.AtomGroup, n_frames: int, temperature: float, seed: int = 0) -> np.ndarray:
    """Heavy atoms (R, F, N, 3) of replicas that go on block by block."""
    low, high = task.temperatures or (0.0, 0.0)
    propagator = task.bind(load_structure(start), 10.0, temperature=temperature if high > low else None)
    anchors = np.repeat(start.positions[None].astype(float), REPLICAS, axis=0)
    blocks: list[np.ndarray] = []
    while sum(b.shape[1] for b in blocks[DISCARDED:]) < n_frames:
        seeds = [block_seed(seed, len(blocks), r) for r in range(REPLICAS)]
        blocks.append(propagator.next_blocks(anchors, seeds))
        anchors = blocks[-1][:, -1]
    return np.concatenate(blocks[DISCARDED:], 1)[:, :n_frames]


def scores(md: np.ndarray, made: np.ndarray, floor: bool) -> dict[str, np.ndarray]:
    """JSD and differences of autocorrelations, (T,) each, of angles (R, F, T)."""
    half = len(md) // 2
    ours, reference = (md[:half], md[half:]) if floor else (made, md)
    longest = min(ours.shape[1], reference.shape[1]) - 1
    curves = [autocorrelation(list(x), longest) for x in (reference, ours)]
    found = {"jsd": jsd(histograms(list(md[half:])).sum(0), histograms(list(ours)).sum(0))}
    lags = {name: k for name, k in LAGS.items() if k <= longest}
    return found | {f"{name} ps": np.abs(curves[1][k] - curves[0][k]) for name, k in lags.items()}


def rows_of(name: str, peptide: str, found: dict[str, np.ndarray], backbone: np.ndarray, more: dict[str, Any]) -> dict:
    """Means over backbone and side-chain torsions."""
    parts = {"backbone": backbone, "side chains": ~backbone}
    means = {p: {k: float(v[which].mean()) for k, v in found.items()} for p, which in parts.items() if which.any()}
    return {"model": name, "peptide": peptide, **means, **more}


def of_peptide(folder: Path, models: dict[str, Simulate], n_frames: int, temperature: float) -> list[dict]:
    """A row for the floor and for every model."""
    start = mda.Universe(folder / "allatom.pdb").atoms
    heavy = heavy_atoms(start)
    topology: Topology = topology_of(heavy)
    files = sorted(folder.glob("r??.xtc"))
    frames = [mda.Universe(folder / "heavy.pdb", str(p)).trajectory.timeseries(order="fac") for p in files]
    md = np.stack([torsion_angles(x, topology.torsions) for x in frames])
    backbone = np.array([t.backbone for t in topology.torsions])
    rows = [rows_of("MD, half against half", folder.name, scores(md, md, True), backbone, {})]
    for name, task in models.items():
        began = time.perf_counter()
        made = generate(task, start, n_frames, temperature)[:, :, heavy.indices]
        seconds = time.perf_counter() - began
        angles = np.stack([torsion_angles(x, topology.torsions) for x in made])
        shares = check_structure(made.reshape(-1, *made.shape[2:]), topology).shares()
        more = {"structure": shares, "frames_per_s": REPLICAS * n_frames / seconds}
        rows.append(rows_of(name, folder.name, scores(md, angles, False), backbone, more))
    return rows


def printed(rows: list[dict]) -> str:
    """A line for each part of each row."""
    cells = []
    for row in rows:
        for part in ("backbone", "side chains"):
            if part in row:
                values = [f"{row[part].get(k, float('nan')):.3f}" for k in ("jsd", "10 ps", "100 ps", "1000 ps")]
                clash = row.get("structure", {}).get("clash")
                cells.append([row["peptide"], row["model"], part, *values, "" if clash is None else f"{clash:.2%}"])
    return table(["peptide", "model", "torsions", "JSD", "10 ps", "100 ps", "1 ns", "clashes"], cells)


def means(rows: list[dict]) -> list[dict]:
    """Means over peptides for every model."""
    found = []
    for name in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == name]
        mean: dict[str, Any] = {"model": name, "peptide": "mean"}
        for part in ("backbone", "side chains"):
            have = [row[part] for row in mine if part in row]
            mean[part] = {k: float(np.mean([h[k] for h in have if k in h])) for k in have[0]}
        found.append(mean)
    return found


def load(name: str) -> Simulate:
    """A model, with another number of midpoint steps for ``name:steps``."""
    path, _, steps = name.partition(":")
    task = load_task(path)
    assert isinstance(task, Simulate)
    return task.with_steps(int(steps)) if steps else task


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--model", "models", multiple=True, default=("peptide",), show_default=True)
@click.option("--temperature", default=350.0, show_default=True, help="K")
@click.option("--frames", default=600, show_default=True, help="of each replica, 10 ps apart")
@click.option("--only", multiple=True, help="These peptides only.")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(
    data: Path, models: tuple[str, ...], temperature: float, frames: int, only: tuple[str, ...], json_path: Path | None
) -> None:
    """Print the tables."""
    warnings.simplefilter("ignore")
    tasks = {name: load(name) for name in models}
    rows: list[dict] = []
    for folder in sorted(p.parent for p in data.glob("*/heavy.pdb") if not only or p.parent.name in only):
        rows += of_peptide(folder, tasks, frames, temperature)
        click.echo(printed(rows[-1 - len(tasks) :]))
    click.echo(printed(means(rows)))
    if json_path:
        json_path.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

"""Relaxation times as a scatter plot, and the wall time of MD that scores the same as what was generated.

    python benchmarks/ensemble.py ../shared/data/tetrapeptides/test cache/test/tetrapeptides --json cache/ensemble.json
    python benchmarks/time_and_cost.py cache/ensemble.json ../shared/data/tetrapeptides/test

MD's wall time is its length over its speed on the fastest platform here, measured now; generation is timed now too (one
process, start-up included), with as many trajectories of the same length as were scored.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from ensemble_tables import table
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from openmm import app
from speed import COMMAND, fastest_md

from openmm_mdgen.forcefield.build import build_system


def draw(peptides: list[dict], path: Path) -> float:
    """Generated against MD's relaxation times, backbone and side chains; the correlation of their logarithms."""
    figure = Figure(figsize=(4, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    pairs = []
    for label, marker, color in (("backbone", "o", "#0072B2"), ("side chains", "^", "#D55E00")):
        points = [
            (md, made)
            for p in peptides
            for md, made, name in zip(
                p["time"]["relaxation_md"], p["time"]["relaxation_generated"], p["time"]["torsions"], strict=True
            )
            if name.startswith(("phi", "psi")) == (label == "backbone") and np.isfinite([md, made]).all()
        ]
        pairs += points
        axes.loglog(*zip(*points, strict=True), marker, color=color, label=label, ms=5, mfc="none")
    limits = [0.7 * np.min(pairs), 1.4 * np.max(pairs)]
    axes.plot(limits, limits, color="0.6", lw=0.8, zorder=0)
    axes.set(xlabel="relaxation time in MD, ps", ylabel="generated, ps", xlim=limits, ylim=limits, aspect="equal")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)
    return float(np.corrcoef(np.log(pairs).T)[0, 1])


def generation_seconds(structure: Path, nanoseconds: float, replicas: int, model: str) -> float:
    """Wall seconds of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["simulate", str(structure), "--time", f"{nanoseconds / replicas:g}ns", "--replicas", str(replicas)]
        words += ["--equilibrate", "500ps", "--model", model, "-o", f"{folder}/r.xtc"]
        began = time.perf_counter()
        subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


@click.command()
@click.argument("scores", type=click.Path(exists=True, path_type=Path))
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--replicas", default=8, show_default=True)
@click.option("--model", default="peptide", show_default=True)
@click.option("--picture", type=click.Path(path_type=Path), default=Path("docs/images/relaxation_times.png"))
def main(scores: Path, data: Path, replicas: int, model: str, picture: Path) -> None:
    """Draw PICTURE and print the table."""
    peptides = json.loads(scores.read_text(encoding="utf-8"))
    r = draw(peptides, picture)
    rows = []
    for p in peptides:
        pdb = app.PDBFile(str(data / p["peptide"] / "allatom.pdb"))
        platform, speed = fastest_md(pdb, build_system(pdb.topology, hydrogen_mass=3.0), 2.0)
        seconds = generation_seconds(data / p["peptide"] / "allatom.pdb", p["generated_ns"], replicas, model)
        cells = [p["peptide"], f"{seconds:.1f}", f"{speed:.4f} ({platform})"]
        for kind in ("backbone", "side_chains"):
            length = p["ensemble"][kind]["md_ns"]
            more = "more than " if np.isinf(length) else ""
            length = p["generated_ns"] if np.isinf(length) else length
            cells += [f"{more}{length:.1f}", f"{more}{length / speed / seconds:.0f}"]
        rows.append(cells)
    head = ["peptide", "generated in, s", "MD, ns/s", "MD that scores the same (backbone), ns", "its wall time / ours"]
    click.echo(table([*head, "MD that scores the same (side chains), ns", "its wall time / ours"], rows))
    click.echo(f"\nrelaxation times: r of logarithms {r:.2f}, {picture}")


if __name__ == "__main__":
    main()

"""A surrogate of one molecule against its MD, beside 40 random halvings of the MD, as a markdown table.

    openmm-mdgen train md/ --molecule --temperature 300 -o run
    python benchmarks/molecule.py ../shared/proteins/chignolin300 --weights run/model.safetensors --temperature 300

Replicas 0 to 7 are what may be trained on, 8 to 15 (--against) what is compared with. Native is the first frame of the
first replica, or --native. Without --weights the MD's own rows are printed.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from MDAnalysis import Universe
from upsampling import metrics_module

import openmm_mdgen
from openmm_mdgen.evaluation.fold import Band, band, halvings, score_fold

NAMES = ("RMSF r", "RMSF, Å", "pairwise RMSD, Å", "native contacts", "folded frames")


def load(folder: Path, replicas: list[int]) -> tuple[Universe, np.ndarray]:
    """Heavy atoms (R, F, N, 3) in Å."""
    universe, frames = Universe(str(folder / "heavy.pdb")), []
    for k in replicas:
        universe.load_new(str(folder / f"r{k:02d}.xtc"))
        frames.append(np.array([ts.positions.copy() for ts in universe.trajectory]))
    return universe, np.stack(frames)


def generate(universe: Universe, starts: np.ndarray, weights: str, n_frames: int, temperature: float) -> np.ndarray:
    """(R, F, N, 3) Å, a replica from each start (R, N, 3)."""
    made = []
    for seed, start in enumerate(starts):
        one = universe.copy()
        one.load_new(start[None])
        run = openmm_mdgen.simulate(one, (n_frames - 1) * 10.0, 10.0, weights, seed, temperature=temperature)
        made.append(np.array([ts.positions.copy() for ts in run.trajectory])[:n_frames])
    return np.stack(made)


def measures(
    judged: np.ndarray, reference: np.ndarray, native: np.ndarray, alphas: np.ndarray, metrics, quads
) -> dict[str, float]:
    """One row."""
    fold = asdict(score_fold(judged[:, :, alphas], reference[:, :, alphas], native[alphas]))
    row = dict(zip(NAMES, fold.values(), strict=True))
    angles, others = (np.stack([torsions(x, quads) for x in side]) for side in (judged, reference))
    row["torsion JSD"] = float(
        np.mean([metrics.jsd(angles[..., k].ravel(), others[..., k].ravel()) for k in range(len(quads))])
    )
    for lag in (1, 10):
        row[f"autocorrelation, {10 * lag} ps"] = float(np.mean(metrics.autocorrelation(angles, lag)))
    return row


def torsions(frames: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """(F, N, 3) Å -> (F, T) radians."""
    from MDAnalysis.lib.distances import calc_dihedrals

    corners = (frames[:, quads[:, k]].reshape(-1, 3).astype(np.float32) for k in range(4))
    return calc_dihedrals(*corners).reshape(len(frames), -1)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--weights", multiple=True, help="Weights files, a column each.")
@click.option("--replicas", default=8, show_default=True, help="Trajectories to generate.")
@click.option("--frames", default=400, show_default=True)
@click.option("--temperature", default=300.0, show_default=True)
@click.option("--against", default="8-15", show_default=True, help="Replicas of the MD to compare with.")
@click.option("--native", type=click.Path(path_type=Path), help="PDB file of the native structure, heavy atoms alike.")
@click.option("--shared", type=click.Path(path_type=Path), default=Path("../shared"), show_default=True)
def main(
    folder: Path,
    weights: tuple[str, ...],
    replicas: int,
    frames: int,
    temperature: float,
    against: str,
    native: Path | None,
    shared: Path,
) -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    metrics = metrics_module(shared)
    universe, md = load(folder, list(range(16)))
    quads = np.array([quad for _, quad in metrics.quadruples(universe)])
    alphas = np.flatnonzero(universe.atoms.names == "CA")
    start = md[0, 0] if native is None else Universe(str(native)).atoms.positions
    first, last = (int(x) for x in against.split("-"))
    held = md[first : last + 1]

    def row(judged: np.ndarray, reference: np.ndarray) -> dict[str, float]:
        return measures(judged, reference, start, alphas, metrics, quads)

    found = [row(md[a], md[b]) for a, b in halvings(16)]
    bands: dict[str, Band] = {name: band([one[name] for one in found]) for name in found[0]}
    columns = {"MD 0-7": row(md[:8], held)}
    for path in weights:
        began = time.perf_counter()
        made = generate(universe, held[np.arange(replicas) % len(held), 0], path, frames, temperature)
        seconds = time.perf_counter() - began
        columns[path] = row(made, held)
        click.echo(f"{path}: {replicas * frames / 100:g} ns in {seconds:.0f} s")
    head = [f"against MD {against}", "5th to 95th percentile of halvings", *columns]
    lines = [head, ["---"] * len(head)]
    for name, limits in bands.items():
        numbers = [
            f"{one[name]:.3f}{'' if limits.low <= one[name] <= limits.high else ' (outside)'}"
            for one in columns.values()
        ]
        lines.append([name, f"{limits.low:.3f} to {limits.high:.3f}", *numbers])
    click.echo("\n".join("| " + " | ".join(line) + " |" for line in lines))


if __name__ == "__main__":
    main()

"""Upsampling of a folded protein against MD with a frame every 0.1 ps: torsions over time, steps, bonds, angles.

    python benchmarks/upsampling_fold.py trpcage.pdb trpcage.dcd --spacing 1 --temperature 300 --shared ../shared
    python benchmarks/upsampling_fold.py ../shared/proteins/chignolin300/heavy.pdb \
        ../shared/proteins/chignolin300/burst00.xtc --spacing 10 --temperature 300

MD of Trp-cage is made as ``../shared/mdsim`` makes it (ff14SB, OBC2, 300 K, 4 fs), saved every 25 steps. With
``--anew KELVIN``, where the trajectory has all atoms, MD itself is started anew at each key frame, with fresh
velocities and the same force field, and runs until the next: what anything can know that sees the key frame before a
gap only.
"""

from __future__ import annotations

import warnings
from dataclasses import fields
from pathlib import Path

import click
import numpy as np
import openmm as mm
from MDAnalysis import Universe
from openmm import app, unit
from upsampling import Way, by_model, cartesian, held, metrics_module, score, table, torsion_angles
from upsampling_metrics import BANDS, Shape, band_power, shape

from openmm_mdgen.forcefield.build import build_system

INTERVAL = 0.1  # ps
STEP = 0.004  # ps
HYDROGEN_MASS = 3.0  # amu


def started_anew(topology: str, kelvin: float) -> Way:
    """MD from every key frame of all atoms, with velocities of its own."""
    system = build_system(app.PDBFile(topology).topology, HYDROGEN_MASS)
    integrator = mm.LangevinMiddleIntegrator(kelvin * unit.kelvin, 0.3 / unit.picosecond, STEP * unit.picoseconds)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("CPU"), {"Threads": "1"})

    def way(universe: Universe, keys: np.ndarray, factor: int, seed: int) -> np.ndarray:
        frames = []
        for k, key in enumerate(keys[:-1].astype(float)):
            context.setPositions(key / 10)
            context.applyConstraints(1e-6)
            context.setVelocitiesToTemperature(kelvin, 1 + seed + 1000 * k)
            frames.append(key)
            for _ in range(factor - 1):
                integrator.step(round(INTERVAL / STEP))
                found = context.getState(getPositions=True).getPositions(asNumpy=True)
                frames.append(found.value_in_unit(unit.angstrom))
        return np.array([*frames, keys[-1]], dtype=np.float32)

    return way


@click.command()
@click.argument("topology")
@click.argument("trajectory")
@click.option("--spacing", default=1.0, show_default=True, help="ps between key frames")
@click.option("--gaps", default=48, show_default=True, help="how many gaps of the trajectory, from its start")
@click.option("--model", default="peptide", show_default=True)
@click.option("--temperature", type=float, help="K, told to the model, where it knows several.")
@click.option("--anew", type=float, help="Also MD at this temperature in K, started anew at every key frame.")
@click.option("--seeds", default=1, show_default=True, help="Over which errors are averaged.")
@click.option("--shared", type=click.Path(path_type=Path), default=Path("../shared"), show_default=True)
def main(
    topology: str,
    trajectory: str,
    spacing: float,
    gaps: int,
    model: str,
    temperature: float | None,
    anew: float | None,
    seeds: int,
    shared: Path,
) -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    factor, metrics = round(spacing / INTERVAL), metrics_module(shared)
    whole = Universe(topology, trajectory)
    frames = np.array([ts.positions.copy() for ts in whole.trajectory])[: gaps * factor + 1]
    frames = frames[: (len(frames) - 1) // factor * factor + 1]
    universe = Universe(topology, frames[:2])
    quads = np.array([quad for _, quad in metrics.quadruples(universe)])
    ways: dict[str, Way] = {
        model: by_model(model, INTERVAL, temperature),
        "Cartesian": cartesian,
        "thinned, held": held,
    }
    if anew is not None:
        ways["MD anew"] = started_anew(topology, anew)
    scores = {
        name: score(metrics, universe, [frames], quads, factor, way, INTERVAL, range(seeds))
        for name, way in ways.items()
    }
    md = shape(frames, frames, factor)
    power = band_power(np.exp(1j * torsion_angles(frames, quads))[None], INTERVAL)
    rows = [["autocorrelation error", "", *(f"{one.error.mean():.4f}" for one in scores.values())]]
    rows += [["frames/s", "", *(f"{one.frames_per_second:.0f}" for one in scores.values())]]
    for field in fields(Shape):
        numbers = [f"{getattr(one.shape, field.name):.3f}" for one in scores.values()]
        rows.append([field.name.replace("_", " "), f"{getattr(md, field.name):.3f}", *numbers])
    for band, (low, high) in enumerate(BANDS):
        shares = [f"{one.power[band] / power[band]:.2f}" for one in scores.values()]
        rows.append([f"power, {low:g} to {high:g} per ps, of MD's", "1", *shares])
    click.echo(f"{len(frames)} frames, key frames {spacing:g} ps apart, made {factor}x finer")
    click.echo(table(["Å, degrees", "MD", *scores], rows))


if __name__ == "__main__":
    main()

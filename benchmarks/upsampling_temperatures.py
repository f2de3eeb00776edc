"""Upsampling at several temperatures against MD with a frame every 0.1 ps: a folder per peptide.

    python benchmarks/upsampling_temperatures.py bursts/ --spacing 10 --model peptide --model old.safetensors

A folder has heavy.pdb, burst*.xtc and a temperatures.csv, which says what each burst was run at. Bursts within 15 K of
a temperature are scored together, each told its own; weights that know one temperature are told none.
"""

from __future__ import annotations

import warnings
from dataclasses import fields
from pathlib import Path

import click
import numpy as np
from MDAnalysis import Universe
from upsampling import cartesian, correlation, metrics_module, table, torsion_angles
from upsampling_metrics import Shape, shape

from openmm_mdgen.train.cache import temperature_of
from openmm_mdgen.upsampling import upsample
from openmm_mdgen.weights.roles import as_upsampler

INTERVAL = 0.1  # ps
WITHIN = 15.0  # K
SHOWN = ("step_beside", "step_middle", "from_key", "bond_spread", "angle_spread")

Bursts = list[tuple[float, np.ndarray]]


def read_bursts(folder: Path, kelvin: float, default: float, factor: int) -> tuple[Universe, Bursts]:
    """The bursts near a temperature with their own, cut to whole gaps."""
    universe, bursts = Universe(str(folder / "heavy.pdb")), []
    for path in sorted(folder.glob("burst*.xtc")):
        own = temperature_of(path, default)
        if abs(own - kelvin) <= WITHIN:
            universe.load_new(str(path))
            frames = np.array([ts.positions.copy() for ts in universe.trajectory])
            bursts.append((own, frames[: (len(frames) - 1) // factor * factor + 1]))
    return universe, bursts


def filled(
    universe: Universe, frames: np.ndarray, factor: int, model: str, kelvin: float | None, seed: int
) -> np.ndarray:
    """A burst thinned and made finer again; ``Cartesian`` for straight lines."""
    keys = frames[::factor]
    if model == "Cartesian":
        return cartesian(universe, keys, factor, seed)
    coarse = universe.copy()
    coarse.load_new(keys, dt=factor * INTERVAL)
    fine = upsample(coarse, INTERVAL, model=model, seed=seed, temperature=kelvin)
    return np.array([ts.positions.copy() for ts in fine.trajectory])


def mean_shape(made: list[np.ndarray], bursts: Bursts, factor: int) -> np.ndarray:
    """Mean over bursts of the fields of `Shape`."""
    shapes = [shape(frames, md, factor) for frames, (_, md) in zip(made, bursts, strict=True)]
    return np.array([[getattr(one, field.name) for field in fields(Shape)] for one in shapes]).mean(0)


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--spacing", default=10.0, show_default=True, help="ps between key frames")
@click.option("--at", multiple=True, type=float, default=(300.0, 350.0, 400.0), show_default=True, help="K")
@click.option("--model", "models", multiple=True, default=("peptide",), show_default=True)
@click.option("--told", type=float, help="Tell every burst this temperature in K, whatever its own is.")
@click.option("--default", default=350.0, show_default=True, help="K of bursts that no temperatures.csv names.")
@click.option("--seeds", default=1, show_default=True)
@click.option("--only", multiple=True, help="These peptides only.")
@click.option("--shared", type=click.Path(path_type=Path), default=Path("../shared"), show_default=True)
def main(
    data: Path,
    spacing: float,
    at: tuple[float, ...],
    models: tuple[str, ...],
    told: float | None,
    default: float,
    seeds: int,
    only: tuple[str, ...],
    shared: Path,
) -> None:
    """Print a table: mean over peptides."""
    warnings.filterwarnings("ignore")
    metrics, factor = metrics_module(shared), round(spacing / INTERVAL)
    one = {m for m in models if as_upsampler(m).info.temperature is not None}
    rows, names = [], ["Cartesian", *models]
    for kelvin in at:
        errors: dict[str, list[float]] = {name: [] for name in names}
        shapes: dict[str, list[np.ndarray]] = {name: [] for name in ["MD", *names]}
        for folder in sorted(p for p in data.iterdir() if (p / "heavy.pdb").exists() and (not only or p.name in only)):
            universe, bursts = read_bursts(folder, kelvin, default, factor)
            if not bursts:
                continue
            quads = np.array([quad for _, quad in metrics.quadruples(universe)])
            lags = range(1, factor)
            md = correlation(metrics, np.stack([torsion_angles(x, quads) for _, x in bursts]), lags)
            shapes["MD"].append(mean_shape([x for _, x in bursts], bursts, factor))
            for name in names:
                drawn = []
                for seed in range(1 if name == "Cartesian" else seeds):
                    made = [
                        filled(universe, x, factor, name, None if name in one else told or own, 100 * seed + k)
                        for k, (own, x) in enumerate(bursts)
                    ]
                    found = correlation(metrics, np.stack([torsion_angles(x, quads) for x in made]), lags)
                    drawn.append(np.abs(found - md).mean())
                    if seed == 0:
                        shapes[name].append(mean_shape(made, bursts, factor))
                errors[name].append(float(np.mean(drawn)))
        straight = np.mean(errors["Cartesian"])
        for name in ["MD", *names]:
            values = dict(zip((field.name for field in fields(Shape)), np.mean(shapes[name], 0), strict=True))
            error = "" if name == "MD" else f"{np.mean(errors[name]):.4f} ({np.mean(errors[name]) / straight:.2f})"
            rows.append([f"{kelvin:g} K", name, error, *(f"{values[field]:.3f}" for field in SHOWN)])
    click.echo(f"{len(errors[names[0]])} peptides, key frames {spacing:g} ps apart, made {factor}x finer")
    heads = [field.replace("_", " ") for field in SHOWN]
    click.echo(table(["", "", "autocorrelation error (of Cartesian's)", *heads], rows))


if __name__ == "__main__":
    main()

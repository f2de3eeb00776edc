"""Thin bursts of MD, make them finer again, and compare what comes back with what was there, as markdown tables.

    python benchmarks/upsampling.py ../shared --split test --spacing 10 --model peptide --seeds 3
    python benchmarks/upsampling.py ../shared --kind peptides --spacing 5 --model linear
    python benchmarks/upsampling.py ../shared --split val --spacing 10 --interval 1 --paths peptide

Bursts hold a frame every 0.1 ps. Beside the model: straight lines between key frames as they are (Cartesian), the same
machinery without a network (superposed), the thinned file with each frame held until the next, and, with --paths, the
network of the simulation task, which fills windows around the same key frames as it does for `interpolate`.
"""

from __future__ import annotations

import importlib.util
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
from MDAnalysis import Universe
from MDAnalysis.lib.distances import calc_dihedrals
from upsampling_metrics import BANDS, Shape, band_power, shape

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.upsampling import upsample
from openmm_mdgen.weights.roles import as_interpolator

BURST_INTERVAL = 0.1  # ps
XTC_STEP = 0.01  # Å, to which XTC files round

Way = Callable[[Universe, np.ndarray, int, int], np.ndarray]


def metrics_module(shared: Path) -> ModuleType:
    """The project's torsion scores."""
    spec = importlib.util.spec_from_file_location("torsions", shared / "metrics" / "torsions.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cartesian(universe: Universe, keys: np.ndarray, factor: int, seed: int) -> np.ndarray:
    """(K, N, 3) -> ((K - 1) * factor + 1, N, 3): straight lines, nothing superposed."""
    place = np.arange(factor)[:, None, None] / factor
    frames = (1 - place) * keys[:-1, None] + place * keys[1:, None]
    return np.concatenate([frames.reshape(-1, *keys.shape[1:]), keys[-1:]])


def held(universe: Universe, keys: np.ndarray, factor: int, seed: int) -> np.ndarray:
    """Each key frame until the next."""
    return np.concatenate([np.repeat(keys[:-1], factor, axis=0), keys[-1:]])


def by_model(model: Any, interval: float, temperature: float | None = None) -> Way:
    """`openmm_mdgen.upsample`."""

    def way(universe: Universe, keys: np.ndarray, factor: int, seed: int) -> np.ndarray:
        coarse = universe.copy()
        coarse.load_new(keys, dt=factor * interval)
        fine = upsample(coarse, interval, model=model, seed=seed, temperature=temperature)
        return np.array([ts.positions.copy() for ts in fine.trajectory])

    return way


def by_paths(model: str, interval: float) -> Way:
    """The simulation task's network, with the key frames given to it."""

    def way(universe: Universe, keys: np.ndarray, factor: int, seed: int) -> np.ndarray:
        paths = as_interpolator(model).bind_paths(atomgroup_to_structure(universe.atoms), interval)
        placed = {k * factor: frame for k, frame in enumerate(keys)}
        return paths.sample(placed, (len(keys) - 1) * factor + 1, [seed])[0].astype(np.float32)

    return way


@dataclass(frozen=True)
class Scores:
    """One way on one peptide; `error` is the mean absolute error of the torsion autocorrelation, per torsion (T,).

    Where several seeds are drawn it is the mean of their errors (not the error of their mean), and `between` is what
    two of them differ by; everything else is of the first.
    """

    error: np.ndarray
    shape: Shape
    power: np.ndarray
    keys_exact: bool
    frames_per_second: float
    between: float = math.nan


def torsion_angles(frames: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """(F, N, 3) Å -> (F, T) radians."""
    corners = (frames[:, quads[:, k]].reshape(-1, 3).astype(np.float32) for k in range(4))
    return calc_dihedrals(*corners).reshape(len(frames), -1)


def correlation(metrics: ModuleType, theta: np.ndarray, lags: range) -> np.ndarray:
    """(lags, T) un-normalised autocorrelation of (R, F, T) angles."""
    return np.stack([metrics.autocorrelation(theta, lag, normalised=False) for lag in lags])


def score(
    metrics: ModuleType,
    universe: Universe,
    bursts: list[np.ndarray],
    quads: np.ndarray,
    factor: int,
    way: Way,
    interval: float,
    seeds: range,
) -> Scores:
    """Thin bursts (F, N, 3), fill them by `way`, compare."""
    lags, found, drawn = range(1, factor), [], []
    md = correlation(metrics, np.stack([torsion_angles(frames, quads) for frames in bursts]), lags)
    for seed in seeds:
        started = time.perf_counter()
        drawn.append([way(universe, burst[::factor], factor, 100 * seed + k) for k, burst in enumerate(bursts)])
        seconds = time.perf_counter() - started
        theta = np.stack([torsion_angles(frames, quads) for frames in drawn[-1]])
        found.append((correlation(metrics, theta, lags), theta))
    made, theta = drawn[0], found[0][1]
    error = np.mean([np.abs(one - md) for one, _ in found], 0).mean(0)
    between = [np.abs(a - b).mean() for (a, _), (b, _) in combinations(found, 2)]
    shapes = [shape(frames, burst, factor) for frames, burst in zip(made, bursts, strict=True)]
    mean_shape = Shape(*(float(np.mean([getattr(one, field.name) for one in shapes])) for field in fields(Shape)))
    exact = all(np.array_equal(a[::factor], b[::factor]) for a, b in zip(made, bursts, strict=True))
    power = band_power(np.exp(1j * theta), interval)
    speed = sum(map(len, made)) / seconds
    return Scores(error, mean_shape, power, exact, speed, float(np.mean(between)) if between else math.nan)


def half_error(metrics: ModuleType, theta: np.ndarray, factor: int) -> float:
    """The same error of one half of the bursts against the other: (R, F, T) angles."""
    first, second = np.array_split(theta, 2)
    lags = range(1, factor)
    return float(np.abs(correlation(metrics, first, lags) - correlation(metrics, second, lags)).mean())


def rounding_floor(bursts: list[np.ndarray], quads: np.ndarray, interval: float) -> np.ndarray:
    """Power that rounding positions to 0.01 Å adds to each band."""
    rng = np.random.default_rng(0)
    difference = []
    for burst in bursts:
        shaken = burst + rng.uniform(-XTC_STEP / 2, XTC_STEP / 2, burst.shape)
        difference.append(np.exp(1j * torsion_angles(shaken, quads)) - np.exp(1j * torsion_angles(burst, quads)))
    return band_power(np.stack(difference), interval)


def read_bursts(folder: Path, factor: int, stride: int = 1) -> tuple[Universe, list[np.ndarray]]:
    """Every stride-th frame of a peptide's bursts, each cut to whole gaps."""
    universe, bursts = Universe(str(folder / "heavy.pdb")), []
    for path in sorted(folder.glob("burst*.xtc")):
        universe.load_new(str(path))
        frames = np.array([ts.positions.copy() for ts in universe.trajectory[::stride]])
        bursts.append(frames[: (len(frames) - 1) // factor * factor + 1])
    return universe, bursts


def table(head: list[str], rows: list[list[str]]) -> str:
    """A markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows])


@click.command()
@click.argument("shared", type=click.Path(path_type=Path, exists=True), default=Path("../shared"))
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--kind", type=click.Choice(["tetrapeptides", "peptides"]), default="tetrapeptides", show_default=True)
@click.option("--spacing", type=float, default=10.0, show_default=True, help="ps between key frames")
@click.option("--interval", type=float, default=0.1, show_default=True, help="ps between the frames made")
@click.option("--model", default="peptide", show_default=True)
@click.option("--paths", help="Also this network of the simulation task, such as peptide.")
@click.option("--seeds", default=3, show_default=True, help="Draws of what is drawn, the first with seed 0.")
@click.option("--only", multiple=True, help="These peptides only.")
def main(
    shared: Path,
    split: str,
    kind: str,
    spacing: float,
    interval: float,
    model: str,
    paths: str | None,
    seeds: int,
    only: tuple[str, ...],
) -> None:
    """Print the figures."""
    warnings.filterwarnings("ignore")
    metrics, factor = metrics_module(shared), round(spacing / interval)
    ways: dict[str, Way] = {model: by_model(model, interval)}
    if paths:
        ways[f"{paths}, as paths"] = by_paths(paths, interval)
    drawn = {name for name in ways if name != "linear"}
    if model != "linear":
        ways["linear"] = by_model("linear", interval)
    ways |= {"Cartesian": cartesian, "thinned, held": held}
    folders = [f for f in sorted((shared / "data" / kind / split).iterdir()) if not only or f.name in only]
    results: dict[str, dict[str, Scores]] = {}
    md: dict[str, tuple[Shape, np.ndarray, np.ndarray]] = {}
    halves: list[float] = []
    for folder in folders:
        universe, bursts = read_bursts(folder, factor, round(interval / BURST_INTERVAL))
        quads = np.array([quad for _, quad in metrics.quadruples(universe)])
        results[folder.name] = {
            name: score(metrics, universe, bursts, quads, factor, way, interval, range(seeds if name in drawn else 1))
            for name, way in ways.items()
        }
        theta = np.stack([torsion_angles(burst, quads) for burst in bursts])
        halves.append(half_error(metrics, theta, factor))
        power = band_power(np.exp(1j * theta), interval)
        md[folder.name] = shape(bursts[0], bursts[0], factor), power, rounding_floor(bursts, quads, interval)
    click.echo(
        f"{kind}, {split}: key frames {spacing:g} ps apart, made {factor}x finer, "
        f"lags {interval:g} to {spacing - interval:g} ps\n"
    )
    click.echo(error_table(results, list(ways)) + "\n")
    ratio = np.mean(halves) / np.mean([scores["Cartesian"].error.mean() for scores in results.values()])
    click.echo(f"one half of the MD's bursts against the other: {np.mean(halves):.4f}, {ratio:.2f} of Cartesian\n")
    click.echo(shape_table(results, md, list(ways)) + "\n")
    click.echo(power_table(results, md, list(ways)))


def error_table(results: dict[str, dict[str, Scores]], ways: list[str]) -> str:
    """Error of the autocorrelation: mean over lags, then torsions, then peptides."""
    errors = {name: {way: scores[way].error.mean() for way in ways} for name, scores in results.items()}
    mean = {way: float(np.mean([row[way] for row in errors.values()])) for way in ways}
    rows = [[name, *(f"{row[way]:.4f}" for way in ways)] for name, row in errors.items()]
    rows += [["**mean**", *(f"**{mean[way]:.4f}**" for way in ways)]]
    rows += [["of Cartesian", *(f"{mean[way] / mean['Cartesian']:.2f}" for way in ways)]]
    exact = {way: all(scores[way].keys_exact for scores in results.values()) for way in ways}
    apart = {way: np.mean([scores[way].between for scores in results.values()]) / mean["Cartesian"] for way in ways}
    rows += [["two seeds apart", *("" if math.isnan(apart[way]) else f"{apart[way]:.2f}" for way in ways)]]
    rows += [["key frames exact", *("yes" if exact[way] else "no" for way in ways)]]
    rows += [["frames/s", *(f"{np.mean([s[way].frames_per_second for s in results.values()]):.0f}" for way in ways)]]
    return table(["autocorrelation error", *ways], rows)


def shape_table(results: dict[str, dict[str, Scores]], md: dict[str, tuple], ways: list[str]) -> str:
    """Medians and spreads, mean over peptides."""
    rows = []
    for field in fields(Shape):
        found = [np.mean([getattr(scores[way].shape, field.name) for scores in results.values()]) for way in ways]
        expected = np.mean([getattr(row[0], field.name) for row in md.values()])
        rows.append([field.name.replace("_", " "), f"{expected:.3f}", *(f"{value:.3f}" for value in found)])
    return table(["Å, degrees", "MD", *ways], rows)


def power_table(results: dict[str, dict[str, Scores]], md: dict[str, tuple], ways: list[str]) -> str:
    """Power of exp(i torsion) in bands, as a share of MD's, geometric mean over peptides."""
    rows = []
    for band, (low, high) in enumerate(BANDS):
        shares = [
            np.exp(np.mean([np.log(s[way].power[band] / md[n][1][band]) for n, s in results.items()])) for way in ways
        ]
        floor = np.exp(np.mean([np.log(row[2][band] / row[1][band]) for row in md.values()]))
        rows.append([f"{low:g} to {high:g}", f"{floor:.2g}", *(f"{share:.2g}" for share in shares)])
    return table(["power / MD's, 1/ps", "XTC rounding", *ways], rows)


if __name__ == "__main__":
    main()

"""Pictures of a surrogate beside its MD: RMSD of the fold over time, free-energy surfaces, fluctuations.

python benchmarks/molecule.py ../shared/proteins/chignolin300 --weights run/model.safetensors --keep .
python benchmarks/molecule_pictures.py ../shared/proteins/chignolin300 run.npy docs/images --name chignolin
"""

from __future__ import annotations

import warnings
from pathlib import Path

import click
import matplotlib
import numpy as np
from molecule import load

from openmm_mdgen.evaluation.atlas import fluctuations
from openmm_mdgen.geometry.superpose import superpose

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_INTERVAL = 0.01  # ns
_COLOURS = {"MD 0-7": "#8a8a8a", "MD 8-15": "#3b3b3b", "surrogate": "#c8553d"}
_KT = 0.0083145 * 300  # kJ/mol


def rmsd(frames: np.ndarray, native: np.ndarray) -> np.ndarray:
    """(...) Å of C-alphas (..., n, 3) to the native ones (n, 3)."""
    laid = superpose(frames.astype(np.float64), np.broadcast_to(native, frames.shape).astype(np.float64))
    out: np.ndarray = np.sqrt(((laid - native) ** 2).sum(-1).mean(-1))
    return out


def over_time(sides: dict[str, np.ndarray], native: np.ndarray, path: Path) -> None:
    """RMSD of every replica."""
    figure, axes = plt.subplots(1, len(sides), figsize=(9, 2.8), sharey=True, layout="constrained")
    for axis, (name, frames) in zip(axes, sides.items(), strict=True):
        values = rmsd(frames, native)
        for row in values:
            axis.plot(np.arange(len(row)) * _INTERVAL, row, lw=0.7, color=_COLOURS[name], alpha=0.6)
        axis.set(title=name, xlabel="time, ns")
    axes[0].set_ylabel("C-alpha RMSD, Å")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def surfaces(sides: dict[str, np.ndarray], native: np.ndarray, path: Path) -> None:
    """Free energy over RMSD and the distance between the ends."""
    points = {
        name: (rmsd(x, native).ravel(), np.linalg.norm(x[..., -1, :] - x[..., 0, :], axis=-1).ravel())
        for name, x in sides.items()
    }
    edges = [np.linspace(0, max(p[k].max() for p in points.values()) * 1.02, 45) for k in (0, 1)]
    figure, axes = plt.subplots(1, len(sides), figsize=(9, 3), sharey=True, layout="constrained")
    for axis, (name, (x, y)) in zip(axes, points.items(), strict=True):
        counts, *_ = np.histogram2d(x, y, bins=edges)
        with np.errstate(divide="ignore"):
            energy = -_KT * np.log(counts / counts.max())
        shown = axis.pcolormesh(
            *edges, np.where(np.isfinite(energy), energy, np.nan).T, vmin=0, vmax=18, cmap="viridis"
        )
        axis.set(title=name, xlabel="C-alpha RMSD, Å")
    axes[0].set_ylabel("distance between the ends, Å")
    figure.colorbar(shown, ax=axes, label="free energy, kJ/mol")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def flexibility(sides: dict[str, np.ndarray], native: np.ndarray, path: Path) -> None:
    """RMSF of every residue."""
    figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
    for name, frames in sides.items():
        values = fluctuations(frames.reshape(-1, *frames.shape[2:]).astype(np.float64), native.astype(np.float64))
        axis.plot(np.arange(1, len(values) + 1), values, "o-", ms=3, color=_COLOURS[name], label=name)
    axis.set(xlabel="residue", ylabel="RMSF of C-alpha, Å", ylim=(0, None))
    axis.legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("generated", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path, exists=True))
@click.option("--name", default="molecule", show_default=True)
def main(folder: Path, generated: Path, out: Path, name: str) -> None:
    """Write three pictures."""
    warnings.filterwarnings("ignore")
    universe, md = load(folder, list(range(16)))
    alphas = np.flatnonzero(universe.atoms.names == "CA")
    sides = {"MD 0-7": md[:8], "MD 8-15": md[8:], "surrogate": np.load(generated)}
    sides = {key: x[:, :, alphas] for key, x in sides.items()}
    native = md[0, 0, alphas]
    for what, draw in (("rmsd", over_time), ("surface", surfaces), ("rmsf", flexibility)):
        draw(sides, native, out / f"{name}_{what}.png")


if __name__ == "__main__":
    main()

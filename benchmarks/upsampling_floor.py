"""How near to a burst of MD anything can come that knows its key frames: MD itself, started anew at each of them.

    python benchmarks/upsampling_floor.py ../shared --split test --spacing 10 --tries 3 --jobs 2

OpenMM runs from every key frame of the thinned bursts, with the force field of the data and fresh velocities. "MD
anew" is the mean over ``--tries`` of the error of the un-normalised torsion autocorrelation from runs of two spacings
each, as in `upsampling.py`: it knows the key frame before a gap and not the one after it. "MD, nearest" takes for each
gap the one of the runs that comes nearest to the key frame after it, so it knows something of that too.

The second table is about single gaps: the mean cosine of a torsion's change over 1 ps and over half a gap, of each gap
and torsion. How it varies between runs of MD from one key frame, and how far the burst is from their mean; and the same
for ``--model``, between seeds.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import openmm as mm
from joblib import Parallel, delayed
from MDAnalysis import Universe
from openmm import app, unit
from upsampling import by_model, cartesian, correlation, metrics_module, read_bursts, table, torsion_angles

from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.trajectory.transformations import PlaceHydrogens

INTERVAL = 0.1  # ps
STEP = 0.004  # ps
TEMPERATURE = 350 * unit.kelvin
RESTRAINT = 2e4  # kJ/mol/nm^2, on heavy atoms while hydrogens find their places
WARMING = 250  # steps of that


class Runner:
    """MD of one peptide from frames of its heavy atoms."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.universe = Universe(str(folder / "allatom.pdb"))
        self.heavy = self.universe.select_atoms("not element H").indices
        self._place = PlaceHydrogens(self.universe.atoms)
        topology = app.PDBFile(str(folder / "allatom.pdb")).topology
        system = build_system(topology, 3.0)
        hold = mm.CustomExternalForce("k*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
        hold.addGlobalParameter("k", 0.0)
        for name in ("x0", "y0", "z0"):
            hold.addPerParticleParameter(name)
        for atom in self.heavy.tolist():
            hold.addParticle(atom, [0, 0, 0])
        system.addForce(hold)
        self._hold = hold
        integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, 0.3 / unit.picosecond, STEP * unit.picoseconds)
        integrator.setRandomNumberSeed(seed)
        self._context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))

    def run(self, key: np.ndarray, n_frames: int, seed: int) -> np.ndarray:
        """(n_frames + 1, N, 3) Å of heavy atoms, from key frame (N, 3)."""
        context = self._context
        ts = self.universe.trajectory.ts
        positions = ts.positions.copy()
        positions[self.heavy] = key
        ts.positions = positions
        start = self._with_warm_hydrogens(positions, self._place(ts).positions, seed)
        context.setPositions(start / 10)
        context.applyConstraints(1e-5)
        context.setVelocitiesToTemperature(TEMPERATURE, seed)
        frames = [key]
        for _ in range(n_frames):
            context.getIntegrator().step(round(INTERVAL / STEP))
            found = context.getState(getPositions=True).getPositions(asNumpy=True)
            frames.append(found.value_in_unit(unit.angstrom)[self.heavy].astype(np.float32))
        return np.stack(frames)

    def _with_warm_hydrogens(self, positions: np.ndarray, placed: np.ndarray, seed: int) -> np.ndarray:
        """(N, 3) Å: heavy atoms as in positions, hydrogens as in some MD with heavy atoms held.

        Hydrogens at rest would take the heat out of the rest: 285 K after 0.1 ps, 321 K after 3 ps in place of 350 K.
        """
        context = self._context
        for k, atom in enumerate(self.heavy.tolist()):
            self._hold.setParticleParameters(k, atom, placed[atom] / 10.0)
        self._hold.updateParametersInContext(context)
        context.setParameter("k", RESTRAINT)
        context.setPositions(placed / 10.0)
        mm.LocalEnergyMinimizer.minimize(context, 10, 50)
        context.setVelocitiesToTemperature(TEMPERATURE, seed)
        context.getIntegrator().step(WARMING)
        context.setParameter("k", 0.0)
        warm = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        ts = self.universe.trajectory.ts
        ts.positions = positions
        return PlaceHydrogens(self.universe.atoms, np.asarray(warm))(ts).positions.astype(float)


def forward_correlation(runs: np.ndarray, factor: int) -> np.ndarray:
    """(lags, T) from runs (R, 2 * factor + 1, T): starts within one spacing of the key frame, lags below a spacing."""
    c = np.exp(1j * runs)
    return np.stack(
        [np.real(c[:, lag : lag + factor] * np.conj(c[:, :factor])).mean((0, 1)) for lag in range(1, factor)]
    )


@dataclass(frozen=True)
class Floor:
    """Of one peptide: errors of the autocorrelation, and `scatter` of MD and of the model at two lags."""

    cartesian: float
    anew: float
    nearest: float
    md_scatter: np.ndarray
    model_scatter: np.ndarray


def scatter(made: np.ndarray, real: np.ndarray, lags: tuple[int, int]) -> np.ndarray:
    """(2, 2) for each lag: variance of a gap's mean cosine among tries, mean square of the real gap from their mean.

    Parameters
    ----------
    made
        (gaps, tries, frames, T) radians.
    real
        (gaps, frames, T).
    lags
        Frames.

    Notes
    -----
    The mean of a few tries strays from what many would give by their variance over their number, which is divided out:
    both figures are the same where the real gaps are like the tries.
    """
    rows = []
    for lag in lags:
        tries, truth = (np.cos(x[..., lag:, :] - x[..., :-lag, :]).mean(-2) for x in (made, real))
        apart = np.square(truth - tries.mean(1)).mean() / (1 + 1 / tries.shape[1])
        rows.append([tries.var(1, ddof=1).mean(), apart])
    return np.array(rows)


def measure(shared: Path, folder: Path, factor: int, tries: int, model: str) -> Floor:
    """All figures of one peptide."""
    warnings.filterwarnings("ignore")
    metrics = metrics_module(shared)
    universe, bursts = read_bursts(folder, factor)
    quads = np.array([quad for _, quad in metrics.quadruples(universe)])
    lags, keys = range(1, factor), [burst[::factor] for burst in bursts]
    straight = [cartesian(universe, group, factor, 0) for group in keys]
    md, straight_correlation = (
        correlation(metrics, np.stack([torsion_angles(frames, quads) for frames in group]), lags)
        for group in (bursts, straight)
    )
    runner = Runner(folder, seed=1)
    made = np.stack(
        [
            [torsion_angles(runner.run(key, 2 * factor, seed=1 + tries * k + n), quads) for n in range(tries)]
            for k, key in enumerate(key for group in keys for key in group[:-1])
        ]
    )  # (gaps, tries, frames, T)
    anew = [np.abs(forward_correlation(made[:, n], factor) - md).mean() for n in range(tries)]
    after = np.concatenate([torsion_angles(group[1:], quads) for group in keys])
    distance = (1 - np.cos(made[:, :, factor] - after[:, None])).sum(-1)
    nearest = made[np.arange(len(made)), distance.argmin(1), :factor].reshape(len(bursts), -1, len(quads))
    closed = np.concatenate([nearest, np.stack([torsion_angles(group[-1:], quads) for group in keys])], 1)

    def gaps(frames: np.ndarray) -> np.ndarray:
        """(gaps, factor, T) angles of a burst."""
        return torsion_angles(frames[:-1], quads).reshape(-1, factor, len(quads))

    real, way = np.concatenate([gaps(burst) for burst in bursts]), by_model(model, INTERVAL)
    drawn = [
        np.concatenate([gaps(way(universe, key, factor, 100 * n + k)) for k, key in enumerate(keys)])
        for n in range(2 * tries)
    ]
    both = (round(1 / INTERVAL), factor // 2)
    return Floor(
        float(np.abs(straight_correlation - md).mean()),
        float(np.mean(anew)),
        float(np.abs(correlation(metrics, closed, lags) - md).mean()),
        scatter(made[:, :, :factor], real, both),
        scatter(np.stack(drawn, 1), real, both),
    )


@click.command()
@click.argument("shared", type=click.Path(path_type=Path, exists=True), default=Path("../shared"))
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--kind", type=click.Choice(["tetrapeptides", "peptides"]), default="tetrapeptides", show_default=True)
@click.option("--spacing", type=float, default=10.0, show_default=True, help="ps between key frames")
@click.option("--tries", default=4, show_default=True, help="Runs from each key frame.")
@click.option("--model", default="peptide", show_default=True)
@click.option("--jobs", default=1, show_default=True, help="Peptides at once.")
@click.option("--only", multiple=True, help="These peptides only.")
def main(
    shared: Path, split: str, kind: str, spacing: float, tries: int, model: str, jobs: int, only: tuple[str, ...]
) -> None:
    """Print the figures."""
    factor = round(spacing / INTERVAL)
    folders = [f for f in sorted((shared / "data" / kind / split).iterdir()) if not only or f.name in only]
    rows = Parallel(n_jobs=jobs)(delayed(measure)(shared, folder, factor, tries, model) for folder in folders)
    found = {folder.name: row for folder, row in zip(folders, rows, strict=True)}
    errors = {name: (row.cartesian, row.anew, row.nearest) for name, row in found.items()}
    mean = np.mean(list(errors.values()), 0)
    lines = [[name, *(f"{x:.4f}" for x in row)] for name, row in errors.items()]
    lines += [["**mean**", *(f"**{x:.4f}**" for x in mean)], ["of Cartesian", *(f"{x / mean[0]:.2f}" for x in mean)]]
    click.echo(table(["autocorrelation error", "Cartesian", "MD anew", f"MD, nearest of {tries}"], lines) + "\n")
    lines = [
        [f"{who}, {lag} ps", *(f"{x:.4f}" for x in np.mean([getattr(row, which)[k] for row in found.values()], 0))]
        for k, lag in enumerate(("1", f"{spacing / 2:g}"))
        for who, which in (("MD anew", "md_scatter"), (model, "model_scatter"))
    ]
    click.echo(table(["a gap's mean cosine", "variance among tries", "the burst from their mean"], lines))


if __name__ == "__main__":
    main()

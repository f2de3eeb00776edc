"""How near to a burst of MD anything can come that knows its key frames: MD itself, started anew at each of them.

    python benchmarks/upsampling_floor.py ../shared --split test --spacing 10 --tries 8

OpenMM runs from every key frame of the thinned bursts, with the force field of the data and fresh velocities. "MD
anew" is the mean over ``--tries`` of the error of the un-normalised torsion autocorrelation from runs of two spacings
each, as in `upsampling.py`: it knows the key frame before a gap and not the one after it. "MD, nearest" takes for each
gap the one of the runs that comes nearest to the key frame after it, so it knows something of that too.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import openmm as mm
from MDAnalysis import Universe
from openmm import app, unit
from upsampling import cartesian, correlation, metrics_module, read_bursts, table, torsion_angles

from openmm_mdgen.build import build_system
from openmm_mdgen.transformations import PlaceHydrogens

INTERVAL = 0.1  # ps
STEP = 0.004  # ps
RESTRAINT = 1e6  # kJ/mol/nm^2, on heavy atoms while hydrogens find their places


class Runner:
    """MD of one peptide from frames of its heavy atoms."""

    def __init__(self, folder: Path) -> None:
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
        integrator = mm.LangevinMiddleIntegrator(350 * unit.kelvin, 0.3 / unit.picosecond, STEP * unit.picoseconds)
        self._context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))

    def run(self, key: np.ndarray, n_frames: int, seed: int) -> np.ndarray:
        """(n_frames + 1, N, 3) Å of heavy atoms, from key frame (N, 3)."""
        context = self._context
        ts = self.universe.trajectory.ts
        positions = ts.positions.copy()
        positions[self.heavy] = key
        ts.positions = positions
        start = self._place(ts).positions.astype(float) / 10
        for k, atom in enumerate(self.heavy.tolist()):
            self._hold.setParticleParameters(k, atom, start[atom])
        self._hold.updateParametersInContext(context)
        context.setParameter("k", RESTRAINT)
        context.setPositions(start)
        mm.LocalEnergyMinimizer.minimize(context, 10, 50)
        context.setParameter("k", 0.0)
        context.setVelocitiesToTemperature(350 * unit.kelvin, seed)
        context.getIntegrator().setRandomNumberSeed(seed)
        frames = [key]
        for _ in range(n_frames):
            context.getIntegrator().step(round(INTERVAL / STEP))
            found = context.getState(getPositions=True).getPositions(asNumpy=True)
            frames.append(found.value_in_unit(unit.angstrom)[self.heavy].astype(np.float32))
        return np.stack(frames)


def forward_correlation(runs: np.ndarray, factor: int) -> np.ndarray:
    """(lags, T) from runs (R, 2 * factor + 1, T): starts within one spacing of the key frame, lags below a spacing."""
    c = np.exp(1j * runs)
    return np.stack(
        [np.real(c[:, lag : lag + factor] * np.conj(c[:, :factor])).mean((0, 1)) for lag in range(1, factor)]
    )


def errors(metrics: ModuleType, folder: Path, factor: int, tries: int) -> tuple[float, float, float]:
    """Cartesian's, MD's anew, and the nearest MD's."""
    universe, bursts = read_bursts(folder, factor)
    quads = np.array([quad for _, quad in metrics.quadruples(universe)])
    lags, keys = range(1, factor), [burst[::factor] for burst in bursts]
    straight = [cartesian(universe, group, factor, 0) for group in keys]
    md, straight_correlation = (
        correlation(metrics, np.stack([torsion_angles(frames, quads) for frames in group]), lags)
        for group in (bursts, straight)
    )
    runner = Runner(folder)
    made = np.stack(
        [
            [torsion_angles(runner.run(key, 2 * factor, 1 + 1000 * n + k), quads) for n in range(tries)]
            for group in keys
            for k, key in enumerate(group[:-1])
        ]
    )  # (gaps, tries, frames, T)
    anew = [np.abs(forward_correlation(made[:, n], factor) - md).mean() for n in range(tries)]
    after = np.concatenate([torsion_angles(group[1:], quads) for group in keys])
    distance = (1 - np.cos(made[:, :, factor] - after[:, None])).sum(-1)
    nearest = made[np.arange(len(made)), distance.argmin(1), :factor].reshape(len(bursts), -1, len(quads))
    closed = np.concatenate([nearest, np.stack([torsion_angles(group[-1:], quads) for group in keys])], 1)
    return (
        float(np.abs(straight_correlation - md).mean()),
        float(np.mean(anew)),
        float(np.abs(correlation(metrics, closed, lags) - md).mean()),
    )


@click.command()
@click.argument("shared", type=click.Path(path_type=Path, exists=True), default=Path("../shared"))
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--kind", type=click.Choice(["tetrapeptides", "peptides"]), default="tetrapeptides", show_default=True)
@click.option("--spacing", type=float, default=10.0, show_default=True, help="ps between key frames")
@click.option("--tries", default=8, show_default=True, help="Runs from each key frame.")
@click.option("--only", multiple=True, help="These peptides only.")
def main(shared: Path, split: str, kind: str, spacing: float, tries: int, only: tuple[str, ...]) -> None:
    """Print the figures."""
    warnings.filterwarnings("ignore")
    metrics, factor = metrics_module(shared), round(spacing / INTERVAL)
    rows = {}
    for folder in sorted((shared / "data" / kind / split).iterdir()):
        if folder.is_dir() and (not only or folder.name in only):
            rows[folder.name] = errors(metrics, folder, factor, tries)
            click.echo(f"{folder.name}: {rows[folder.name]}", err=True)
    mean = np.mean(list(rows.values()), 0)
    lines = [[name, *(f"{x:.4f}" for x in row)] for name, row in rows.items()]
    lines += [["**mean**", *(f"**{x:.4f}**" for x in mean)], ["of Cartesian", *(f"{x / mean[0]:.2f}" for x in mean)]]
    click.echo(table(["autocorrelation error", "Cartesian", "MD anew", f"MD, nearest of {tries}"], lines))


if __name__ == "__main__":
    main()

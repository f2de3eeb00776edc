"""What steps of real dynamics after every frame cost in the integrator and in `simulate`, and what they do to energies.

python benchmarks/thermalised.py ../shared/data/tetrapeptides/test/EHEV --steps 0 50 200
"""

import argparse
import time
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm as mm
from openmm import app, unit

import openmm_mdgen
from openmm_mdgen import GenerativeIntegrator
from openmm_mdgen.forcefield.build import build_system

KELVIN, FRAMES = 350.0, 40


def energies(pdb: app.PDBFile, steps: int) -> tuple[np.ndarray, float]:
    """kJ/mol of frames that a Simulation reports, and CPU milliseconds of each."""
    integrator = GenerativeIntegrator(pdb.topology, temperature=KELVIN, seed=1, thermalise=steps)
    platform = mm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(pdb.topology, build_system(pdb.topology), integrator, platform)
    simulation.context.setPositions(pdb.positions)
    simulation.step(2500)  # the first block, whose 63 frames come at once
    begun, out = time.process_time(), []
    for _ in range(FRAMES):
        simulation.step(2500)
        out.append(simulation.context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    return np.array(out), 1e3 * (time.process_time() - begun) / FRAMES


def reader(path: Path, steps: int) -> float:
    """CPU milliseconds of a frame that `simulate` gives."""
    universe = openmm_mdgen.simulate(path, time=10 * FRAMES, seed=1, temperature=KELVIN, thermalise=steps)
    begun = time.process_time()
    for _ in universe.trajectory:
        pass
    return 1e3 * (time.process_time() - begun) / FRAMES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 50, 200])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    path = args.folder / "allatom.pdb"
    pdb = app.PDBFile(str(path))
    system = build_system(pdb.topology)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    md = []
    for ts in mda.Universe(str(path), str(args.folder / "r00_allatom.xtc")).trajectory[::10]:
        context.setPositions(ts.positions / 10)
        md.append(context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    middle, low, high = np.percentile(md, (50, 1, 99))
    print(f"{args.folder.name}, MD: median {middle:.0f} kJ/mol\n")
    print("| steps | integrator, ms of CPU a frame | simulate | median against MD's | inside MD's 1st to 99th |")
    print("|---|---|---|---|---|")
    for steps in args.steps:
        found, cost = energies(pdb, steps)
        inside = ((found >= low) & (found <= high)).mean()
        print(f"| {steps} | {cost:.1f} | {reader(path, steps):.1f} | {np.median(found) - middle:+.0f} | {inside:.0%} |")


if __name__ == "__main__":
    main()

"""Plain MD of alanine dipeptide in explicit water for so many seconds: what `explicit_water.py` is held against.

python benchmarks/plain_water.py --seconds 600
"""

import argparse
import time
import warnings

import MDAnalysis as mda
import numpy as np
import openmm as mm
from correcting import PDB, STATES, angles, populations, states
from openmm import unit

from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.correction.explicit import solvated

STEP, TEMPERATURE = 0.004, 300.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    structure = load_structure(PDB)
    topology = structure_to_topology(structure)
    files = ("amber14-all.xml", "amber14/tip3p.xml")
    system, starts, boxes = solvated(topology, structure.positions[None].astype(float), files, "tip3p", TEMPERATURE)
    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, 1.0, STEP)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("CPU"), {"Threads": "1"})
    context.setPeriodicBoxVectors(*boxes[0])
    context.setPositions(starts[0] / 10)
    mm.LocalEnergyMinimizer.minimize(context, maxIterations=200)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    integrator.step(round(20 / STEP))
    begun, frames, n = time.monotonic(), [], len(structure.positions)
    while time.monotonic() - begun < args.seconds:
        integrator.step(round(0.5 / STEP))
        frames.append(context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)[:n])
    found = angles(mda.Universe(str(PDB)).atoms, np.array(frames, np.float32))
    moves = int((np.diff(states(*found.T)) != 0).sum())
    shares = ", ".join(f"{s} {x:.3f}" for s, x in zip(STATES, populations(found), strict=True))
    print(f"{len(frames) / 2000:.2f} ns in {args.seconds:.0f} s: {shares}; {moves} moves between states")


if __name__ == "__main__":
    main()

"""Plain MD of a built peptide by the vector engine of ../shared/mdsim, in any force field with OBC2.

    python benchmarks/plain_engine.py ACE-A-NME OUT.npz --engine ../shared/mdsim --force-field amber99sb.xml \\
        implicit/obc2.xml

OUT.npz is as by plain_md.py: the positions of all atoms (F, N, 3) Å every ps, sixteen replicas one after another, after
100 ps at 600 K and 200 ps at the temperature. The engine's forces are compared with OpenMM's first, on its own frames.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import openmm as mm

from openmm_mdgen.correction.explicit import implicit_system
from openmm_mdgen.forcefield.build import build_peptide

STEP = 0.004


def force_error(system: mm.System, frames: np.ndarray, forces: np.ndarray) -> float:
    """Largest difference of forces from OpenMM's, over their root mean square."""
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    found = []
    for x in frames:
        context.setPositions(x.astype(float))
        found.append(np.array(context.getState(forces=True).getForces(asNumpy=True)._value))
    return float(np.abs(np.array(found) - forces).max() / np.sqrt((np.array(found) ** 2).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sequence")
    parser.add_argument("out", type=Path)
    parser.add_argument("--engine", type=Path, required=True)
    parser.add_argument("--force-field", nargs="+", required=True)
    parser.add_argument("--ns", type=float, default=20.0)
    parser.add_argument("--temperature", type=float, default=300.0)
    args = parser.parse_args()
    sys.path.insert(0, str(args.engine))
    from ladder import Ladder

    topology, positions = build_peptide(args.sequence)
    system = implicit_system(topology, args.force_field)
    for k in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(k), mm.CMMotionRemover):
            system.removeForce(k)
    ladder = Ladder(system, np.full(16, args.temperature), seed=1)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions / 10)
    mm.LocalEnergyMinimizer.minimize(context)
    ladder.set_x(np.array(context.getState(positions=True).getPositions()._value))
    ladder.thermalise(600.0)
    ladder.run(100, T=600.0)
    ladder.cool(40, 600.0)
    ladder.run(200)
    for engine in ladder.engines:
        engine.energy()
    forces = np.concatenate([engine.f.transpose(2, 0, 1) for engine in ladder.engines])
    worst = force_error(system, ladder.x(), forces)
    frames = ladder.run(1000 * args.ns / 16, every_ps=1.0).swapaxes(0, 1) * 10
    np.savez(args.out, frames=frames.reshape(-1, *frames.shape[2:]).astype(np.float32))
    print(f"{args.sequence}, {' '.join(args.force_field)}: {args.ns:g} ns, forces within {worst:.1e} of OpenMM's")


if __name__ == "__main__":
    main()

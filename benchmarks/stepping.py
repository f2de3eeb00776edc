"""What stepping costs per frame, the generator excluded: `python benchmarks/stepping.py` prints a markdown table."""

import argparse
import time
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import app, unit

from openmm_mdgen.integrator import GenerativeIntegrator

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"


class Stored:
    """Gives the same block every time and notes how long that took.

    Parameters
    ----------
    positions
        (N, 3) nm.
    n_frames
        Frames per block.
    """

    def __init__(self, positions: np.ndarray, n_frames: int = 100) -> None:
        self.n_frames = n_frames
        noise = np.random.default_rng(0).normal(0.0, 0.02, (n_frames, *positions.shape))
        self._frames = positions * 10 + noise
        self.seconds = 0.0

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """(N, 3) Å, seed -> (n_frames, N, 3) Å."""
        began = time.process_time()
        frames = self._frames.copy()
        self.seconds += time.process_time() - began
        return frames


def peptide(name: str) -> tuple[app.Topology, np.ndarray, mm.System]:
    """A small peptide with rigid bonds to hydrogen."""
    pdb = app.PDBFile(str(DATA / name))
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=app.HBonds)
    return pdb.topology, pdb.getPositions(asNumpy=True)._value, system


def water(n_molecules: int) -> tuple[app.Topology, np.ndarray, mm.System]:
    """Rigid waters, for the cost at many atoms."""
    forcefield = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [] * unit.nanometer)
    modeller.addSolvent(forcefield, numAdded=n_molecules)
    modeller.topology.setPeriodicBoxVectors(None)
    positions = np.array(modeller.positions.value_in_unit(unit.nanometer))
    return modeller.topology, positions, forcefield.createSystem(modeller.topology)


def overhead(topology: app.Topology, positions: np.ndarray, system: mm.System, n_frames: int) -> float:
    """Milliseconds of processor time per frame through Simulation.step, without the generator's."""
    stored = Stored(positions)
    integrator = GenerativeIntegrator(topology, 350, model=stored, seed=1)
    simulation = app.Simulation(topology, system, integrator, mm.Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(positions)
    simulation.step(2500)
    stored.seconds, began = 0.0, time.process_time()
    simulation.step(2500 * n_frames)
    return 1000 * (time.process_time() - began - stored.seconds) / n_frames


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1000, help="frames per system (default: 1000)")
    n_frames = parser.parse_args().frames
    systems = {
        "alanine dipeptide": lambda: peptide("ACE-A-NME.pdb"),
        "QGRE": lambda: peptide("QGRE.pdb"),
        "waters": lambda: water(1667),
    }
    print("| system | atoms | ms per frame |\n|---|---|---|")
    for name, build in systems.items():
        topology, positions, system = build()
        print(f"| {name} | {len(positions)} | {overhead(topology, positions, system, n_frames):.2f} |")


if __name__ == "__main__":
    main()

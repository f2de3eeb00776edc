"""Any learned propagator drives a Simulation: all it needs is n_frames and next_block."""

import numpy as np
import torch
from openmm import *
from openmm.app import *
from openmm.unit import *

from openmm_mdgen import GenerativeIntegrator


class Wiggle(torch.nn.Module):
    """A toy in place of a trained network: every frame is a small step away from the one before it."""

    n_frames = 20

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(0.02, dtype=torch.float64))  # Å

    @torch.inference_mode()
    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """(N, 3) Å, seed -> (n_frames, N, 3) Å; a function of its arguments alone."""
        noise = torch.randn(self.n_frames, *start.shape, generator=torch.Generator().manual_seed(seed))
        return start + (self.scale * noise.double()).cumsum(dim=0).numpy()


pdb = PDBFile("peptide.pdb")
system = ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=HBonds)
integrator = GenerativeIntegrator(
    pdb.topology, temperature=300 * kelvin, frameInterval=1 * picosecond, model=Wiggle(), seed=1
)
simulation = Simulation(pdb.topology, system, integrator)
simulation.context.setPositions(pdb.positions)
simulation.reporters.append(DCDReporter("wiggle.dcd", 250))
simulation.step(25_000)

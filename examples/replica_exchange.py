"""Replica exchange between temperatures, by OpenMM's own sampler.

Exchanges use the force field's energies and frames are a model's: detailed
balance holds only as far as the model is right, and no better ensemble than the model's comes out.
"""

import sys

import numpy as np
from openmm import *
from openmm.app import *
from openmm.unit import *

from openmm_mdgen import GenerativeIntegrator


def cap(sampler):
    """Keep the exponent of the acceptance finite where atoms of a frame clash."""
    energies = np.array(sampler.replicaStateEnergy.value_in_unit(kilojoules_per_mole))
    sampler.replicaStateEnergy = np.minimum(energies, energies.min() + 2000) * kilojoules_per_mole


model = sys.argv[1] if len(sys.argv) > 1 else "peptide"  # one that learned a range of temperatures
iterations = int(sys.argv[2]) if len(sys.argv) > 2 else 100

pdb = PDBFile("peptide.pdb")
system = ForceField("amber14-all.xml", "implicit/obc2.xml").createSystem(pdb.topology, constraints=HBonds)
integrator = GenerativeIntegrator(pdb.topology, 300 * kelvin, 1 / picosecond, 4 * femtoseconds, model=model, seed=1)
simulation = Simulation(pdb.topology, system, integrator)
simulation.context.setPositions(pdb.positions)
simulation.minimizeEnergy()

states = [{"temperature": temperature * kelvin} for temperature in np.geomspace(300, 400, 4)]
sampler = ReplicaExchangeSampler(states, simulation, stepsPerIteration=2500)
assigned = []
sampler.reporters += [cap, lambda sampler: assigned.append(list(sampler.replicaStateIndex))]
sampler.simulate(iterations)
changes = np.count_nonzero(np.diff(assigned, axis=0), axis=0)
print(f"changes of temperature in {iterations} iterations, by replica: {changes.tolist()}")

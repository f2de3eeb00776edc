"""Simulated annealing: the temperature falls step by step, and the ensemble follows from the next frame on."""

import sys

import numpy as np
from openmm import *
from openmm.app import *
from openmm.unit import *

from openmm_mdgen import GenerativeIntegrator

model = sys.argv[1] if len(sys.argv) > 1 else "peptide"  # one that learned a range of temperatures
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 250_000  # 1 ns at each temperature
hot, cold = (float(kelvin) for kelvin in (sys.argv[3:5] or (400, 300)))

pdb = PDBFile("peptide.pdb")
system = ForceField("amber14-all.xml", "implicit/obc2.xml").createSystem(pdb.topology, constraints=HBonds)
integrator = GenerativeIntegrator(pdb.topology, hot * kelvin, 1 / picosecond, 4 * femtoseconds, model=model)
simulation = Simulation(pdb.topology, system, integrator)
simulation.context.setPositions(pdb.positions)
simulation.minimizeEnergy()
simulation.reporters.append(DCDReporter("annealing.dcd", 2500))
simulation.reporters.append(StateDataReporter(sys.stdout, steps, step=True, potentialEnergy=True, temperature=True))

for temperature in np.linspace(hot, cold, 5):
    integrator.setTemperature(temperature * kelvin)
    simulation.step(steps)

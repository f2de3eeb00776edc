"""A script with all its reporters: plain_md.py and swap_integrator.py differ in the integrator line and its import."""

import sys

from openmm import *
from openmm.app import *
from openmm.unit import *

from openmm_mdgen import GenerativeIntegrator

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2_500_000  # 10 ns

pdb = PDBFile("peptide.pdb")
forcefield = ForceField("amber14-all.xml", "implicit/obc2.xml")
system = forcefield.createSystem(pdb.topology, constraints=HBonds, hydrogenMass=3 * amu)

integrator = GenerativeIntegrator(pdb.topology, temperature=350 * kelvin, stepSize=4 * femtoseconds)

simulation = Simulation(pdb.topology, system, integrator)
simulation.context.setPositions(pdb.positions)
simulation.minimizeEnergy()
simulation.context.setVelocitiesToTemperature(350 * kelvin)
simulation.step(1234)
simulation.currentStep = 0

simulation.reporters.append(DCDReporter("out.dcd", 2500))
simulation.reporters.append(XTCReporter("out.xtc", 2500))
simulation.reporters.append(PDBReporter("out.pdb", 2500))
simulation.reporters.append(CheckpointReporter("out.chk", 2500))
simulation.reporters.append(
    StateDataReporter("out.csv", 2500, step=True, time=True, potentialEnergy=True, temperature=True, speed=True)
)
simulation.step(steps)
simulation.saveState("out.xml")

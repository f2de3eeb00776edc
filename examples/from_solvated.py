"""A script for a solvated peptide under a barostat, with the lines that a model of implicit solvent asks for."""

import sys

from openmm import *
from openmm.app import *
from openmm.unit import *

from openmm_mdgen import GenerativeIntegrator

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2_500_000  # 10 ns

pdb = PDBFile("solvated.pdb")

# Added: keep the peptide alone, without water (deleteWater) or ions (residues of one atom), and without a box.
modeller = Modeller(pdb.topology, pdb.positions)
modeller.deleteWater()
modeller.delete([residue for residue in modeller.topology.residues() if len(list(residue.atoms())) == 1])
modeller.topology.setPeriodicBoxVectors(None)

# Was: forcefield = ForceField("amber14-all.xml", "amber14/tip3p.xml")
#      system = forcefield.createSystem(pdb.topology, nonbondedMethod=PME, constraints=HBonds)
#      system.addForce(MonteCarloBarostat(1 * bar, 300 * kelvin))
forcefield = ForceField("amber14-all.xml", "implicit/obc2.xml")
system = forcefield.createSystem(modeller.topology, nonbondedMethod=NoCutoff, constraints=HBonds)

# Was: integrator = LangevinMiddleIntegrator(300 * kelvin, 1 / picosecond, 2 * femtoseconds)
integrator = GenerativeIntegrator(modeller.topology, temperature=350 * kelvin, stepSize=2 * femtoseconds)

simulation = Simulation(modeller.topology, system, integrator)  # was: pdb.topology
simulation.context.setPositions(modeller.positions)  # was: pdb.positions
simulation.minimizeEnergy()
simulation.reporters.append(DCDReporter("solvated.dcd", 5000))
simulation.reporters.append(StateDataReporter(sys.stdout, 50_000, step=True, potentialEnergy=True, speed=True))
simulation.step(steps)

"""Frames of alanine dipeptide to be corrected: a short hot run, made in a second or two."""

import numpy as np
import openmm as mm
from MDAnalysis import Universe
from openmm import app, unit

from openmm_mdgen.convert.mdanalysis import structure_to_mdanalysis as structure_to_atoms
from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.forcefield.build import build_system

PDB = "ACE-A-NME.pdb"


def alanine_system(data) -> mm.System:
    return build_system(structure_to_topology(load_structure(data / PDB)), hydrogen_mass=3.0)


def langevin(temperature: float = 300.0) -> mm.LangevinMiddleIntegrator:
    return mm.LangevinMiddleIntegrator(temperature, 1.0, 0.004)


def hot_frames(data, number: int = 60) -> np.ndarray:
    """(number, 22, 3) Å, 0.4 ps apart at 600 K."""
    structure = load_structure(data / PDB)
    integrator = langevin(600.0)
    integrator.setRandomNumberSeed(5)
    context = mm.Context(alanine_system(data), integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(structure.positions / 10)
    context.setVelocitiesToTemperature(600.0, 5)
    frames = []
    for _ in range(number):
        integrator.step(100)
        frames.append(context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom))
    return np.array(frames, np.float32)


def to_universe(data, frames: np.ndarray) -> Universe:
    topology = structure_to_atoms(load_structure(data / PDB))
    return Universe(topology, frames, order="fac", dt=10.0)


def simulation(data, temperature: float = 300.0) -> app.Simulation:
    structure = load_structure(data / PDB)
    platform = mm.Platform.getPlatformByName("Reference")
    return app.Simulation(structure_to_topology(structure), alanine_system(data), langevin(temperature), platform)

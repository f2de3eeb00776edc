"""How would one residue move if all that is known is the motion of the others? Four answers."""

import sys

import numpy as np
from MDAnalysis.analysis.dihedrals import Dihedral

import openmm_mdgen

time = float(sys.argv[1]) if len(sys.argv) > 1 else 640.0  # ps
n_samples = int(sys.argv[2]) if len(sys.argv) > 2 else 4

start = openmm_mdgen.unconditional("STHK", time=time)  # stands for MD of your own
samples = openmm_mdgen.inpaint(start, residues=[2], n_samples=n_samples)


def chi1(universe):
    """Side-chain torsion of threonine in degrees, frame by frame."""
    return Dihedral([universe.residues[1].chi1_selection()]).run().results.angles[:, 0]


def shares(angles):
    """Shares of the three wells."""
    return np.round(np.histogram(angles % 360, bins=[0, 120, 240, 360])[0] / len(angles), 2)


print("chi1 of threonine near 60, 180, 300 degrees:")
print("given trajectory", shares(chi1(start)))
for sample in samples:
    print("inpainted", shares(chi1(sample)))

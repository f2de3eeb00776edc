"""Sixteen trajectories from one start, analysed together: frames are made when they are read."""

import sys

import numpy as np
from MDAnalysis.analysis.dihedrals import Dihedral

import openmm_mdgen

time = float(sys.argv[1]) if len(sys.argv) > 1 else 1_000.0  # ps
replicas = int(sys.argv[2]) if len(sys.argv) > 2 else 16

universes = openmm_mdgen.simulate("peptide.pdb", time=time, replicas=replicas, equilibrate=100)
share = []
for universe in universes:
    residue = universe.select_atoms("resname ALA").residues[0]
    torsions = Dihedral([residue.phi_selection(), residue.psi_selection()]).run().results.angles
    share.append(np.mean((torsions[:, 0] < 0) & (np.abs(torsions[:, 1] + 30) < 60)))

error = np.std(share) / np.sqrt(replicas)
print(f"helical share of alanine: {np.mean(share):.2f} +- {error:.2f} over {replicas} replicas")

"""Eight paths of 200 ps between two conformations of a peptide, and what they have in common."""

import sys

import numpy as np
from MDAnalysis.analysis.dihedrals import Dihedral

import openmm_mdgen

time = float(sys.argv[1]) if len(sys.argv) > 1 else 200.0  # ps
n_paths = int(sys.argv[2]) if len(sys.argv) > 2 else 8

end = openmm_mdgen.simulate("peptide.pdb", time=1_000, seed=1)
end.trajectory[-1]  # the structure to be reached, 1 ns away

paths = openmm_mdgen.interpolate("peptide.pdb", end, n_paths=n_paths, time=time)
psi = []
for path in paths:
    residue = path.select_atoms("resname ALA").residues[0]
    psi.append(Dihedral([residue.psi_selection()]).run().results.angles[:, 0])

print("psi of alanine along the paths, degrees:")
print(np.round(psi).astype(int)[:, ::4])
same = all(np.array_equal(path.trajectory[-1].positions, end.atoms.positions) for path in paths)
print("every path ends exactly where it should:", same)

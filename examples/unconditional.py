"""A trajectory of a sequence, beside one that starts from a built, extended structure."""

import sys

import numpy as np

import openmm_mdgen

time = float(sys.argv[1]) if len(sys.argv) > 1 else 2_000.0  # ps


def end_to_end(universe):
    """Distance between the first and last alpha carbon in Å, frame by frame."""
    ca = universe.select_atoms("name CA")
    return np.array([np.linalg.norm(ca[0].position - ca[-1].position) for _ in universe.trajectory])


free = openmm_mdgen.unconditional("STHK", time=time, seed=1)
free.trajectory[0]
free.atoms.write("STHK.pdb")  # names and bonds; its coordinates are the first frame that was drawn
started = openmm_mdgen.simulate("STHK.pdb", time=time, seed=1)

for name, universe in (("from the sequence", free), ("simulated from its first frame", started)):
    distance = end_to_end(universe)
    print(f"{name}: end to end {distance.mean():.1f} +- {distance.std():.1f} Å")

"""Which residues fit the motion of the others? Probabilities, the best sequences, and how they move."""

import sys

import openmm_mdgen

time = float(sys.argv[1]) if len(sys.argv) > 1 else 640.0  # ps

given = openmm_mdgen.unconditional("STHK", time=time)  # stands for MD of your own
result = openmm_mdgen.design(given, residues=[2, 3], n_sequences=3)

for number, row in zip(result.residues, result.probabilities, strict=True):
    best = sorted(zip(row, result.letters, strict=True), reverse=True)[:5]
    print(f"residue {number}:", "  ".join(f"{letter} {value:.2f}" for value, letter in best))
for (sequence, probability), universe in zip(result.sequences, result.universes, strict=True):
    universe.atoms.write(f"{sequence}.pdb")
    universe.atoms.write(f"{sequence}.xtc", frames="all")
    print(f"{sequence}: probability {probability:.3f}, {universe.trajectory.n_frames} frames in {sequence}.xtc")

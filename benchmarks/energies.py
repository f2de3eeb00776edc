"""Potential energy of generated frames against MD's, with and without a short minimisation, as a markdown table.

    python benchmarks/energies.py ../shared/data/tetrapeptides/test cache/test

GENERATED/<peptide>/*.xtc as `generate.py` writes them. The System is ff14SB with OBC2. Quenched hydrogens lie below
MD's energy by half kT for every degree of freedom that they do not have. Relaxing is measured for MD's frames too.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
from openmm.app import PDBFile

from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.forcefield.minimizer import Minimizer

N_FRAMES, N_RELAXED = 300, 20


def sample(universe: mda.Universe, n_frames: int) -> np.ndarray:
    """Evenly spaced frames (n_frames, N, 3) in Å."""
    step = max(1, universe.trajectory.n_frames // n_frames)
    return universe.trajectory.timeseries(order="fac", step=step)[:n_frames].astype(np.float64)


def measure(data: Path, generated: Path) -> str:
    """One row: median and 95th percentile in kJ/mol."""
    pdb = PDBFile(str(data / "allatom.pdb"))
    minimizer = Minimizer(build_system(pdb.topology))
    md = sample(mda.Universe(data / "allatom.pdb", str(data / "r00_allatom.xtc")), N_FRAMES)
    files = [str(path) for path in sorted(generated.glob("*.xtc"))]
    ours = sample(mda.Universe(generated / "top.pdb", files), N_FRAMES)
    row, spent = [data.name], 0.0
    for frames in (md, ours):
        energies = [minimizer.energy(frame) for frame in frames]
        row.append(f"{np.median(energies):.0f}, {np.percentile(energies, 95):.0f}")
    for frames in (md, ours):
        began = time.perf_counter()
        relaxed = [minimizer.minimized(frame) for frame in frames[:: N_FRAMES // N_RELAXED]]
        spent = (time.perf_counter() - began) / len(relaxed)
        energies = [minimizer.energy(frame) for frame in relaxed]
        row.append(f"{np.median(energies):.0f}, {np.percentile(energies, 95):.0f}")
    return "| " + " | ".join([*row, f"{1000 * spent:.0f}"]) + " |"


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    data, generated = Path(sys.argv[1]), Path(sys.argv[2])
    head = ("peptide", "MD", "generated", "MD, relaxed", "generated, relaxed", "relaxing, ms per frame")
    print("| " + " | ".join(head) + " |", "| --- " * len(head) + "|", sep="\n")
    for folder in sorted(generated.iterdir()):
        if (data / folder.name).is_dir():
            print(measure(data / folder.name, folder))


if __name__ == "__main__":
    main()

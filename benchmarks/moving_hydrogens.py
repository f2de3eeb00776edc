"""Energies of generated frames with quiet and with moving hydrogens against MD's, term by term, and the cost.

    python benchmarks/moving_hydrogens.py ../shared/data/tetrapeptides/test EHEV QGRE PGKM FKKL

Each folder has allatom.pdb and r00_allatom.xtc of MD at the model's temperature.
"""

import sys
import time
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np

import openmm_mdgen
from openmm_mdgen.evaluation.energies import ENERGY_NAMES, energies, overlaps

N_FRAMES = 200


def generated(pdb: Path, hydrogens: str) -> tuple[mda.Universe, float]:
    """200 frames, 10 ps apart, in memory, and seconds per frame."""
    universe = openmm_mdgen.simulate(pdb, time=10 * N_FRAMES, hydrogens=hydrogens, seed=1)
    begun = time.perf_counter()
    frames = universe.trajectory.timeseries(order="fac")
    seconds = (time.perf_counter() - begun) / N_FRAMES
    return mda.Universe(str(pdb), frames, order="fac", dt=10.0), seconds


def rows(folder: Path) -> list[str]:
    """A row per term."""
    pdb = folder / "allatom.pdb"
    reference = mda.Universe(str(pdb), str(folder / "r00_allatom.xtc"))
    sides = {"MD": energies([reference.atoms], N_FRAMES)}
    seconds = {}
    for kind in ("quiet", "moving"):
        universe, seconds[kind] = generated(pdb, kind)
        sides[kind] = energies([universe.atoms], N_FRAMES)
    seconds["motion"] = motion_seconds(pdb)
    found = {kind: overlaps(sides["MD"], sides[kind]) for kind in ("quiet", "moving")}
    out = []
    for term in ENERGY_NAMES:
        quartiles = np.percentile(getattr(sides["MD"], term), (25, 50, 75))
        cells = [f"{folder.name}, {term}", f"{quartiles[1]:.0f}", f"{quartiles[2] - quartiles[0]:.0f}"]
        for kind in ("quiet", "moving"):
            o = found[kind][term]
            cells += [f"{o.shift:+.0f}", f"{o.spread:.2f}", f"{o.above:.1%}", f"{o.inside:.0%}"]
        out.append("| " + " | ".join(cells) + " |")
    share = seconds["motion"] / seconds["quiet"]
    out.append(f"\n{folder.name}: {1000 * seconds['quiet']:.1f} ms a frame, moving hydrogens {share:.1%} of that\n")
    return out


def motion_seconds(pdb: Path) -> float:
    """Seconds per frame of drawing hydrogens alone."""
    from openmm_mdgen.convert.structures import load_structure
    from openmm_mdgen.geometry.internal import InternalCoordinates
    from openmm_mdgen.peptide.peptide import Peptide
    from openmm_mdgen.tasks.hydrogens import peptide_motion

    structure = load_structure(pdb)
    peptide = Peptide.from_structure(structure)
    bonds = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms).bonds
    motion = peptide_motion(peptide, bonds, structure.positions, 350.0)
    frames = np.repeat(structure.positions[None], 63, 0)
    begun = time.perf_counter()
    for seed in range(10):
        motion.moved(frames, seed)
    return (time.perf_counter() - begun) / 630


def main() -> None:
    warnings.simplefilter("ignore")
    heads = ["peptide, term", "MD, median", "IQR"]
    for kind in ("quiet", "moving"):
        heads += [f"{kind}: shift", "IQR / MD's", "above 99th", "inside"]
    print("| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", sep="\n")
    for name in sys.argv[2:]:
        print("\n".join(rows(Path(sys.argv[1]) / name)), flush=True)


if __name__ == "__main__":
    main()

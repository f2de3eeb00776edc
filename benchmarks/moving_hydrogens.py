"""Energies of generated frames, quiet and moving, against MD's, term by term; overlaps, torsions and the cost.

    python benchmarks/moving_hydrogens.py ../shared/data/tetrapeptides/test EHEV QGRE PGKM FKKL

Each folder has allatom.pdb and r00_allatom.xtc of MD at 350 K.
"""

import sys
import time
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import torch

import openmm_mdgen
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.evaluation.energies import ENERGY_NAMES, energies, overlaps
from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.clashes import ClashRepair
from openmm_mdgen.tasks.hydrogens import peptide_motion

N_FRAMES, BLOCK = 200, 63


KELVIN = 350.0


class Case:
    """One peptide: what moves its hydrogens and side chains, and what finds overlaps."""

    def __init__(self, pdb: Path) -> None:
        self.pdb = pdb
        structure = load_structure(pdb)
        peptide = Peptide.from_structure(structure)
        self.internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
        self.motion = peptide_motion(peptide, self.internal.bonds, structure.positions, KELVIN)
        self.repair = ClashRepair(self.internal, lambda x: x)

    def generated(self, hydrogens: str) -> tuple[np.ndarray, float]:
        """200 frames (F, N, 3), 10 ps apart, and CPU seconds per frame."""
        universe = openmm_mdgen.simulate(self.pdb, time=10 * N_FRAMES, hydrogens=hydrogens, seed=1, temperature=KELVIN)
        begun = time.process_time()
        frames = universe.trajectory.timeseries(order="fac").astype(float)
        return frames, (time.process_time() - begun) / len(frames)

    def overlap(self, frames: np.ndarray) -> float:
        """Share of frames with two atoms closer than the limits that generation keeps."""
        return float((self.repair.room(torch.as_tensor(frames)) < 1).double().mean())

    def torsions(self, frames: np.ndarray) -> torch.Tensor:
        """(F, L, 7) rad."""
        return self.internal.encode(torch.as_tensor(frames))[..., :7]

    def motion_seconds(self, frames: np.ndarray) -> float:
        """CPU seconds per frame of moving alone, in blocks as generation has them."""
        begun = time.process_time()
        for seed in range(5):
            self.motion.moved(frames[:BLOCK], seed)
            self.motion.moved(frames[BLOCK : 2 * BLOCK], seed)
        return (time.process_time() - begun) / (10 * BLOCK)


def rows(folder: Path) -> list[str]:
    """A row per term."""
    case = Case(folder / "allatom.pdb")
    reference = mda.Universe(str(case.pdb), str(folder / "r00_allatom.xtc"))
    md = energies([reference.atoms], N_FRAMES)
    frames, seconds, found = {}, {}, {}
    for kind in ("quiet", "moving", "thermal"):
        frames[kind], seconds[kind] = case.generated(kind)
        universe = mda.Universe(str(case.pdb), frames[kind], order="fac", dt=10.0)
        found[kind] = overlaps(md, energies([universe.atoms], N_FRAMES))
    out = []
    for term in ENERGY_NAMES:
        quartiles = np.percentile(getattr(md, term), (25, 50, 75))
        cells = [f"{folder.name}, {term}", f"{quartiles[1]:.0f}", f"{quartiles[2] - quartiles[0]:.0f}"]
        for kind in ("quiet", "moving", "thermal"):
            o = found[kind][term]
            cells += [f"{o.shift:+.0f}", f"{o.spread:.2f}", f"{o.above:.1%}", f"{o.inside:.0%}"]
        out.append("| " + " | ".join(cells) + " |")
    moved, cost = case.motion.moved(frames["quiet"], 1), case.motion_seconds(frames["quiet"])
    turned = torch.exp(1j * case.torsions(moved)).sub(torch.exp(1j * case.torsions(frames["quiet"]))).abs().max()
    reached = reference.trajectory.timeseries(order="fac").astype(float)
    shares = ", ".join(f"{name} {case.overlap(x):.1%}" for name, x in {"MD": reached, **frames}.items())
    out.append(
        f"\n{folder.name}: {1e3 * seconds['quiet']:.2f} ms a frame, moving alone {1e3 * cost:.2f} ms "
        f"({cost / seconds['quiet']:.0%}); frames with overlaps: {shares}; largest change of a torsion "
        f"{turned:.0e} rad\n"
    )
    return out


def main() -> None:
    warnings.simplefilter("ignore")
    heads = ["peptide, term", "MD, median", "IQR"]
    for kind in ("quiet", "moving", "thermal"):
        heads += [f"{kind}: shift", "IQR / MD's", "above 99th", "inside"]
    print("| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", sep="\n")
    for name in sys.argv[2:]:
        print("\n".join(rows(Path(sys.argv[1]) / name)), flush=True)


if __name__ == "__main__":
    main()

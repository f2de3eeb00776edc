"""Energies of generated frames, quiet and moving, against MD's, term by term; overlaps, torsions and the cost.

    OMP_NUM_THREADS=1 python benchmarks/moving_hydrogens.py ../shared/data/tetrapeptides/test EHEV QGRE PGKM FKKL

Each folder has allatom.pdb and r00_allatom.xtc of MD at 350 K. `moving-1` is what "moving" was in the first recipes.
Costs: processor seconds of 16 replicas in a batch, kinds in turn; the least of the turns counts.
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
from openmm_mdgen.tasks.hydrogens import motion_of
from openmm_mdgen.weights.checkpoint import load_task

N_FRAMES, KELVIN = 200, 350.0
KINDS = ("quiet", "moving-1", "moving", "thermal")
REPLICAS, TURNS = 16, 6


class Case:
    """One peptide: what moves its hydrogens, and what finds overlaps."""

    def __init__(self, pdb: Path) -> None:
        self.pdb = pdb
        self.structure = structure = load_structure(pdb)
        peptide = Peptide.from_structure(structure)
        self.internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
        self.motion = motion_of("moving", peptide, self.internal.bonds, structure.positions, KELVIN)
        self.repair = ClashRepair(self.internal, lambda x: x)

    def generated(self, hydrogens: str) -> np.ndarray:
        """200 frames (F, N, 3), 10 ps apart."""
        universe = openmm_mdgen.simulate(self.pdb, time=10 * N_FRAMES, hydrogens=hydrogens, seed=1, temperature=KELVIN)
        frames: np.ndarray = universe.trajectory.timeseries(order="fac").astype(float)
        return frames

    def overlap(self, frames: np.ndarray) -> float:
        """Share of frames with two atoms closer than the limits that generation keeps."""
        return float((self.repair.room(torch.as_tensor(frames)) < 1).double().mean())

    def torsions(self, frames: np.ndarray) -> torch.Tensor:
        """(F, L, 7) rad."""
        return self.internal.encode(torch.as_tensor(frames))[..., :7]

    def costs(self) -> dict[str, float]:
        """Processor seconds a frame, by kind."""
        task = load_task("peptide")
        made = {kind: task.with_hydrogens(kind).bind(self.structure, 10.0, temperature=KELVIN) for kind in KINDS}
        starts = np.repeat(self.structure.positions[None].astype(float), REPLICAS, 0)
        spent: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for turn in range(TURNS):
            for kind, propagator in made.items():
                begun = time.process_time()
                frames = propagator.next_blocks(starts, [1000 * turn + k for k in range(REPLICAS)])
                spent[kind].append((time.process_time() - begun) / (frames.shape[0] * frames.shape[1]))
        return {kind: min(seconds) for kind, seconds in spent.items()}


def rows(folder: Path) -> list[str]:
    """A row per term."""
    case = Case(folder / "allatom.pdb")
    reference = mda.Universe(str(case.pdb), str(folder / "r00_allatom.xtc"))
    md = energies([reference.atoms], N_FRAMES)
    frames = {kind: case.generated(kind) for kind in KINDS}
    found = {
        kind: overlaps(md, energies([mda.Universe(str(case.pdb), x, order="fac", dt=10.0).atoms], N_FRAMES))
        for kind, x in frames.items()
    }
    out = []
    for term in ENERGY_NAMES:
        quartiles = np.percentile(getattr(md, term), (25, 50, 75))
        cells = [f"{folder.name}, {term}", f"{quartiles[1]:.0f}", f"{quartiles[2] - quartiles[0]:.0f}"]
        for kind in KINDS:
            o = found[kind][term]
            cells += [f"{o.shift:+.0f}", f"{o.spread:.2f}", f"{o.above:.1%}", f"{o.inside:.0%}"]
        out.append("| " + " | ".join(cells) + " |")
    moved, costs = case.motion.moved(frames["quiet"], 1), case.costs()
    turned = torch.exp(1j * case.torsions(moved)).sub(torch.exp(1j * case.torsions(frames["quiet"]))).abs().max()
    reached = reference.trajectory.timeseries(order="fac").astype(float)
    shares = ", ".join(f"{name} {case.overlap(x):.1%}" for name, x in {"MD": reached, **frames}.items())
    spent = ", ".join(f"{kind} {1e6 * cost:.0f} ({cost / costs['quiet'] - 1:+.0%})" for kind, cost in costs.items())
    out.append(
        f"\n{folder.name}: microseconds of a processor a frame: {spent}; frames with overlaps: {shares}; "
        f"largest change of a torsion {turned:.0e} rad\n"
    )
    return out


def main() -> None:
    warnings.simplefilter("ignore")
    heads = ["peptide, term", "MD, median", "IQR"]
    for kind in KINDS:
        heads += [f"{kind}: shift", "IQR / MD's", "above 99th", "inside"]
    print("| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", sep="\n")
    for name in sys.argv[2:]:
        print("\n".join(rows(Path(sys.argv[1]) / name)), flush=True)


if __name__ == "__main__":
    main()

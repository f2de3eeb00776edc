"""How far torsions of MD frames move in minimisation, beside the disturbance that training uses, as a markdown table.

    python benchmarks/minimised_torsions.py ../shared/data/tetrapeptides/val ../shared/data/peptides/val

Each folder holds a folder per peptide with ``allatom.pdb``, ``heavy.pdb`` and ``r00.xtc`` of heavy atoms; hydrogens are
placed as in ``allatom.pdb``. The System is ff14SB with OBC2. "Converged" has no restraint; "short" is what
`Relax` and --relax do. Given frames in training get normal noise of one standard deviation per window, drawn
evenly from 0 to `WindowConfig.perturbation`, in a share `WindowConfig.perturbed` of the windows.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import torch
from openmm.app import PDBFile

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.forcefield.minimizer import Minimizer
from openmm_mdgen.geometry.hydrogens import HydrogenPlacer
from openmm_mdgen.geometry.internal import TORSIONS, InternalCoordinates
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.train.windows import WindowConfig

RUNS = {"converged": {"max_iterations": 100_000, "restraint": 0.0}, "short": {}}
PERCENTILES = (50, 90, 95, 99)


def all_atoms(folder: Path, internal: InternalCoordinates, reference: np.ndarray, n_frames: int) -> np.ndarray:
    """Evenly spaced frames (n_frames, N, 3) in Å of the first replica, hydrogens placed."""
    heavy, whole = mda.Universe(folder / "heavy.pdb", str(folder / "r00.xtc")), mda.Universe(folder / "allatom.pdb")
    place = {(atom.resindex, atom.name): atom.index for atom in whole.atoms}
    atoms = [place[atom.resindex, atom.name] for atom in heavy.atoms]
    md = heavy.trajectory.timeseries(order="fac").astype(np.float64)
    md = md[np.linspace(0, len(md) - 1, n_frames).round().astype(int)]
    placer = HydrogenPlacer(internal.hydrogens, internal.bonds, reference)
    frames = np.zeros((n_frames, internal.n_atoms, 3))
    frames[:, atoms] = md
    for frame in frames:
        frame[placer.atoms] = placer.place(frame)
    return frames


def changes(folder: Path, n_frames: int) -> dict[str, torch.Tensor]:
    """Per run, how far every torsion moved (n_frames, L, 7) in radians; NaN where there is none."""
    structure = load_structure(folder / "allatom.pdb")
    peptide = Peptide.from_structure(structure)
    internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
    frames = all_atoms(folder, internal, structure.positions, n_frames)
    system = build_system(PDBFile(str(folder / "allatom.pdb")).topology)
    exists, moved = internal.exists[:, : len(TORSIONS)], {}
    for name, settings in RUNS.items():
        minimizer = Minimizer(system, **settings)
        relaxed = np.stack([minimizer.minimized(frame) for frame in frames])
        before, after = (internal.encode(torch.from_numpy(x))[..., : len(TORSIONS)] for x in (frames, relaxed))
        turn = torch.remainder(after - before + torch.pi, 2 * torch.pi) - torch.pi
        moved[name] = torch.where(exists, turn, torch.nan)
    return moved


def row(run: str, kind: str, turn: np.ndarray, limit: float) -> str:
    """One line of the table, in radians."""
    turn = np.abs(turn)
    figures = [np.sqrt(np.mean(turn**2)), *np.percentile(turn, PERCENTILES)]
    beyond = f"{np.mean(turn > limit):.0%}, {np.mean(turn > 2 * limit):.0%}"
    return "| " + " | ".join([run, kind, str(len(turn)), *(f"{x:.3f}" for x in figures), beyond]) + " |"


def disturbance(n: int = 1_000_000) -> np.ndarray:
    """Draws of what training adds to the torsions of given frames, where it does."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(n) * rng.uniform(0, WindowConfig().perturbation, n)


def main() -> None:
    """Print the table over all peptides, with the disturbance of training as its last row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of peptides")
    parser.add_argument("--frames", type=int, default=30, help="per peptide (default: 30)")
    parser.add_argument("--first", type=int, help="only so many peptides of every folder")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    collected: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for folder in given.folders:
        for peptide in sorted(p.parent for p in folder.glob("*/allatom.pdb"))[: given.first]:
            for run, turn in changes(peptide, given.frames).items():
                for k, kind in enumerate(TORSIONS):
                    found = turn[..., k].numpy()
                    collected[run, kind].append(found[~np.isnan(found)])
    limit = WindowConfig().perturbation
    head = (
        "minimised",
        "torsion",
        "n",
        "RMS",
        *(f"{p} %" for p in PERCENTILES),
        f"beyond {limit:g}, {2 * limit:g} rad",
    )
    print("| " + " | ".join(head) + " |", "| --- " * len(head) + "|", sep="\n")
    for (run, kind), turns in sorted(collected.items(), key=lambda item: item[0][0]):
        if any(map(len, turns)):
            print(row(run, kind, np.concatenate(turns), limit))
    print(row("training's noise", "all", disturbance(), limit))


if __name__ == "__main__":
    main()

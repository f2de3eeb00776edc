"""What is lost between MD frames and tokens and back, per test peptide, as a markdown table.

    python benchmarks/roundtrip.py ../shared/data

Bond lengths and angles come from each peptide's minimised ``allatom.pdb``. Beside it: the published way, independent
rigids with ideal geometry. All-atom trajectories: hydrogens are placed, and counted apart.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.geometry.internal import INTERNAL, InternalCoordinates
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.published.atom14 import atom14_to_rigids, atom14_to_torsions, torsions_to_atom14
from openmm_mdgen.published.residues import sequence_to_residue_indices, slot_names


def rmsd(a: Tensor, b: Tensor) -> float:
    """Median over frames of the RMSD of (F, N, 3) after superposition."""
    return float((superpose(a, b) - b).square().sum(-1).mean(-1).sqrt().median())


def published(peptide: Peptide, positions: Tensor) -> Tensor:
    """Frames (F, N, 3) after published rigids and torsions with ideal geometry; OXT and caps as they were."""
    residues = [i for i, t in enumerate(peptide.residue_types) if t not in ("ACE", "NME", "NH2")]
    atom14 = positions.new_zeros(len(positions), len(residues), 14, 3)
    places = [
        (row, slot, peptide.heavy[i, name])
        for row, i in enumerate(residues)
        for slot, name in enumerate(slot_names(peptide.residue_types[i]))
    ]
    rows, slots, atoms = torch.tensor(places).T
    atom14[:, rows, slots] = positions[:, atoms]
    indices = torch.as_tensor(sequence_to_residue_indices(peptide.sequence)).expand(len(positions), -1)
    rigids, torsions = atom14_to_rigids(atom14.float()), atom14_to_torsions(atom14.float(), indices)
    back = torsions_to_atom14(rigids, torsions.sin_cos, indices).to(positions)
    out = positions.clone()
    out[:, atoms] = back[:, rows, slots]
    return out


def measure(folder: Path) -> list[str]:
    """One row of the table."""
    universe = mda.Universe(folder / "allatom.pdb")
    peptide = Peptide.from_structure(atomgroup_to_structure(universe.atoms))
    internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
    reference = torch.as_tensor(universe.atoms.positions.astype(np.float64))
    universe.load_new(str(folder / "r00_allatom.xtc"))
    md = torch.as_tensor(universe.trajectory.timeseries(order="fac").astype(np.float64))
    back = internal.decode(internal.encode(md), internal.geometry(reference))
    heavy = internal.heavy_atoms
    ideal = published(peptide, md)
    link, exists = INTERNAL.index("C-N"), internal.exists[:, INTERNAL.index("C-N")]
    spread = [
        float(internal.encode(x)[:, exists, link].std(0).mean()) if exists.any() else np.nan for x in (md, back, ideal)
    ]
    sides = [
        torch.linalg.det(
            torch.stack([back[:, peptide.heavy[i, n]] - back[:, peptide.heavy[i, "CA"]] for n in ("N", "C", "CB")], -1)
        )
        for i, t in enumerate(peptide.residue_types)
        if (i, "CB") in peptide.heavy
    ]
    left = 100 * float((torch.stack(sides) > 0).double().mean()) if sides else np.nan
    figures = [rmsd(back[:, heavy], md[:, heavy]), rmsd(ideal[:, heavy], md[:, heavy]), rmsd(back, md), *spread]
    return [folder.name, *(f"{x:.3f}" for x in figures), f"{left:.1f}"]


def main() -> None:
    """Print the table over all test peptides."""
    warnings.simplefilter("ignore")
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/test/*/allatom.pdb"))
    rows = [measure(folder) for folder in folders]
    head = (
        "| peptide | heavy RMSD Å | published ideal geometry | all atoms | C-N spread MD Å | ours | published | L, % |"
    )
    print(head, "| --- " * head.count(" | ") + "| --- |", *("| " + " | ".join(row) + " |" for row in rows), sep="\n")
    ours, ideal = (np.mean([float(row[k]) for row in rows]) for k in (1, 2))
    print(f"| **mean** | **{ours:.3f}** | {ideal:.3f} | | | | | |")


if __name__ == "__main__":
    main()

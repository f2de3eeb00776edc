"""Draws the first picture of README: Ramachandran maps of MD and of what was generated, of a peptide not trained on.

    python docs/images/md_and_generated.py ../shared/data/peptides/test/VALQL docs/images/md_and_generated.png

The folder has `allatom.pdb`, `heavy.pdb` and replicas `r??.xtc` of MD at 350 K, frames 10 ps apart.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import MDAnalysis as mda
import numpy as np

import openmm_mdgen
from openmm_mdgen.show.scene import scene_of


def angles(runs: list[mda.AtomGroup]) -> dict[str, np.ndarray]:
    """(phi, psi) of residues that have both, over all runs, degrees."""
    scenes = [scene_of(run) for run in runs]
    found = {}
    for i, residue in enumerate(scenes[0].residues):
        pairs = np.concatenate([np.stack([s.residues[i].phi, s.residues[i].psi], 1) for s in scenes])
        if np.isfinite(pairs).all():
            found[residue.label] = pairs
    return found


def main(folder: Path, path: str) -> None:
    """Draw the picture."""
    files = sorted(folder.glob("r??.xtc"))
    md = [mda.Universe(folder / "heavy.pdb", str(p)).atoms for p in files]
    length = 10.0 * len(md[0].universe.trajectory)
    settings = {"time": length, "replicas": len(files), "temperature": 350, "equilibrate": 630, "seed": 0}
    made = [u.atoms for u in openmm_mdgen.simulate(folder / "allatom.pdb", **settings)]
    rows = {"molecular dynamics": angles(md), "generated": angles(made)}
    columns = len(rows["generated"])
    figure, axes = plt.subplots(
        2, columns, figsize=(2.6 * columns, 5.4), layout="constrained", sharex=True, sharey=True
    )
    for line, (name, maps) in zip(axes, rows.items(), strict=True):
        for axis, (label, pairs) in zip(line, maps.items(), strict=True):
            counts, *_ = np.histogram2d(*pairs.T, bins=72, range=[[-180, 180]] * 2)
            shown = np.where(counts > 0, counts, np.nan).T
            axis.imshow(
                shown, origin="lower", extent=(-180, 180, -180, 180), norm="log", cmap="viridis", aspect="equal"
            )
            axis.set(xticks=[-180, 0, 180], yticks=[-180, 0, 180], title=label)
        line[0].set_ylabel(f"{name}\npsi (°)", fontsize=11)
    for axis in axes[1]:
        axis.set_xlabel("phi (°)")
    total = length * len(files) / 1000
    figure.suptitle(f"{folder.name}, not in the training set, at 350 K: {total:.0f} ns each", fontsize=12)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

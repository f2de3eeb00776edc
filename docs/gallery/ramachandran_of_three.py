"""Ramachandran maps of alanine, glycine and proline dipeptides, 20 ns each, generated."""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import openmm_mdgen
from openmm_mdgen.show.scene import scene_of


def main(path: str) -> None:
    """Draw the picture."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained", sharey=True)
    for axis, letter in zip(axes, "AGP", strict=True):
        runs = openmm_mdgen.unconditional(f"ACE-{letter}-NME", time=5_000, replicas=4, seed=1)
        residues = [scene_of(run.atoms).residues[0] for run in runs]
        phi, psi = (np.concatenate([getattr(r, name) for r in residues]) for name in ("phi", "psi"))
        axis.hexbin(phi, psi, gridsize=36, extent=(-180, 180, -180, 180), bins="log", cmap="viridis", mincnt=1)
        axis.set(title=f"ACE-{letter}-NME", xlabel="phi (°)", xticks=[-180, 0, 180], yticks=[-180, 0, 180])
    axes[0].set_ylabel("psi (°)")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ramachandran_of_three.png")

"""One peptide at three temperatures: how it spreads over its Ramachandran map, and how fast a side chain turns."""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import openmm_mdgen
from openmm_mdgen.show.scene import scene_of


def main(path: str) -> None:
    """Draw the picture."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained", sharey=True)
    for axis, kelvin in zip(axes, (280, 350, 450), strict=True):
        runs = openmm_mdgen.unconditional("AVA", time=5_000, replicas=4, temperature=kelvin, seed=1)
        residues = [scene_of(run.atoms).residues[0] for run in runs]
        phi, psi = (np.concatenate([getattr(r, name) for r in residues]) for name in ("phi", "psi"))
        counts, *_ = np.histogram2d(phi, psi, bins=48, range=[[-180, 180]] * 2)
        energy = -np.log(np.where(counts > 0, counts, np.nan) / counts.max()).T
        shown = axis.imshow(energy, origin="lower", extent=(-180, 180, -180, 180), cmap="viridis_r", vmin=0, vmax=6)
        axis.set(title=f"{residues[0].label}, {kelvin} K", xlabel="phi (°)", xticks=[-180, 0, 180])
    axes[0].set(ylabel="psi (°)", yticks=[-180, 0, 180])
    figure.colorbar(shown, ax=axes, label="free energy (kT)", shrink=0.8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "warm_and_cold.png")

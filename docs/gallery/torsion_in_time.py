"""How psi of alanine dipeptide goes from well to well: one generated trajectory, and what it forgets how fast."""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import openmm_mdgen
from openmm_mdgen.show.scene import scene_of


def main(path: str) -> None:
    """Draw the picture."""
    run = openmm_mdgen.unconditional("ACE-A-NME", time=10_000, seed=2)
    scene = scene_of((run[0] if isinstance(run, list) else run).atoms)
    psi = np.deg2rad(scene.residues[0].psi)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), width_ratios=[2, 1], layout="constrained")
    left.plot(scene.times / 1000, np.rad2deg(psi), ".", markersize=2)
    left.set(xlabel="time (ns)", ylabel="psi (°)", yticks=[-180, 0, 180])
    lags = np.arange(1, 60)
    away = np.exp(1j * psi) - np.exp(1j * psi).mean()
    kept = [np.mean(away[lag:] * away[:-lag].conj()).real for lag in lags] / np.mean(np.abs(away) ** 2)
    right.semilogx(lags * (scene.times[1] - scene.times[0]), kept)
    right.set(xlabel="lag (ps)", ylabel="autocorrelation", ylim=(-0.2, 1))
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "torsion_in_time.png")

"""Transition paths of alanine dipeptide from one well to another, on the Ramachandran map."""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import openmm_mdgen
from openmm_mdgen.show.scene import scene_of


def main(path: str) -> None:
    """Draw the picture."""
    run = openmm_mdgen.unconditional("ACE-A-NME", time=10_000, seed=3)
    residue = scene_of(run.atoms).residues[0]
    wells = {"beta": (-75, 150), "alpha": (-70, -30)}
    frames = {}
    for name, (phi, psi) in wells.items():
        away = (residue.phi - phi) ** 2 + (residue.psi - psi) ** 2
        run.trajectory[int(np.argmin(away))]
        frames[name] = run.copy()
        frames[name].load_new(run.atoms.positions[None])
    paths = openmm_mdgen.interpolate(frames["beta"], frames["alpha"], n_paths=4, time=150, seed=0)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", width_ratios=[1, 1.4])
    left.plot(residue.phi, residue.psi, ".", color="0.85", markersize=3, zorder=0)
    for k, universe in enumerate(paths):
        found = scene_of(universe.atoms)
        angles = found.residues[0]
        left.plot(angles.phi, angles.psi, "o", markersize=4, color=f"C{k}", alpha=0.8)
        right.plot(found.times, (angles.psi + 120) % 360 - 120, "o-", markersize=3, lw=0.8, color=f"C{k}")
    for name, (phi, psi) in wells.items():
        left.annotate(name, (phi, psi), (phi + 45, psi - 30), fontsize=11, arrowprops={"arrowstyle": "-"})
    left.set(xlabel="phi (°)", ylabel="psi (°)", xticks=[-180, 0, 180], yticks=[-180, 0, 180], xlim=(-180, 180))
    right.set(xlabel="time (ps)", ylabel="psi (°)", yticks=[-90, 0, 90, 180], ylim=(-120, 240))
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "paths_on_the_map.png")

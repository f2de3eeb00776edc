"""Frames 10 ps apart, and what a model puts between them: an end-to-end distance, 100 times finer."""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import openmm_mdgen


def distances(universe) -> tuple[np.ndarray, np.ndarray]:
    """Times in ps and the distance between the first and the last C-alpha, Å."""
    ends = universe.select_atoms("name CA")[[0, -1]]
    found = [(ts.time, np.linalg.norm(ends.positions[1] - ends.positions[0])) for ts in universe.trajectory]
    times, values = np.array(found).T
    return times, values


def main(path: str) -> None:
    """Draw the picture."""
    coarse = openmm_mdgen.unconditional("QGRE", time=100, seed=1)
    figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
    for seed in (0, 1):
        times, values = distances(openmm_mdgen.upsample(coarse, interval=0.1, seed=seed))
        axis.plot(times, values, lw=0.8, color=f"C{seed}", label=f"0.1 ps apart, draw {seed + 1}")
    axis.plot(*distances(coarse), "o", color="0.2", markersize=6, label="10 ps apart")
    axis.set(xlabel="time (ps)", ylabel="end to end, CA (Å)")
    axis.legend(frameon=False, ncols=3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "between_two_frames.png")

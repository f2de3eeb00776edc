"""Sampling time against the number of solver steps, with the torsion JSD that each gives.

    python benchmarks/solver_steps.py ../shared/data/tetrapeptides/val --steps 3 --steps 5 --steps 10 --steps 20

Eight replicas of 2 ns per peptide, after 200 ps, in one batch; JSD of all torsions against all MD replicas.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.evaluation.distances import histograms, jsd
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles
from openmm_mdgen.tasks.model import SolverConfig
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.weights.checkpoint import load_task

REPLICAS, DISCARDED, FRAMES = 8, 20, 200


def run(
    task: Simulate, start: mda.AtomGroup, n_replicas: int = REPLICAS, discarded: int = DISCARDED, n_frames: int = FRAMES
) -> tuple[np.ndarray, float]:
    """Frames (R, T, N, 3) in Å, and frames made per second."""
    propagator = task.bind(atomgroup_to_structure(start), 10.0)
    x, blocks = np.repeat(start.positions[None], n_replicas, 0), []
    began = time.perf_counter()
    while sum(b.shape[1] for b in blocks) < discarded + n_frames:
        blocks.append(propagator.next_blocks(x, [block_seed(0, len(blocks), r) for r in range(n_replicas)]))
        x = blocks[-1][:, -1]
    frames = np.concatenate(blocks, 1)
    speed = frames.shape[0] * frames.shape[1] / (time.perf_counter() - began)
    return frames[:, discarded : discarded + n_frames], speed


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="peptide", show_default=True)
@click.option("--steps", multiple=True, type=int, default=(3, 5, 10, 20))
@click.option("--solver", default="euler", show_default=True)
@click.option("--warp", default=1.0, show_default=True)
def main(data: Path, model: str, steps: tuple[int, ...], solver: str, warp: float) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    print("| solver steps | backbone JSD | side chains JSD | frames/s |", "| --- | --- | --- | --- |", sep="\n")
    for n_steps in steps:
        task = replace(load_task(model), solver=SolverConfig(solver, n_steps, warp))
        rows = []
        for folder in sorted(p.parent for p in data.glob("*/heavy.pdb")):
            atoms = heavy_atoms(mda.Universe(folder / "allatom.pdb").atoms)
            torsions = topology_of(atoms).torsions
            md = [
                mda.Universe(folder / "heavy.pdb", str(p)).trajectory.timeseries(order="fac")
                for p in folder.glob("r??.xtc")
            ]
            frames, speed = run(task, atoms)
            backbone = np.array([t.backbone for t in torsions])
            reference, ours = (histograms([torsion_angles(a, torsions) for a in x]).sum(0) for x in (md, frames))
            single = jsd(reference, ours)
            rows.append((single[backbone].mean(), single[~backbone].mean(), speed))
        mean = np.mean(rows, 0)
        print(f"| {solver} {n_steps} | {mean[0]:.3f} | {mean[1]:.3f} | {mean[2]:.0f} |", flush=True)


if __name__ == "__main__":
    main()

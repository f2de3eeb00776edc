"""AdK (214 residues, hydrogens) by a published network of random weights: time, memory, bonds, window after window.

    python benchmarks/protein_generate.py --width 64 --depth 2 --frames 250
    python benchmarks/protein_generate.py --width 32 --depth 1 --frames 20 --windows 10

Random weights make no fold; what is measured does not depend on it. Needs MDAnalysisTests.
"""

from __future__ import annotations

import resource
import tempfile
import time
import warnings
from pathlib import Path

import click
import numpy as np
import torch
from MDAnalysis import Universe
from MDAnalysisTests.datafiles import DCD, PSF
from upsampling_protein import peptide_bonds

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.file import load_published, save_published
from openmm_mdgen.published.network import PublishedNetwork
from openmm_mdgen.published.task import PublishedSettings
from openmm_mdgen.published.tokens import PublishedTokens


@click.command()
@click.option("--width", default=64, show_default=True)
@click.option("--depth", default=2, show_default=True)
@click.option("--frames", default=250, show_default=True)
@click.option("--windows", default=1, show_default=True)
@click.option("--steps", default=10, show_default=True, help="of Euler's method")
def main(width: int, depth: int, frames: int, windows: int, steps: int) -> None:
    """Print the figures."""
    warnings.filterwarnings("ignore")
    universe = Universe(PSF, DCD)
    torch.manual_seed(0)
    network = PublishedNetwork(PublishedConfig(width=width, n_layers=depth, n_heads=4, n_positions=0, n_frames=frames))
    settings = PublishedSettings(PublishedTokens(), frames, 400.0, 300.0, "euler", steps)
    with tempfile.TemporaryDirectory() as folder:
        task = load_published(save_published(network, settings, Path(folder) / "random.safetensors"))
    began = time.perf_counter()
    propagator = task.bind(atomgroup_to_structure(universe.atoms), 400.0)
    click.echo(f"bound in {time.perf_counter() - began:.1f} s")
    start, pairs = universe.atoms.positions.astype(np.float64), peptide_bonds(universe)
    for window in range(windows):
        began = time.perf_counter()
        made = propagator.next_block(start, window)
        lengths = np.linalg.norm(made[:, pairs[:, 0]] - made[:, pairs[:, 1]], axis=-1)
        broken = float((np.abs(lengths - 1.33) > 0.2).mean())
        click.echo(
            f"window {window}: {len(made)} frames of {made.shape[1]} atoms in {time.perf_counter() - began:.1f} s, "
            f"C-N {lengths.mean():.3f} +- {lengths.std():.3f} Å, {broken:.2%} broken"
        )
        start = made[-1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    click.echo(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()

"""Time and peak memory of an evaluation against the number of generated frames.

    python benchmarks/evaluation_size.py ../shared/data/tetrapeptides/test/EHEV --frames 10000 --frames 1000000

The frames judged are those of the peptide's MD, repeated with noise of 0.05 Å; the reference is all of its replicas.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np
from ensemble_tables import table

COMMAND = [sys.executable, "-c", "from openmm_mdgen.cli import main; main()", "evaluate", "--no-3d"]


def write_frames(folder: Path, path: Path, n_frames: int) -> None:
    """MD over and over, a little disturbed."""
    universe = mda.Universe(folder / "heavy.pdb", [str(p) for p in sorted(folder.glob("r??.xtc"))])
    rng, positions = np.random.default_rng(0), universe.trajectory.timeseries(order="fac")
    universe.trajectory[0]
    with mda.Writer(str(path), universe.atoms.n_atoms) as writer:
        for k in range(n_frames):
            universe.trajectory.ts.time = 10.0 * (k + 1)
            universe.atoms.positions = positions[k % len(positions)] + rng.normal(0, 0.05, positions.shape[1:])
            writer.write(universe.atoms)


def measure(folder: Path, n_frames: int) -> tuple[float, float]:
    """Wall seconds, and peak memory in GB of the process."""
    with tempfile.TemporaryDirectory() as scratch:
        generated = Path(scratch) / "gen.xtc"
        write_frames(folder, generated, n_frames)
        words = ["--reference", str(folder / "r??.xtc"), "--generated", str(generated)]
        words += ["--topology", str(folder / "heavy.pdb"), "-o", str(Path(scratch) / "report")]
        began = time.perf_counter()
        child = subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            raise click.ClickException(f"evaluation of {n_frames} frames failed")
        return time.perf_counter() - began, usage.ru_maxrss / 1e6


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--frames", multiple=True, type=int, default=(10_000,), show_default=True)
def main(folder: Path, frames: tuple[int, ...]) -> None:
    """Print the table."""
    rows = []
    for n_frames in frames:
        seconds, memory = measure(folder, n_frames)
        rows.append([f"{n_frames:,}", f"{seconds:.1f}", f"{memory:.2f}"])
    click.echo(table(["frames", "s", "peak memory, GB"], rows))


if __name__ == "__main__":
    main()

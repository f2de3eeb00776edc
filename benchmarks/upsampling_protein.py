"""Frames per second and peak memory of upsampling a protein (AdK, 214 residues), and its geometry, in a process each.

    python benchmarks/upsampling_protein.py --gaps 16
    git worktree add ../before COMMIT; python benchmarks/upsampling_protein.py --gaps 16 --package ../before

With --package, another version of the package is measured in the same run. The number of threads is OpenMP's
(OMP_NUM_THREADS; one, for CPU seconds to mean something on shared cores). Needs MDAnalysisTests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np


def measure(gaps: int, spacing: float, interval: float) -> dict[str, float]:
    """One run in this process: seconds, peak memory in MB, bonds."""
    import resource

    from MDAnalysis import Universe
    from MDAnalysisTests.datafiles import DCD, PSF

    import openmm_mdgen

    warnings.filterwarnings("ignore")
    coarse = Universe(PSF, DCD)
    started = time.perf_counter()
    weights = (
        Path(openmm_mdgen.__file__).parent / "weights" / "peptide-upsample.safetensors"
    )  # its own, not an entry point's
    fine = openmm_mdgen.upsample(coarse, interval, weights, dt=spacing)
    built = time.perf_counter()
    factor, pairs, cpu = round(spacing / interval), peptide_bonds(coarse), time.process_time()
    lengths = []
    for frame in range(gaps * factor + 1):
        positions = fine.trajectory[frame].positions
        lengths.append(np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=-1))
    done, cpu = time.perf_counter(), time.process_time() - cpu
    made = np.array([row for frame, row in enumerate(lengths) if frame % factor])
    return {
        "build": built - started,
        "frames/CPU s": gaps * factor / cpu,
        "frames/s": gaps * factor / (done - built),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "C-N spread": float(made.std()),
        "broken": float((np.abs(made - 1.33) > 0.2).mean()),
    }


def peptide_bonds(universe: Any) -> np.ndarray:
    """(K, 2) indices of C and N of neighbouring residues."""
    protein = universe.select_atoms("protein")
    carbons, nitrogens = protein.select_atoms("name C").indices, protein.select_atoms("name N").indices
    return np.stack([carbons[:-1], nitrogens[1:]], 1)


@click.command()
@click.option("--gaps", default=16, show_default=True)
@click.option("--spacing", default=1.0, show_default=True, help="ps between key frames")
@click.option("--interval", default=0.1, show_default=True, help="ps between the frames made")
@click.option("--package", type=click.Path(path_type=Path, exists=True), multiple=True, help="Also this version.")
@click.option("--here", is_flag=True, hidden=True)
def main(gaps: int, spacing: float, interval: float, package: tuple[Path, ...], here: bool) -> None:
    """Print the figures as a markdown table."""
    if here:
        click.echo(json.dumps(measure(gaps, spacing, interval)))
        return
    rows = {}
    for folder in (*package, Path(__file__).parents[1]):
        command = [sys.executable, __file__, "--here", "--gaps", str(gaps)]
        command += ["--spacing", str(spacing), "--interval", str(interval)]
        environment = os.environ | {"PYTHONPATH": str(folder.resolve())}
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        rows[folder.resolve().name] = json.loads(output.splitlines()[-1])
    click.echo("| AdK | frames/s | frames per CPU second | peak memory, MB | C-N spread, Å | C-N more than 0.2 Å off |")
    click.echo("|---|---|---|---|---|---|")
    for name, row in rows.items():
        numbers = f"{row['frames/s']:.1f} | {row['frames/CPU s']:.1f} | {row['memory']:.0f}"
        click.echo(f"| {name} | {numbers} | {row['C-N spread']:.3f} | {row['broken']:.1%} |")


if __name__ == "__main__":
    main()

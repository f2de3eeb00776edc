"""Peak memory of `openmm-mdgen simulate` for a short and a long trajectory, as a markdown table.

python benchmarks/streaming_memory.py examples/peptide.pdb --frames 5000 --frames 50000
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import click

PROGRAM = """
import resource, sys
from openmm_mdgen.cli import group
group.main(sys.argv[1:], standalone_mode=False)
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@click.command()
@click.argument("structure", type=click.Path(exists=True, path_type=Path))
@click.option("--frames", multiple=True, type=int, default=(5000, 50000))
@click.option("--steps", default=10, show_default=True, help="Solver steps.")
@click.option("--replicas", default=16, show_default=True)
def main(structure: Path, frames: tuple[int, ...], steps: int, replicas: int) -> None:
    """Print the table."""
    print("| frames | replicas | peak memory, MB |", "| --- | --- | --- |", sep="\n")
    for n in frames:
        with tempfile.TemporaryDirectory() as folder:
            each = -(-n // replicas)
            words = ["simulate", str(structure), "--time", f"{10 * each}ps", "--replicas", str(replicas), "--quiet"]
            words += ["--steps", str(steps), "-o", f"{folder}/out.xtc"]
            out = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True)
            print(f"| {each * replicas} | {replicas} | {out.stdout.split('peak')[-1].strip()} |", flush=True)


if __name__ == "__main__":
    main()

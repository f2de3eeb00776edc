"""What replicas cost side by side: processor time of a block for each of R, and whether company changes the bits.

python benchmarks/replicas.py [--model peptide]
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.tasks.propagator import next_blocks
from openmm_mdgen.tasks.protocols import bind_simulator
from openmm_mdgen.weights.roles import as_simulator

PDB = Path(__file__).resolve().parent.parent / "tests" / "data" / "QGRE.pdb"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="peptide")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    structure = load_structure(PDB)
    propagator = bind_simulator(as_simulator(options.model, options.device), structure, 10.0)
    start = structure.positions
    alone = np.stack([next_blocks(propagator, start[None], [seed])[0] for seed in range(16)])
    print(f"| replicas in a call ({options.model}) | ms of processor time a block | off from a call of its own, Å |")
    print("|---|---|---|")
    for count in (1, 2, 4, 16):
        starts, least = np.repeat(start[None], count, 0), float("inf")
        for _ in range(options.repeats):
            began = time.process_time()
            frames = next_blocks(propagator, starts, list(range(count)))
            least = min(least, time.process_time() - began)
        off = float(np.abs(frames - alone[:count]).max())
        print(f"| {count} | {1000 * least / count:.0f} | {off:.1g} |")


if __name__ == "__main__":
    main()

"""SIGKILL an in-place run at random moments; then run it again. Prints what was found each time, as markdown.

python benchmarks/kill_inplace.py --runs 50
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from openmm_mdgen.upsampling import inplace

warnings.filterwarnings("ignore", category=DeprecationWarning)
INTERVAL, FACTOR, N_ATOMS = 0.1, 100, 60


def write_files(folder: Path, n_frames: int) -> tuple[Path, Path]:
    """A DCD file of frames 10 ps apart, and its topology."""
    from MDAnalysis import Universe, Writer

    rng = np.random.default_rng(0)
    universe = Universe.empty(N_ATOMS, 1, atom_resindex=[0] * N_ATOMS, trajectory=True)
    universe.add_TopologyAttr("names", ["C"] * N_ATOMS)
    universe.add_TopologyAttr("resnames", ["LIG"])
    universe.atoms.positions = 1.5 * np.stack(np.unravel_index(np.arange(N_ATOMS), (4, 4, 4)), axis=1)
    universe.atoms.write(folder / "start.pdb")
    with Writer(str(folder / "start.dcd"), N_ATOMS, dt=INTERVAL * FACTOR) as writer:
        for _ in range(n_frames):
            universe.atoms.positions += rng.normal(0, 0.05, (N_ATOMS, 3))
            writer.write(universe.atoms)
    return folder / "start.dcd", folder / "start.pdb"


def upsample(path: Path, topology: Path) -> None:
    """The run under test."""
    inplace.upsample_dcd(path, topology, INTERVAL, model="linear")


def run_and_kill(path: Path, topology: Path, seconds: float) -> bool:
    """Start the run in a child and kill it after so many seconds; whether it was still running."""
    child = os.fork()
    if child == 0:
        try:
            upsample(path, topology)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def state(path: Path, original: bytes, complete: bytes) -> str:
    """What lies under the final name."""
    data = path.read_bytes()
    return "intact" if data == original else "complete" if data == complete else "lost"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--frames", type=int, default=600, help="frames of the original")
    parser.add_argument("--commit", type=float, default=0.1, help="seconds between commits to disk (1 in normal use)")
    arguments = parser.parse_args()
    inplace._COMMIT_SECONDS = arguments.commit
    after_kill, after_second, was_running, left = Counter(), Counter(), 0, 0
    with tempfile.TemporaryDirectory() as name:
        source, topology = write_files(Path(name), arguments.frames)
        original = source.read_bytes()
        path = Path(name) / "a.dcd"
        path.write_bytes(original)
        began = time.monotonic()
        upsample(path, topology)
        duration = time.monotonic() - began
        complete = path.read_bytes()
        rng = random.Random(0)
        for _ in range(arguments.runs):
            path.write_bytes(original)
            was_running += run_and_kill(path, topology, rng.uniform(0, 1.1 * duration))
            after_kill[state(path, original, complete)] += 1
            left += (path.parent / f".{path.name}.mdgen-journal").exists()
            upsample(path, topology)
            after_second[state(path, original, complete)] += 1
            if list(path.parent.glob(".*mdgen*")):
                after_second["with strays"] += 1
    print(f"| {arguments.runs} kills, {was_running} while running | intact | complete | lost |")
    print("|---|---|---|---|")
    for label, counts in (("after the kill", after_kill), ("after a second run", after_second)):
        print(f"| {label} | {counts['intact']} | {counts['complete']} | {counts['lost']} |")
    print(
        f"\nThe run takes {duration:.2f} s ({len(original) / 1e6:.1f} to {len(complete) / 1e6:.1f} MB). {left} second "
        f"runs went on from a journal; {after_second['with strays']} left strays."
    )


if __name__ == "__main__":
    main()

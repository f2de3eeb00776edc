"""Frames per second on an idle machine and beside busy processes: `python benchmarks/busy_machine.py` prints a table.

Every figure is of a process of its own with as many torch threads as there are processors. "left spinning" is how
OpenMP's threads wait where nobody says otherwise; see `openmm_mdgen.__init__`.
"""

import argparse
import contextlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PEPTIDE = Path(__file__).resolve().parent.parent / "tests" / "data" / "QGRE.pdb"
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
CHILD = """
import sys, time
import openmm_mdgen
universe = openmm_mdgen.simulate(sys.argv[1], time=10 * 63 * 10_000)
universe.trajectory[0]
began, block = time.perf_counter(), 0
while time.perf_counter() - began < float(sys.argv[2]):
    block += 1
    universe.trajectory[63 * block]
print(63 * block / (time.perf_counter() - began))
"""


def spin() -> None:
    """Keep one processor busy."""
    while True:
        pass


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Processes that do nothing but run."""
    processes = [multiprocessing.get_context("spawn").Process(target=spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def speed(seconds: float, **environment: str) -> float:
    """Frames per second of a fresh process."""
    kept = {name: value for name, value in os.environ.items() if name not in WAITING}
    command = [sys.executable, "-c", CHILD, str(PEPTIDE), str(seconds)]
    result = subprocess.run(command, env=kept | environment, check=True, capture_output=True, text=True)
    return float(result.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each figure (default: 10)")
    parser.add_argument("--busy", type=int, default=1, help="busy processes (default: 1)")
    given = parser.parse_args()
    settings = {
        "as it comes": {},
        "left spinning": {"KMP_BLOCKTIME": "200"},  # a setting of the user's, which OpenMP of GNU does not know
        "one thread": {"OMP_NUM_THREADS": "1"},
    }
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before\n")
    print(f"| threads | frames/s | beside {given.busy} busy |\n|---|---|---|")
    for name, environment in settings.items():
        idle = speed(given.seconds, **environment)
        with busy(given.busy):
            beside = speed(given.seconds, **environment)
        print(f"| {name} | {idle:.0f} | {beside:.0f} |", flush=True)


if __name__ == "__main__":
    main()

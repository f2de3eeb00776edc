"""SIGKILL `correct` at random moments, start it again, and compare what it ends with. Prints markdown.

    python benchmarks/kill_correct.py --kills 20

Twelve runs of 4 ps of alanine dipeptide in two rounds, with a checkpoint within runs every 0.1 s. A series is killed
so many times as --each says, at moments drawn evenly from the CPU time that an undisturbed run takes, and then left
alone. Works on Linux.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from openmm_mdgen.correction import page, running
from openmm_mdgen.correction.correct import correct
from tests.helpers.correction_frames import hot_frames, simulation, to_universe

DATA = Path(__file__).parents[1] / "tests" / "data"
SETTINGS = {
    "seeds": 6,
    "rounds": 2,
    "time": 4.0,
    "interval": 0.1,
    "settle": 0.2,
    "lag": 0.2,
    "n_bootstrap": 5,
    "progress": False,
    "workers": 1,
}
FILES = ("weights.csv", "populations.csv", "weights.xvg", "runs.npz", "runs.xtc")


def work(frames: np.ndarray, folder: Path) -> None:
    """The run under test, files included."""
    running._CHECKPOINT_SECONDS = 0.1
    page.render = lambda correction: ""  # a page is drawn from what is compared here
    correct(to_universe(DATA, frames), simulation(DATA), folder=folder / "runs", **SETTINGS).write(folder / "out")


def run(frames: np.ndarray, folder: Path, seconds: float | None) -> tuple[bool, float]:
    """Run in a child, killed after so many seconds of CPU; whether it was still running, and how many it had."""
    child = os.fork()
    if not child:
        warnings.simplefilter("ignore")
        try:
            work(frames, folder)
        finally:
            os._exit(0 if (folder / "out" / "runs.xtc").is_file() else 1)
    while seconds is not None and used(child) < seconds:
        time.sleep(0.002)
    if seconds is not None:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    if seconds is None and status:
        raise SystemExit(f"the run ended with status {status}")
    return os.WIFSIGNALED(status), usage.ru_utime + usage.ru_stime


def used(process: int) -> float:
    """Seconds of CPU; infinite once it has ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return float("inf") if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stage(folder: Path) -> str:
    """How far the runs were at the moment of a kill."""
    done = [len(list((folder / "runs" / f"round_{k}").glob("run_????.npz"))) for k in range(2)]
    halves = len(list((folder / "runs").glob("round_*/*.partial.npz")))
    return f"{done[0]} + {done[1]}" + (" and a checkpoint" if halves else "")


def same(one: Path, other: Path) -> list[str]:
    """Files that differ."""
    out = []
    for name in FILES:
        if name.endswith(".npz"):
            with np.load(one / name) as a, np.load(other / name) as b:
                alike = all(np.array_equal(a[key], b[key]) for key in a)
        else:
            alike = (one / name).read_bytes() == (other / name).read_bytes()
        out += [] if alike else [name]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--each", type=int, default=1)
    args = parser.parse_args()
    rng, frames = np.random.default_rng(), hot_frames(DATA)
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        whole.mkdir()
        seconds = run(frames, whole, None)[1]
        print(f"undisturbed: {seconds:.1f} s of CPU\n")
        print("| series | killed after, s of CPU | finished runs then | result |\n|---|---|---|---|")
        for series in range(args.kills // args.each):
            folder = Path(place) / f"series_{series}"
            folder.mkdir()
            moments, stages = [], []
            while len(moments) < args.each:
                moment = float(rng.uniform(0, seconds / (1 + len(moments))))  # what is left grows shorter
                if run(frames, folder, moment)[0]:
                    moments.append(f"{moment:.2f}")
                    stages.append(stage(folder))
            run(frames, folder, None)
            differ = same(whole / "out", folder / "out")
            told = "the same bits" if not differ else "differs: " + ", ".join(differ)
            print(f"| {series + 1} | {', '.join(moments)} | {'; '.join(stages)} | {told} |", flush=True)


if __name__ == "__main__":
    main()

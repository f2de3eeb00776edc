"""Many runs side by side: worker processes that share a folder, and how far they are.

``python -m openmm_mdgen.correction.workers FOLDER k n`` makes every n-th run of a folder from the k-th on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from openmm_mdgen.correction.running import Run, make_run, read_plan, read_run, run_file
from openmm_mdgen.errors import MDGenError

_POLL_SECONDS = 0.1
_PS_PER_DAY = 86_400.0 / 1000.0  # seconds of a day, ps to ns


def make_runs(folder: Path, workers: int, progress: bool) -> list[Run]:
    """All runs of a folder; those that are there are not made again.

    Parameters
    ----------
    workers : int
        Processes; 1 runs in this one.
    progress : bool
        Show a bar with ns/day and the time left on standard error.

    Raises
    ------
    MDGenError
        When a worker process fails.
    """
    plan, starts, _ = read_plan(folder)
    number = len(starts)
    todo = [index for index in range(number) if not run_file(folder, index).is_file()]
    with _Bar(number, number - len(todo), plan.run_ps, progress) as bar:
        if workers == 1 or len(todo) < 2:
            for index in todo:
                make_run(folder, index)
                bar.at(bar.done + 1)
        else:
            _make_in_processes(folder, number, min(workers, len(todo)), bar)
    return [read_run(folder, index) for index in range(number)]


class _Bar:
    """Finished runs, nanoseconds a day, time left."""

    def __init__(self, number: int, done: int, run_ps: float, shown: bool) -> None:
        self.done, self._before, self._run_ps = done, done, run_ps
        self._start = time.monotonic()
        self._bar = tqdm(total=number, initial=done, unit="run", disable=not shown, desc="short runs")

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def at(self, done: int) -> None:
        """So many runs are finished."""
        if done > self.done:
            speed = (done - self._before) * self._run_ps / max(time.monotonic() - self._start, 1e-9) * _PS_PER_DAY
            self._bar.set_postfix_str(f"{speed:.3g} ns/day", refresh=False)
            self._bar.update(done - self.done)
            self.done = done


def _make_in_processes(folder: Path, number: int, workers: int, bar: _Bar) -> None:
    """Start workers, wait for them, and take them along when this process is interrupted."""
    command = [sys.executable, "-m", "openmm_mdgen.correction.workers", str(folder)]
    processes = [
        subprocess.Popen([*command, str(k), str(workers)], stderr=subprocess.PIPE, text=True, errors="replace")
        for k in range(workers)
    ]
    try:
        while any(process.poll() is None for process in processes):
            time.sleep(_POLL_SECONDS)
            bar.at(sum(run_file(folder, index).is_file() for index in range(number)))
    finally:
        for process in processes:
            process.terminate()
    bar.at(sum(run_file(folder, index).is_file() for index in range(number)))
    for process in processes:
        errors = process.communicate()[1].strip().splitlines()
        if process.returncode:
            raise MDGenError(
                f"a worker ended with status {process.returncode} ({errors[-1] if errors else 'no message'}); run it "
                "again with workers=1 to see where; finished runs are kept"
            )


def _work(folder: Path, first: int, step: int) -> None:
    """Every step-th run; ends when the process that started this one is gone."""
    parent = os.getppid()
    for index in range(first, len(read_plan(folder)[1]), step):
        if os.getppid() != parent:
            return
        make_run(folder, index)


if __name__ == "__main__":
    _work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

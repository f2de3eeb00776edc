"""What an older version of the package and this one cost, run alternately in one go with the same weights.

git archive 9a6526f --prefix=before/ | tar x -C ..
python benchmarks/before_and_after.py ../before --repeats 5

Every figure is of a process of its own: processor seconds (user and system, of children too), since a busy machine
decides over wall time, which stands beside them. Ratios are now by before: the median of the rounds, and of the least.
Prints markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
WEIGHTS = ROOT / "openmm_mdgen" / "weights" / "peptide-0.1.safetensors"
PDB = DATA / "QGRE.pdb"
INTERVAL = 10.0  # ps
STEPS = 2500  # of 4 fs: one frame
Times = tuple[float, float]  # wall, processor


class Stopwatch:
    """Wall and processor seconds of named parts."""

    def __init__(self) -> None:
        self.times: dict[str, Times] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time the body."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.times[name] = (time.perf_counter() - wall, time.process_time() - cpu)


class Stored:
    """A generator that costs next to nothing: the same block every time."""

    n_frames = 100

    def __init__(self, positions: Any) -> None:
        import numpy as np  # by the process that measures alone

        noise = np.random.default_rng(0).normal(0.0, 0.02, (self.n_frames, *positions.shape))
        self._frames = positions * 10 + noise

    def next_block(self, start: object, seed: int) -> object:
        """(N, 3) Å, seed -> (n_frames, N, 3) Å."""
        return self._frames.copy()


def step_parts(watch: Stopwatch, weights: str, n_frames: int) -> None:
    """Stepping with a stored block, frames by Simulation with the network, and a restart."""
    import numpy as np
    import openmm as mm
    from openmm import app

    from openmm_mdgen.integrator import GenerativeIntegrator

    pdb = app.PDBFile(str(PDB))
    positions = pdb.getPositions(asNumpy=True)._value
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=app.HBonds)

    def simulation(model: object) -> app.Simulation:
        integrator = GenerativeIntegrator(pdb.topology, 350, stepSize=0.004, model=model, seed=1)
        made = app.Simulation(pdb.topology, system, integrator, mm.Platform.getPlatformByName("Reference"))
        made.context.setPositions(positions)
        made.step(STEPS)
        return made

    stored = simulation(Stored(positions))
    with watch.part("1000 frames of stepping, generator free"):
        stored.step(1000 * STEPS)
    run = simulation(weights)
    with watch.part(f"{n_frames} frames by Simulation"):
        run.step(n_frames * STEPS)
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/state.xml"
        run.saveState(file)
        run.step(70 * STEPS)
        expected = run.context.getState(getPositions=True).getPositions(asNumpy=True)._value
        fresh = simulation(weights)
        with watch.part("a state loaded and 70 frames on"):
            fresh.loadState(file)
            fresh.step(70 * STEPS)
    found = fresh.context.getState(getPositions=True).getPositions(asNumpy=True)._value
    assert np.array_equal(found, expected), "the restart is not bitwise"


def reader_parts(watch: Stopwatch, weights: str, n_frames: int) -> None:
    """Opening a generated trajectory, reading it in order and by seeks, writing and opening its recipe."""
    import numpy as np
    from MDAnalysis import Universe

    import openmm_mdgen

    try:
        from openmm_mdgen.trajectory.recipe_file import write_recipe
    except ImportError:  # where 9a6526f had it
        from openmm_mdgen.recipe_file import write_recipe  # type: ignore[no-redef]

    with watch.part("simulate() and its first frame"):
        universe = openmm_mdgen.simulate(PDB, time=INTERVAL * n_frames, model=weights, seed=1, device="cpu")
        universe.trajectory[0]
    with watch.part(f"{n_frames} frames read in order"):
        frames = universe.trajectory.timeseries(order="fac")
    with watch.part("20000 seeks among blocks that are kept"):
        for index in np.random.default_rng(0).integers(0, n_frames, 20_000):
            assert np.array_equal(universe.trajectory[int(index)].positions, frames[index])
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/run.mdgen"
        write_recipe(universe.trajectory.recipe, file)
        with watch.part("20 recipe files opened"):
            for _ in range(20):
                Universe(file)


PARTS: tuple[Callable[[Stopwatch, str, int], None], ...] = (step_parts, reader_parts)


def measure(folder: str, weights: str, n_frames: int) -> None:
    """What a process of its own does: print its figures as JSON."""
    watch = Stopwatch()
    with watch.part("import openmm_mdgen and torch"):
        import torch

        import openmm_mdgen
    assert openmm_mdgen.__file__ is not None and Path(openmm_mdgen.__file__).is_relative_to(folder)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for part in PARTS:
        part(watch, weights, n_frames)
    print(json.dumps(watch.times))


def environment(folder: Path) -> dict[str, str]:
    """The package of a folder, on one thread."""
    return os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def command_times(folder: Path, arguments: list[str]) -> Times:
    """Wall and processor seconds of the command line."""
    with tempfile.TemporaryDirectory() as empty:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "openmm_mdgen", *arguments],
            cwd=empty,
            env=environment(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, arguments
        return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


def side(folder: Path, weights: Path, n_frames: int) -> dict[str, Times]:
    """All figures of one package, once."""
    call = [sys.executable, __file__, str(folder), "--measure", "--weights", str(weights), "--frames", str(n_frames)]
    done = subprocess.run(call, env=environment(folder), check=True, stdout=subprocess.PIPE, text=True)
    times: dict[str, Times] = json.loads(done.stdout.splitlines()[-1])
    generate = ["simulate", str(PDB), "--time", f"{INTERVAL * n_frames:g}ps", "--model", str(weights), "--quiet"]
    times["openmm-mdgen --help"] = command_times(folder, ["--help"])
    for replicas in (1, 4):
        rest = ["--replicas", str(replicas), "--device", "cpu", "-o", "out.xtc"]
        name = f"openmm-mdgen simulate, {replicas} x {n_frames} frames, start to end"
        times[name] = command_times(folder, [*generate, *rest])
    return times


def main() -> None:
    """Measure both sides in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="folder that holds the older openmm_mdgen")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="weights that both read")
    parser.add_argument("--frames", type=int, default=630)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(str(options.before), str(options.weights), options.frames)
        return
    sides = (options.before.resolve(), ROOT)
    rounds = []
    for k in range(options.repeats):
        order = sides if k % 2 == 0 else sides[::-1]
        found = {folder: side(folder, options.weights, options.frames) for folder in order}
        rounds.append([found[folder] for folder in sides])
    print("| | before, CPU s (wall) | now, CPU s (wall) | ratio of medians | of the least |\n|---|---|---|---|---|")
    for name in rounds[0][1]:
        wall, cpu = ([[one[name][kind] for one in pair] for pair in rounds] for kind in (0, 1))
        old, new = (median(pair[k] for pair in cpu) for k in (0, 1))
        least = min(pair[1] for pair in cpu) / min(pair[0] for pair in cpu)
        walls = [median(pair[k] for pair in wall) for k in (0, 1)]
        print(
            f"| {name} | {old:.2f} ({walls[0]:.2f}) | {new:.2f} ({walls[1]:.2f}) | {new / old:.2f} | {least:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

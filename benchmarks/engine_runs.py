"""Short runs of `correct` by the vector engine of ../shared/mdsim, which makes many at once, in place of OpenMM.

The same forces (its README says how they were checked), the integrator's temperature and friction, steps of 4 fs;
starts are minimised by OpenMM. Only for ff14SB with OBC2, peptides of at most 200 atoms.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openmm as mm

from openmm_mdgen.correction.running import Run, read_plan, read_run, run_file
from openmm_mdgen.files.replacing import replacing

STEP = 0.004


def engine_runs(mdsim: Path) -> Callable[[Path, int, bool], list[Run]]:
    """A stand-in for `openmm_mdgen.correction.workers.make_runs`."""
    sys.path.insert(0, str(mdsim))
    from mdsim import Engine

    def make_runs(folder: Path, workers: int, progress: bool) -> list[Run]:
        plan, starts, _ = read_plan(folder)
        todo = [k for k in range(len(starts)) if not run_file(folder, k).is_file()]
        if todo:
            system = mm.XmlSerializer.deserialize(plan.system)
            for k in reversed(range(system.getNumForces())):
                if isinstance(system.getForce(k), mm.CMMotionRemover):
                    system.removeForce(k)
            engine = Engine(system, seed=plan.seed + 1)
            friction = mm.XmlSerializer.deserialize(plan.integrator).getFriction()._value
            first = [minimised(system, starts[k], plan.max_iterations) for k in todo]
            settings = {"dt": STEP, "T": plan.temperature, "gamma": friction}
            every = round(plan.interval / STEP)
            for begin in range(0, len(todo), engine.lanes):
                places = (begin + np.arange(engine.lanes)) % len(todo)
                engine.set_x(np.array(first)[places])
                engine.thermalise(1.0)
                engine.v[:] *= np.float32(plan.temperature**0.5)
                engine.run(every * plan.n_settling, **settings)
                frames = engine.run(every * plan.n_frames, every=every, frames=True, **settings)[0]
                for lane in range(min(engine.lanes, len(todo) - begin)):
                    keep(folder, todo[begin + lane], frames[:, lane] * 10)
        return [read_run(folder, k) for k in range(len(starts))]

    return make_runs


def minimised(system: mm.System, start: np.ndarray, iterations: int) -> np.ndarray:
    """nm."""
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    context.setPositions(start / 10)
    mm.LocalEnergyMinimizer.minimize(context, 10.0, iterations)
    return np.array(context.getState(positions=True).getPositions()._value)


def keep(folder: Path, index: int, frames: np.ndarray) -> None:
    """A run's file; one with positions that are not numbers failed."""
    sound = bool(np.isfinite(frames).all())
    frames = frames.astype(np.float32) if sound else np.zeros((0, *frames.shape[1:]), np.float32)
    failure = "" if sound else "positions are not numbers"
    with replacing(run_file(folder, index)) as path:
        np.savez(path, positions=frames, energies=np.zeros(len(frames)), failure=failure)

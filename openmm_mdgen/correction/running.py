"""One short run after another: minimised a little, given velocities, run in the user's System, kept in a file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import unit

from openmm_mdgen.correction.plan import Plan, make_context
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing

PLAN, STARTS = "plan.json", "starts.npz"
_CHECKPOINT_SECONDS = 20.0
_HOLD = "0.5 * hold * periodicdistance(x, y, z, x_0, y_0, z_0)^2"
_STIFFNESS = 1000.0  # kJ/mol/nm²
_LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Run:
    """One short run.

    Attributes
    ----------
    positions : (T, N, 3) float32 ndarray
        Å, of the solute; no frames where it failed.
    energies : (T,) ndarray
        kJ/mol, potential energy of the System.
    failure : str
        Why it was left out; empty where it was not.
    """

    positions: np.ndarray
    energies: np.ndarray
    failure: str = ""


def write_plan(folder: Path, plan: Plan, starts: np.ndarray, boxes: np.ndarray | None) -> None:
    """Put what is to be run into a folder, or find it there already.

    Parameters
    ----------
    starts : (S, N, 3) ndarray
        Å.
    boxes : (S, 3, 3) ndarray or None
        nm.

    Raises
    ------
    MDGenError
        When the folder holds other runs, or cannot be written.
    """
    mark = plan.fingerprint(starts)
    if has_plan(folder):
        found = json.loads((folder / PLAN).read_text(encoding="utf-8"))["fingerprint"]
        if found != mark:
            raise MDGenError(
                f"folder {str(folder)!r} holds runs of another System, ensemble or setting; choose another output, or "
                "repeat the settings to go on with them"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / STARTS) as path:
        np.savez(path, starts=starts, boxes=np.zeros((0, 3, 3)) if boxes is None else boxes)
    with replacing(folder / PLAN) as path:
        path.write_text(json.dumps({"fingerprint": mark, "plan": asdict(plan)}), encoding="utf-8")


def has_plan(folder: Path) -> bool:
    """Whether a folder holds runs."""
    return (folder / PLAN).is_file()


def read_plan(folder: Path) -> tuple[Plan, np.ndarray, np.ndarray | None]:
    """Plan, starts (S, N, 3) Å and boxes (S, 3, 3) nm of a folder."""
    plan = Plan(**json.loads((folder / PLAN).read_text(encoding="utf-8"))["plan"])
    with np.load(folder / STARTS) as file:
        return plan, file["starts"], file["boxes"] if len(file["boxes"]) else None


def run_file(folder: Path, index: int) -> Path:
    """Where a run is kept."""
    return folder / f"run_{index:04d}.npz"


def read_run(folder: Path, index: int) -> Run:
    """A run that is complete."""
    with np.load(run_file(folder, index)) as file:
        return Run(file["positions"], file["energies"], str(file["failure"]))


def make_run(folder: Path, index: int) -> None:
    """Run one start of a folder and keep it; nothing where that was done before."""
    target = run_file(folder, index)
    if target.is_file():
        return
    plan, starts, boxes = read_plan(folder)
    checkpoint = folder / f"run_{index:04d}.partial.npz"
    try:
        run = _dynamics(plan, index, starts[index], None if boxes is None else boxes[index], checkpoint)
    except mm.OpenMMException as error:
        empty = np.zeros((0, plan.solute, 3), np.float32)
        run = Run(empty, np.zeros(0), str(error).splitlines()[0])
    with replacing(target) as path:
        np.savez(path, positions=run.positions, energies=run.energies, failure=run.failure)
    checkpoint.unlink(missing_ok=True)


def _dynamics(plan: Plan, index: int, start: np.ndarray, box: np.ndarray | None, checkpoint: Path) -> Run:
    """Frames of one run; goes on from a checkpoint where there is one.

    Raises
    ------
    openmm.OpenMMException
        When it blows up.
    """
    seed = run_seed(plan.seed, index)
    system = plan.system if not plan.restrained_ps else _held(plan.system, start, plan.solute)
    context = make_context(system, plan.integrator, plan.platform, seed)
    frames: list[np.ndarray] = []
    energies: list[float] = []
    if checkpoint.is_file():
        frames, energies = _resumed(context, checkpoint)
    else:
        _prepare(context, plan, start, box, seed)
    last = time.monotonic()
    for positions, energy in _frames(context, plan, plan.n_frames - len(frames)):
        if not np.isfinite(energy) or not np.isfinite(positions).all():
            raise mm.OpenMMException("energy or positions are not numbers")
        frames.append(positions)
        energies.append(energy)
        if time.monotonic() - last > _CHECKPOINT_SECONDS and plan.platform != "CPU":  # whose random state is not saved
            _save(context, checkpoint, frames, energies)
            last = time.monotonic()
    return Run(np.array(frames, np.float32).reshape(-1, plan.solute, 3), np.array(energies))


def run_seed(seed: int, index: int) -> int:
    """Seed of one run, from 1: OpenMM takes 0 for a seed of its own choice."""
    return 1 + int(np.random.default_rng((seed, index)).integers(_LARGEST_SEED - 1))


def _prepare(context: mm.Context, plan: Plan, start: np.ndarray, box: np.ndarray | None, seed: int) -> None:
    """Minimise, draw velocities, settle."""
    if box is not None:
        context.setPeriodicBoxVectors(*box)
    context.setPositions(start / 10)
    if plan.max_iterations:
        mm.LocalEnergyMinimizer.minimize(context, 10.0, plan.max_iterations)
    context.setVelocitiesToTemperature(plan.temperature, seed)
    integrator = context.getIntegrator()
    if plan.restrained_ps:
        integrator.step(round(plan.restrained_ps / plan.step_ps))
        context.setParameter("hold", 0.0)
    for _ in range(plan.n_settling):
        integrator.step(plan.interval_steps)


def _frames(context: mm.Context, plan: Plan, number: int) -> Iterator[tuple[np.ndarray, float]]:
    """(N, 3) Å of the solute and kJ/mol, a frame at a time."""
    for _ in range(number):
        context.getIntegrator().step(plan.interval_steps)
        state = context.getState(positions=True, energy=True)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)[: plan.solute]
        yield positions, state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


def _held(system: str, start: np.ndarray, solute: int) -> str:
    """The System with its solute's heavy atoms held at the start (N, 3) Å while the parameter ``hold`` is above 0."""
    out = mm.XmlSerializer.deserialize(system)
    force = mm.CustomExternalForce(_HOLD)
    force.addGlobalParameter("hold", _STIFFNESS)
    for name in ("x_0", "y_0", "z_0"):
        force.addPerParticleParameter(name)
    for atom in range(solute):
        if out.getParticleMass(atom).value_in_unit(unit.dalton) > 5.0:
            force.addParticle(atom, (start[atom] / 10).tolist())
    out.addForce(force)
    return str(mm.XmlSerializer.serialize(out))


def _save(context: mm.Context, path: Path, frames: list[np.ndarray], energies: list[float]) -> None:
    with replacing(path) as unfinished:
        np.savez(
            unfinished,
            checkpoint=np.frombuffer(context.createCheckpoint(), np.uint8),
            frames=np.array(frames, np.float32),
            energies=np.array(energies),
        )


def _resumed(context: mm.Context, path: Path) -> tuple[list[np.ndarray], list[float]]:
    with np.load(path) as file:
        context.loadCheckpoint(file["checkpoint"].tobytes())
        return list(file["frames"]), file["energies"].tolist()

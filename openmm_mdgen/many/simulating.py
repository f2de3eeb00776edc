"""What a worker does: the trajectories of one batch of systems, to files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import torch

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.forcefield.minimizer import structure_minimizer
from openmm_mdgen.many.engine import Outcome, failures, tell_progress
from openmm_mdgen.many.folder import OutputFolder
from openmm_mdgen.many.frames import FrameFiles
from openmm_mdgen.many.settings import Settings
from openmm_mdgen.many.systems import System
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.chain import check_frames
from openmm_mdgen.tasks.optional import offers
from openmm_mdgen.tasks.propagator import Propagator, block_seed
from openmm_mdgen.tasks.protocols import Simulator, bind_simulator
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.tasks.together import next_blocks_together
from openmm_mdgen.trajectory.writing import structure_to_pdb
from openmm_mdgen.weights.roles import as_simulator, tuned, with_steps


def simulate_batch(systems: Sequence[System], settings: Settings, output: Path) -> list[Outcome]:
    """Make the trajectories of a batch.

    All systems of the batch go through the network, those that are whole already too, so that the frames of the others
    do not depend on what was there before; only what is missing is written.

    Returns
    -------
    list of Outcome
        In the order of the systems.
    """
    begin = time.perf_counter()
    folder = OutputFolder(output)
    names = [s.name for s in systems]
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    try:
        task = _tuned(loaded_task(settings), settings)
        with folder.scratch() as scratch, ExitStack() as stack:
            members = [_Member(s, folder.record(s.name, s.content()) is None) for s in systems]
            for member in members:
                member.attempt(member.begin, task, settings, scratch, stack)
            for share in _generate(members, settings):
                tell_progress(names, share)
            stack.close()
            seconds = (time.perf_counter() - begin) / len(systems)
            for member in members:
                member.attempt(member.publish, folder, settings, seconds)
        return [member.outcome(settings, seconds) for member in members]
    except (MDGenError, OSError) as error:
        return failures(names, error)


class _Member:
    """A system of a batch at work.

    Parameters
    ----------
    system
    wanted
        Whether its files are to be written.
    """

    def __init__(self, system: System, wanted: bool) -> None:
        self.system, self.wanted = system, wanted
        self.error: Exception | None = None
        self.topology: Path | None = None

    def attempt(self, step: Callable[..., None], *arguments: object) -> None:
        """Take a step, unless an earlier one failed; an error is this system's alone."""
        if self.error is None:
            try:
                step(*arguments)
            except Exception as error:  # told in the table
                self.error = error

    def begin(self, task: Propagator | Simulator, settings: Settings, scratch: Path, stack: ExitStack) -> None:
        """Build or take the structure, bind the model, open the files."""
        structure, pdb = started(self.system)
        kelvin = None if offers(task, "at") else settings.temperature
        self.propagator: Propagator = bind_simulator(task, structure, settings.interval, temperature=kelvin)
        self.anchors = np.repeat(structure.positions[None], settings.n_replicas, axis=0)
        self.relaxed = structure_minimizer(structure).minimized if settings.relax else None
        if self.wanted:
            if self.system.writes_topology:
                self.topology = scratch / settings.topology(self.system.name)
                self.topology.write_text(pdb, encoding="utf-8")
            paths = [scratch / name for name in settings.names(self.system.name)]
            self.files = stack.enter_context(FrameFiles(paths, structure, settings.interval))

    def take(self, frames: np.ndarray, block: int, wanted: slice) -> None:
        """Check and write a block (R, T, N, 3) in Å."""
        shape = (len(self.anchors), self.propagator.n_frames, *self.anchors.shape[1:])
        check_frames(frames, shape, block)
        self.anchors = frames[:, -1].copy()
        shown = frames[:, wanted]
        if self.wanted and shown.shape[1]:
            self.files.write(shown if self.relaxed is None else _each(self.relaxed, shown))

    def publish(self, folder: OutputFolder, settings: Settings, seconds: float) -> None:
        """Give the files their names."""
        if self.wanted:
            self.files.check(settings.n_frames)
            topology = [self.topology] if self.topology else []
            results, row = [*topology, *self.files.paths], _row(settings)
            folder.publish(self.system.name, self.system.content(), results, seconds, row)

    def outcome(self, settings: Settings, seconds: float) -> Outcome:
        """What became of it."""
        if self.error is not None:
            return failures([self.system.name], self.error)[0]
        return Outcome(self.system.name, _row(settings), seconds)


def _row(settings: Settings) -> dict[str, object]:
    return {"frames": settings.n_frames, "replicas": settings.n_replicas}


def _generate(members: Sequence[_Member], settings: Settings) -> Iterator[float]:
    """Chain the blocks of all members that have not failed; yields the share that is done."""
    whole = settings.skip + settings.n_frames
    first, block = 0, 0
    while first < whole:
        working = [m for m in members if m.error is None]
        if not working:
            return
        seeds = [block_seed(settings.seed, block, replica) for replica in range(settings.n_replicas)]
        made = next_blocks_together(
            [m.propagator for m in working], [m.anchors for m in working], [seeds for _ in working]
        )
        wanted = slice(max(settings.skip - first, 0), whole - first)
        for member, frames in zip(working, made, strict=True):
            member.attempt(member.take, frames, block, wanted)
        first, block = first + working[0].propagator.n_frames, block + 1
        yield min(first / whole, 1.0)


def _each(function: Callable[[np.ndarray], np.ndarray], frames: np.ndarray) -> np.ndarray:
    """A function of (N, 3) over (R, T, N, 3)."""
    return np.stack([function(frame) for frame in frames.reshape(-1, *frames.shape[2:])]).reshape(frames.shape)


def started(system: System) -> tuple[Structure, str]:
    """The start of a system, and the PDB text that goes with it where no file has its atoms.

    Where such a text is written, positions are those that it holds, so that frames can be made again from it.
    """
    if system.structure is None:
        return structure_to_pdb(load_structure(build_peptide(system.sequence)))
    return structure_to_pdb(system.structure) if system.writes_topology else (system.structure, "")


def loaded_task(settings: Settings) -> Propagator | Simulator:
    """The model, ready to be bound.

    Raises
    ------
    MDGenError
        If it cannot be loaded, or does not simulate.
    """
    model = settings.model
    if not isinstance(model, str | Path):
        return as_simulator(model)
    changed = Path(model).stat().st_mtime_ns if Path(model).is_file() else 0
    return _load_once(model, settings.device, settings.steps, changed)


def _tuned(task: Propagator | Simulator, settings: Settings) -> Propagator | Simulator:
    """The model at the settings' temperature and with their hydrogens: one object, so that a batch shares its calls."""
    if offers(task, "with_hydrogens"):
        task = cast("Simulate", task).with_hydrogens(settings.hydrogens)
    return tuned(task, temperature=settings.temperature)


@lru_cache(maxsize=2)
def _load_once(model: str | Path, device: str | None, steps: int | None, _changed: int) -> Propagator | Simulator:
    task = as_simulator(model, device)
    return task if steps is None else with_steps(task, steps)

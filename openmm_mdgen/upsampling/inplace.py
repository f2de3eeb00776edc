"""DCD to finer DCD, in place or to a new file: original records byte for byte, the original kept until the end."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np
from MDAnalysis import AtomGroup
from MDAnalysis.lib.mdamath import triclinic_box

from openmm_mdgen.convert.trajectories import open_topology
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.gap import GapFiller, GapModel
from openmm_mdgen.upsampling.assemble import build_engine
from openmm_mdgen.upsampling.dcd import DCD, Header, positions_to_records, record_cells, record_positions
from openmm_mdgen.upsampling.dcd_cells import cells_to_boxes
from openmm_mdgen.upsampling.engine import Engine
from openmm_mdgen.upsampling.finish import Plan, backup_path, check_unchanged, finish, verify
from openmm_mdgen.upsampling.gaps import fractions
from openmm_mdgen.upsampling.partfile import PartFile, remove_stray_journal
from openmm_mdgen.upsampling.spacing import checked_spacing, upsampling_factor

_COMMIT_SECONDS = 1.0

Progress = Callable[[int, int], None]


def upsample_dcd(
    path: str | PathLike[str],
    topology: str | PathLike[str],
    interval: float = 0.1,
    *,
    model: str | Path | GapModel | GapFiller = "peptide",
    seed: int = 0,
    temperature: float | None = None,
    device: str | None = None,
    dt: float | None = None,
    others: str | None = None,
    output: str | PathLike[str] | None = None,
    backup: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Make a DCD file finer, in place unless `output` is given.

    Every frame of the original is every M-th frame of the result, byte for byte. The new file grows under a hidden name
    in the same folder, is verified, and takes the place of the original in one atomic step; a run that was killed goes
    on from where it was. A file that is as fine already is left alone.

    Parameters
    ----------
    path
        The DCD file.
    topology
        Any topology that MDAnalysis reads.
    interval
        Time between the frames of the result, ps; divides the spacing of the file.
    model, seed, temperature, device, others
        See `openmm_mdgen.upsampling.assemble.build_engine`.
    dt
        Time between the frames of the file in ps, where its header does not say or says it wrong.
    output
        Another file to write; the original stays.
    backup
        Keep the original as ``<name>.bak``.
    progress
        Called with (frames done, frames in all) of the result.

    Returns
    -------
    pathlib.Path
        The finer file.

    Raises
    ------
    MDGenError
        For bad input (see the documentation); the original is then as it was.

    Examples
    --------
    >>> upsample_dcd("traj.dcd", "top.pdb", 0.1, model="linear")
    """
    source = Path(path).resolve()
    target = source if output is None else Path(output).resolve()
    with DCD(source) as dcd:
        spacing = checked_spacing(dcd.header.spacing, dt, source.name)
        factor = upsampling_factor(spacing, interval, source.name)
        _check_worth_it(dcd, factor, in_place=output is None)
        if factor == 1:
            remove_stray_journal(source)
            return source
        _check_permission(source, target, backup)
        finer = (dcd.header if dt is None else dcd.header.with_spacing(dt)).finer(factor, (len(dcd) - 1) * factor + 1)
        atoms = _atoms(topology, dcd)
        engine = build_engine(
            atoms, spacing, factor, model=model, seed=seed, temperature=temperature, device=device, others=others
        )
        plan = Plan(finer, len(dcd) - 1, engine, _identity(dcd, engine, finer))
        part = PartFile(target)
        try:
            _fill_and_verify(part, dcd, plan, progress)
            dcd.file.close()  # Windows replaces no file that is open
            finish(part, backup)
        finally:
            part.close()
    return target


def _fill_and_verify(part: PartFile, dcd: DCD, plan: Plan, progress: Progress | None) -> None:
    """Errors that running again would meet again leave no unfinished file behind; interruptions do."""
    try:
        check_unchanged(dcd)
        _fill(part, dcd, plan, progress)
        verify(part, dcd, plan)
        check_unchanged(dcd)
    except MDGenError:
        part.discard()
        raise


def _check_worth_it(dcd: DCD, factor: int, in_place: bool) -> None:
    if len(dcd) < 2:
        raise MDGenError(f"{dcd.path.name} has {len(dcd)} frame, at least 2 are needed to fill the gap between them")
    if factor == 1 and not in_place:
        raise MDGenError(
            f"the frames of {dcd.path.name} are {dcd.header.spacing:g} ps apart already; copy the file instead"
        )


def _check_permission(source: Path, target: Path, backup: bool) -> None:
    if target.exists() and not os.access(target, os.W_OK):
        raise MDGenError(f"no permission to write {target}; make it writable (chmod u+w) or write elsewhere with -o")
    kept = backup_path(target)
    if backup and kept.exists() and not kept.samefile(source):
        raise MDGenError(f"{kept.name} exists already; move it away or run without --backup")


def _atoms(topology: str | PathLike[str], dcd: DCD) -> AtomGroup:
    """Atoms of the topology at the first frame of the file."""
    universe = open_topology(topology)
    if len(universe.atoms) != dcd.header.n_atoms:
        raise MDGenError(
            f"{dcd.path.name} has {dcd.header.n_atoms} atoms and {Path(topology).name} {len(universe.atoms)}; "
            "give the topology that the trajectory was written with"
        )
    records = dcd.records(0, 1)
    cells = record_cells(records)
    box = None if cells is None else cells_to_boxes(cells)[0]
    dimensions = None if box is None or not box.any() else triclinic_box(*box)
    universe.load_new(record_positions(records).astype(np.float32), dimensions=dimensions)
    return universe.atoms


def _identity(dcd: DCD, engine: Engine, header: Header) -> dict[str, object]:
    status = os.fstat(dcd.file.fileno())
    first = hashlib.sha256(dcd.header.raw + dcd.records(0, 1).tobytes()).hexdigest()
    return {
        "original": [status.st_size, status.st_mtime_ns, first],
        "header": hashlib.sha256(header.raw).hexdigest(),
        "factor": engine.factor,
        "model": engine.identity,
        "seed": engine.seed,
        "gaps_per_chunk": engine.gaps_per_chunk,
    }


def _fill(part: PartFile, dcd: DCD, plan: Plan, progress: Progress | None) -> None:
    """Write what is missing of the finer file; on the way out, however, the journal says how far it came."""
    done = part.resume(plan.identity)
    _check_space(part, plan)
    try:
        if not done:
            part.file.write(plan.header.raw)
        _fill_gaps(part, dcd, plan, done, progress)
        part.file.write(dcd.records(plan.n_gaps, plan.n_gaps + 1).tobytes())
        part.sync()
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else f"writing failed ({error.strerror})"
        raise MDGenError(
            f"{what}; the original is untouched: the finer file needs {_whole_bytes(plan) / 1e6:.1f} MB in "
            f"{part.path.parent}, free some or write elsewhere with -o"
        ) from error


def _fill_gaps(part: PartFile, dcd: DCD, plan: Plan, done: int, progress: Progress | None) -> None:
    committed = time.monotonic()
    try:
        while done < plan.n_gaps:
            first, last = plan.engine.chunk(done, plan.n_gaps)
            part.file.write(_chunk_records(dcd, plan, first, last).tobytes())
            done = last
            if progress is not None:
                progress(done * plan.engine.factor + 1, plan.header.n_set)
            if time.monotonic() - committed > _COMMIT_SECONDS:
                part.commit(plan.identity, done)
                committed = time.monotonic()
    finally:
        part.commit(plan.identity, done)


def _chunk_records(dcd: DCD, plan: Plan, first: int, last: int) -> np.ndarray:
    """Records of a chunk of gaps, each gap led by its key frame as it is in the original."""
    keys = dcd.records(first, last + 1)
    cells = record_cells(keys)
    boxes = None if cells is None else cells_to_boxes(cells)
    frames = plan.engine.fill(record_positions(keys), boxes, first)
    n_gaps, n_between, n_atoms, _ = frames.shape
    between = _between_cells(cells, plan.engine.factor)
    records = np.empty((n_gaps, n_between + 1), keys.dtype)
    records[:, 0] = keys[:-1]
    new = positions_to_records(frames.reshape(-1, n_atoms, 3), between, plan.header)
    records[:, 1:] = new.reshape(n_gaps, n_between)
    return records


def _between_cells(cells: np.ndarray | None, factor: int) -> np.ndarray | None:
    if cells is None:
        return None
    place = fractions(factor)[:, None]
    out: np.ndarray | None = ((1 - place) * cells[:-1, None] + place * cells[1:, None]).reshape(-1, 6)
    return out


def _whole_bytes(plan: Plan) -> int:
    return len(plan.header.raw) + plan.header.n_set * plan.header.record_dtype.itemsize


def _check_space(part: PartFile, plan: Plan) -> None:
    free = shutil.disk_usage(part.path.parent).free
    missing = _whole_bytes(plan) - os.fstat(part.file.fileno()).st_size
    if missing > free:
        raise MDGenError(
            f"the finer file needs {missing / 1e6:.1f} MB more in {part.path.parent} and {free / 1e6:.1f} MB are free; "
            "free some, or write elsewhere with -o"
        )

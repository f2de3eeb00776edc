"""The end of a run over a DCD file: read back, compared, owner and backup kept, moved over its target."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.upsampling.dcd import DCD, Header, file_stamp
from openmm_mdgen.upsampling.engine import Engine
from openmm_mdgen.upsampling.partfile import PartFile


@dataclass(frozen=True)
class Plan:
    """What one run does.

    Attributes
    ----------
    header
        Of the finer file.
    n_gaps
        Gaps between the frames of the original.
    engine
        Fills them.
    identity
        What must be the same for an interrupted run to go on.
    """

    header: Header
    n_gaps: int
    engine: Engine
    identity: dict[str, object]


def finish(part: PartFile, backup: bool) -> None:
    """Give the finished file the owner and mode of its target, keep the target if asked, and take its place."""
    if part.target.exists():
        _copy_owner(part.target, part.path)
        if backup:
            _keep(part.target, backup_path(part.target))
    else:
        os.chmod(part.path, 0o666 & ~_umask())
    part.replace_target()


def verify(part: PartFile, dcd: DCD, plan: Plan) -> None:
    """Read the finer file back: header, size, record marks, and each key frame against the original."""
    factor = plan.engine.factor
    with DCD(part.path) as written:
        if written.header != plan.header or len(written) != plan.header.n_set:
            raise MDGenError(f"{part.path.name} was not written as planned; check the disk and run again")
        step = plan.engine.gaps_per_chunk
        for first in range(0, plan.n_gaps + 1, step):
            last = min(first + step, plan.n_gaps + 1)
            found = written.records(first * factor, (last - 1) * factor + 1)[::factor]
            if found.tobytes() != dcd.records(first, last).tobytes():
                raise MDGenError(
                    f"key frames {first} to {last - 1} differ from {dcd.path.name}: it changed while running; run again"
                )


def check_unchanged(dcd: DCD) -> None:
    """Raise if the file at the path is not, byte count and time of change included, the one that was opened."""
    opened = os.fstat(dcd.file.fileno())
    try:
        now = dcd.path.stat()
    except OSError:
        now = None
    same = now is not None and os.path.samestat(opened, now)
    if not same or now is None or file_stamp(now) != dcd.stamp:
        raise MDGenError(
            f"{dcd.path.name} changed while it was upsampled (a simulation still writing?); it is left as it is: run "
            "again when it is complete"
        )


def backup_path(target: Path) -> Path:
    """Where ``--backup`` keeps the original."""
    return target.with_name(f"{target.name}.bak")


def _keep(original: Path, kept: Path) -> None:
    """A second name for the original, or a copy where the file system has no links."""
    if kept.exists():
        return
    try:
        os.link(original, kept)
    except OSError:
        shutil.copy2(original, kept)


def _copy_owner(original: Path, fresh: Path) -> None:
    status = original.stat()
    os.chmod(fresh, stat.S_IMODE(status.st_mode))
    if sys.platform != "win32" and (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.chown(fresh, status.st_uid, status.st_gid)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

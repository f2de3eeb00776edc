"""The output folder: which batches there are, what is whole, and files that have their names only when whole."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import reason, replacing
from openmm_mdgen.many.systems import System

_STATE = ".openmm-mdgen"


@dataclass(frozen=True)
class Record:
    """What is known of a finished system.

    Attributes
    ----------
    content
        See `System.content`.
    files
        Sizes in bytes by name, within the output folder.
    seconds
        What it took.
    row
        What the table says of it.
    """

    content: str
    files: dict[str, int]
    seconds: float
    row: dict[str, Any] = field(default_factory=dict)


class OutputFolder:
    """Results of many systems, and the state from which a run goes on.

    Workers write into a folder of their own within it, hence on the same disk, and rename what is whole.

    Parameters
    ----------
    path
        Made if absent.

    Examples
    --------
    >>> folder = OutputFolder(Path("generated"))
    >>> with folder.scratch() as scratch:
    ...     (scratch / "a.xtc").write_bytes(b"...")
    ...     folder.publish("a", content, [scratch / "a.xtc"], seconds=1.0)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = path / _STATE

    def make(self) -> None:
        """Make it.

        Raises
        ------
        MDGenError
            If it cannot be made or written to.
        """
        try:
            self._state.mkdir(parents=True, exist_ok=True)
            with self.scratch():
                pass
        except OSError as error:
            raise MDGenError(
                f"folder {str(self.path)!r} cannot be written to ({reason(error)}); choose another output folder"
            ) from error

    # batches -----------------------------------------------------------------------------------------------------

    def batches(self, systems: Sequence[System], settings: dict[str, Any], size: int) -> list[list[System]]:
        """Systems that go through the network together: of equal length, at most `size`; a function of the list alone.

        Batches of an earlier run stay as they were, where all of their systems are still there and unchanged, so that
        systems which are added or mended later change nothing for the others.

        Raises
        ------
        MDGenError
            If the folder holds results of other settings.
        """
        waiting = {(s.name, s.content()): s for s in systems}
        kept = []
        for batch in self._read_plan(settings):
            if batch and all(key in waiting for key in batch):
                kept.append([waiting.pop(key) for key in batch])
        batches = kept + grouped(list(waiting.values()), size)
        self._write_plan(settings, [[(s.name, s.content()) for s in batch] for batch in batches])
        return batches

    def claim(self, settings: dict[str, Any]) -> None:
        """Note the settings of what is made here, where there are no batches.

        Raises
        ------
        MDGenError
            If the folder holds results of other settings.
        """
        self._read_plan(settings)
        self._write_plan(settings, [])

    def start_anew(self) -> None:
        """Leave the state of earlier runs, so that everything is made again."""
        shutil.rmtree(self._state, ignore_errors=True)

    def _read_plan(self, settings: dict[str, Any]) -> list[list[tuple[str, str]]]:
        try:
            plan = json.loads((self._state / "plan.json").read_text(encoding="utf-8"))
            found, batches = dict(plan["settings"]), [[(n, c) for n, c in batch] for batch in plan["batches"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        changed = [f"{k} {found.get(k)}, now {v}" for k, v in settings.items() if found.get(k) != v]
        if changed:
            raise MDGenError(
                f"folder {str(self.path)!r} holds results of other settings ({'; '.join(changed[:3])}); choose another "
                "output folder, or overwrite them (--overwrite)"
            )
        return batches

    def _write_plan(self, settings: dict[str, Any], batches: list[list[tuple[str, str]]]) -> None:
        with replacing(self._state / "plan.json") as file:
            file.write_text(json.dumps({"settings": settings, "batches": batches}, indent=1), encoding="utf-8")

    # what is whole -----------------------------------------------------------------------------------------------

    def record(self, name: str, content: str) -> Record | None:
        """What is known of a system whose files are whole and whose input has not changed; else None."""
        try:
            record = Record(**json.loads(self._record_path(name).read_text(encoding="utf-8")))
            sizes = {file: (self.path / file).stat().st_size for file in record.files}
        except (OSError, ValueError, TypeError):
            return None
        return record if record.content == content and sizes == record.files else None

    def _record_path(self, name: str) -> Path:
        return self._state / f"{name}.record.json"

    # writing -----------------------------------------------------------------------------------------------------

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of one's own on the same disk; it goes away with all that is left in it."""
        folder = self._state / f"part-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(
        self, name: str, content: str, results: Sequence[Path], seconds: float, row: dict[str, Any] | None = None
    ) -> None:
        """Give finished files or folders (in a scratch folder) their names, and note that the system is whole.

        Raises
        ------
        OSError, MDGenError
            If a disk is full.
        """
        sizes = {}
        for path in results:
            for file in [path] if path.is_file() else _files(path):
                with file.open("r+b") as handle:  # Windows brings to disk only what is open for writing
                    os.fsync(handle.fileno())
                sizes[file.relative_to(path.parent).as_posix()] = file.stat().st_size
        self._record_path(name).unlink(missing_ok=True)
        for path in results:
            target = self.path / path.name
            if target.is_dir() and path.is_dir():
                shutil.rmtree(target)
            os.replace(path, target)
        record = Record(content, sizes, seconds, row or {})
        with replacing(self._record_path(name)) as note:
            note.write_text(json.dumps(asdict(record)), encoding="utf-8")

    def sweep(self) -> None:
        """Remove what killed workers left."""
        for folder in self._state.glob("part-*"):
            shutil.rmtree(folder, ignore_errors=True)


def grouped(systems: Sequence[System], size: int) -> list[list[System]]:
    """Systems of equal length, at most `size` together and as evenly as can be, by name; the longest first."""
    by_length: dict[int, list[System]] = defaultdict(list)
    for system in sorted(systems, key=lambda s: s.name):
        by_length[system.n_residues].append(system)
    batches = []
    for _, group in sorted(by_length.items(), reverse=True):
        count = -(-len(group) // size)
        edges = [k * len(group) // count for k in range(count + 1)]
        batches += [group[first:last] for first, last in pairwise(edges)]
    return batches


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())

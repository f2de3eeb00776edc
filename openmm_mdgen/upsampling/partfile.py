"""The unfinished file of a run: hidden beside its target, locked, resumable, and moved over the target in one step."""

from __future__ import annotations

import json
import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.files.replacing import sync_folder


class PartFile:
    """A temporary file in the folder of `target`, held by one run at a time.

    Beside it lies a small journal: which run it is and how much of it is safely on disk. A run that finds both goes on
    from there; a run that finds those of other settings or of an older original starts anew.

    Parameters
    ----------
    target
        The file that this one will replace or become.

    Raises
    ------
    MDGenError
        If the folder is not writable or another run holds the file.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.mdgen-part")
        self.journal = target.with_name(f".{target.name}.mdgen-journal")
        self._fresh_journal = target.with_name(f".{target.name}.mdgen-journal-new")
        try:
            self.file: BinaryIO = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600), "r+b")
        except OSError as error:
            raise MDGenError(
                f"no temporary file can be made in {target.parent} ({error.strerror}); upsampling needs write "
                "permission in the folder of its output"
            ) from error
        try:
            self._lock = _lock(self.file, target)
            self._check_still_there()
        except (OSError, MDGenError) as error:
            self.file.close()
            raise MDGenError(f"another run is upsampling to {target.name}; wait for its end and run again") from error

    def _check_still_there(self) -> None:
        """A run that ended between our open and our lock has moved the file over its target."""
        if not (self.path.exists() and os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())):
            raise MDGenError("taken")

    def resume(self, identity: dict[str, object]) -> int:
        """Place the file behind what an interrupted run of the same identity left.

        Returns
        -------
        int
            Gaps that are done; 0 for a fresh start.
        """
        size = self.file.seek(0, os.SEEK_END)
        entry = self._journal_entry()
        gaps, length = entry.get("gaps", 0), entry.get("bytes", 0)
        if not (entry.get("identity") == identity and isinstance(gaps, int) and 0 < length <= size):
            if size or entry:
                warnings.warn(
                    f"the unfinished {self.path.name} is of another run (settings or original differ): it is dropped",
                    MDGenWarning,
                    stacklevel=3,
                )
            gaps = length = 0
            self._remove_journal()
        self.file.truncate(length)
        self.file.seek(length)
        return gaps

    def _journal_entry(self) -> dict[str, Any]:
        try:
            entry = json.loads(self.journal.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return entry if isinstance(entry, dict) else {}

    def commit(self, identity: dict[str, object], gaps: int) -> None:
        """Bring all bytes so far to disk, then say so in the journal."""
        self.sync()
        entry = {"identity": identity, "gaps": gaps, "bytes": self.file.tell()}
        self._fresh_journal.write_text(json.dumps(entry), encoding="utf-8")
        os.replace(self._fresh_journal, self.journal)

    def sync(self) -> None:
        """Bring all bytes so far to disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def replace_target(self) -> None:
        """Move the finished file over the target, atomically, and bring the folder to disk."""
        if os.name == "nt":
            self.file.close()
        try:
            os.replace(self.path, self.target)
        except PermissionError as error:
            raise MDGenError(
                f"{self.target.name} cannot be replaced ({error.strerror}); on Windows, close what holds it open (a "
                "Universe, a viewer) and run again: the finished frames are kept"
            ) from error
        sync_folder(self.target.parent)
        self._remove_journal()

    def discard(self) -> None:
        """Remove the unfinished file and its journal."""
        if os.name == "nt":
            self.file.close()
        self.path.unlink(missing_ok=True)
        self._remove_journal()

    def _remove_journal(self) -> None:
        self.journal.unlink(missing_ok=True)
        self._fresh_journal.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the lock; without a journal there is nothing to go on from, and the file is removed."""
        if not self.file.closed and self.path.exists() and not self.journal.exists():
            self.discard()
        self.file.close()
        if self._lock is not None:
            self._lock.close()
            with suppress(OSError):  # another run has it open already
                os.unlink(self._lock.name)


def remove_stray_journal(target: Path) -> None:
    """Remove the journal of a run that was killed after its file had taken the target's place."""
    if not target.with_name(f".{target.name}.mdgen-part").exists():
        target.with_name(f".{target.name}.mdgen-journal").unlink(missing_ok=True)


if sys.platform == "win32":
    _BINARY = os.O_BINARY
else:
    _BINARY = 0


def _lock(file: BinaryIO, target: Path) -> BinaryIO | None:
    """Take the file for this run; OSError if another has it. The system frees it when the run ends, however it ends.

    Windows locks bytes, which nobody else can read then, not even this run under another handle: there a file of its
    own is locked, and returned.
    """
    if os.name != "nt":
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        return None
    import msvcrt

    lock = open(target.with_name(f".{target.name}.mdgen-lock"), "ab")
    try:
        lock.seek(0)
        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        lock.close()
        raise
    return lock

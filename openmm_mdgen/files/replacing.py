"""Files that get their names when they are complete: written beside the target, then moved over it in one step."""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from openmm_mdgen.errors import MDGenError

_UNFINISHED = re.compile(r"\..*\.mdgen-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\d+\.part(\.[^.]+)?")
_ABANDONED = 24 * 3600.0  # s without a change, after which the unfinished file of a run elsewhere counts as a stray
_counter = itertools.count()


class Replacement:
    """An unfinished file beside its target, empty at first, with the mode that the finished one will have.

    Several at once, or with another end than success or failure; else see `replacing`.

    Parameters
    ----------
    path
        The target. A link is followed; what is no ordinary file is refused.
    durable
        Bring the file and its folder to disk before the old one is gone: for what the user has only once.

    Attributes
    ----------
    unfinished : pathlib.Path
        Where to write. It has the extension of the target, which many writers go by.

    Raises
    ------
    OSError
        If nothing can be written in the folder.
    """

    def __init__(self, path: str | os.PathLike[str], *, durable: bool = True) -> None:
        self.path = Path(os.path.realpath(path))
        self.durable = durable
        if self.path.exists() and not self.path.is_file():
            raise MDGenError(f"output {str(path)!r} is a folder or a device; give the name of a file")
        remove_strays(self.path.parent)
        owner = f"{_machine()}-{os.getpid()}-{next(_counter)}"
        self.unfinished = self.path.with_name(f".{self.path.stem[:40]}.mdgen-{owner}.part{self.path.suffix}")
        os.close(os.open(self.unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        self._mode = (self.path if self.path.exists() else self.unfinished).stat().st_mode & 0o777

    def commit(self, path: Path | None = None) -> None:
        """Give the file its name, or another one in the same folder.

        Raises
        ------
        OSError
            If the disk is full, or, on Windows, another program holds the target open.
        """
        if self.durable:
            with open(self.unfinished, "r+b") as file:
                os.fsync(file.fileno())
        if self.unfinished.stat().st_mode & 0o777 != self._mode:  # some writers make a file that only the owner reads
            self.unfinished.chmod(self._mode)
        os.replace(self.unfinished, path or self.path)
        if self.durable:
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove what is unfinished; nothing after `commit`."""
        with suppress(OSError):
            self.unfinished.unlink(missing_ok=True)


@contextmanager
def replacing(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` at the end of the block and is removed if that fails.

    The mode is the one that a new file gets, or that of the file which is replaced. What a killed run left in the
    folder is removed. Uses no signals: a program that turns SIGTERM into an exception, as the command line does, has
    nothing left behind either.

    Parameters
    ----------
    path
        The target.
    durable
        See `Replacement`.

    Raises
    ------
    MDGenError
        For any OSError within, in one line; `path` is then as it was.

    Examples
    --------
    >>> with replacing("table.csv") as unfinished:
    ...     unfinished.write_text("a,b")
    """
    try:
        replacement = Replacement(path, durable=durable)
        try:
            yield replacement.unfinished
            replacement.commit()
        finally:
            replacement.discard()
    except OSError as error:
        raise MDGenError(f"cannot write {str(path)!r} ({reason(error)}); {remedy(error)}") from error


def reason(error: OSError) -> str:
    """What the system says, in one line."""
    return error.strerror or (str(error).splitlines() or [type(error).__name__])[0]


def remedy(error: OSError) -> str:
    """What to do about a file that cannot be written."""
    if isinstance(error, PermissionError) and os.name == "nt":
        return "close what holds it open (a Universe, a viewer) or choose another output"
    return "free space or choose another output"


def remove_strays(folder: Path) -> None:
    """Remove unfinished files of runs that are over, as a killed one leaves them.

    They are those of this machine whose process is gone, and any that nobody has written to for a day.
    """
    with suppress(OSError):
        for entry in os.scandir(folder):
            found = _UNFINISHED.fullmatch(entry.name)
            if found and _is_stray(Path(entry.path), found["machine"], int(found["process"])):
                with suppress(OSError):
                    os.unlink(entry.path)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to disk, where the system can (Windows cannot)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse
            os.fsync(handle)
    finally:
        os.close(handle)


def _is_stray(path: Path, machine: str, process: int) -> bool:
    if machine == _machine() and os.name != "nt":  # Windows has no way to ask for a process without touching it
        return not _is_running(process)
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > _ABANDONED
    return False


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _machine() -> str:
    """Eight digits that differ where process numbers mean something else: another host, another container."""
    space = ""
    with suppress(OSError, AttributeError, NotImplementedError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]

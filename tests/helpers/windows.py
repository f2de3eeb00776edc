"""Windows as this package can meet it, on Linux: what its `os` lacks is gone, and files that are open hold their names.

Under `windows` the modules of the package see ``os.name == "nt"`` and ``sys.platform == "win32"``, no `fcntl`, a
`msvcrt` that locks, no names of POSIX alone, folders that cannot be opened, an `fsync` that wants a file open for
writing. In all modules, libraries too, nothing that is open or mapped in this process can be replaced, renamed or
removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

POSIX_ONLY = {
    "os": set(
        "chown lchown fchown fork forkpty register_at_fork sched_getaffinity sched_setaffinity getuid geteuid getgid "
        "getegid getgroups setuid setgid setsid getpgid getpgrp killpg mkfifo mknod uname nice wait wait3 wait4 "
        "statvfs fstatvfs getloadavg pipe2 posix_fallocate posix_fadvise sync sysconf ttyname chroot lchmod "
        "WIFEXITED WNOHANG O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_NONBLOCK O_SYNC".split()
    ),
    "signal": set(
        "SIGHUP SIGKILL SIGQUIT SIGALRM SIGUSR1 SIGUSR2 SIGPIPE SIGCHLD SIGCONT SIGSTOP SIGTSTP alarm setitimer "
        "getitimer pause pthread_kill pthread_sigmask sigwait siginterrupt".split()
    ),
    "time": {"tzset", "clock_settime", "pthread_getcpuclockid"},
}
POSIX_MODULES = {"fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "posix", "syslog", "crypt", "spwd"}
_real = {name: getattr(os, name) for name in ("replace", "rename", "unlink", "remove", "fsync", "open")}


class _Os:
    """The module os as this package's modules see it there."""

    name = "nt"
    O_BINARY = 0

    def __getattr__(self, name: str) -> Any:
        if name in POSIX_ONLY["os"]:
            raise AttributeError(f"module 'os' has no attribute {name!r}")
        return getattr(os, name)

    def open(self, path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return os.open(path, flags, mode, **options)

    def fsync(self, number: int) -> None:
        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        os.fsync(number)

    def kill(self, process: int, number: int) -> None:
        raise AssertionError("os.kill ends a process there, whatever the signal")


class _Sys:
    """The module sys likewise."""

    platform = "win32"

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


def _msvcrt() -> ModuleType:
    """Locks of bytes, by those of POSIX, which hold within one process too."""
    module = ModuleType("msvcrt")
    module.LK_NBLCK = 2  # type: ignore[attr-defined]

    def locking(number: int, mode: int, count: int) -> None:
        assert (mode, count) == (2, 1)
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)

    module.locking = locking  # type: ignore[attr-defined]
    return module


def is_open(path: Any, *, dir_fd: int | None = None) -> bool:
    """Whether this process holds the file, by a descriptor or a map."""
    try:
        status = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except OSError:
        return False
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.path.samestat(os.fstat(int(number)), status):
                return True
        except OSError:
            continue
    inodes = {line.split()[4] for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()}
    return str(status.st_ino) in inodes


def _refuse(path: Any, dir_fd: int | None = None) -> None:
    if is_open(path, dir_fd=dir_fd):
        raise PermissionError(errno.EACCES, "The process cannot access the file: it is being used", str(path))


def _moving(name: str) -> Any:
    def move(source: Any, target: Any, **options: Any) -> None:
        _refuse(source)
        _refuse(target)
        if name == "rename" and os.path.exists(target):
            raise FileExistsError(errno.EEXIST, "Cannot create a file when that file already exists", str(target))
        _real[name](source, target, **options)

    return move


def _removing(name: str) -> Any:
    def remove(path: Any, *, dir_fd: int | None = None) -> None:
        _refuse(path, dir_fd)
        _real[name](path, dir_fd=dir_fd)

    return remove


def become_windows(monkeypatch: Any) -> None:
    """Until the test ends."""
    for name in ("replace", "rename"):
        monkeypatch.setattr(os, name, _moving(name))
    for name in ("unlink", "remove"):
        monkeypatch.setattr(os, name, _removing(name))
    monkeypatch.setitem(sys.modules, "msvcrt", _msvcrt())
    for name in POSIX_MODULES - {"posix"}:
        monkeypatch.setitem(sys.modules, name, None)
    for name in POSIX_ONLY["signal"]:
        monkeypatch.delattr(signal, name, raising=False)
    for name, module in list(sys.modules.items()):
        for attribute, real, double in (("os", os, _Os()), ("sys", sys, _Sys())):
            if name.startswith("openmm_mdgen") and vars(module).get(attribute) is real:
                monkeypatch.setattr(module, attribute, double)

"""A run that is told to stop by the system ends as one that the user interrupts: tidily."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STATUS = 128 + signal.SIGTERM


@contextmanager
def tidy_termination() -> Iterator[None]:
    """Within, SIGTERM (a batch system, ``timeout``) interrupts as Ctrl-C does; the exit status is then 143.

    Only where nobody else handles it, and in the main thread, so that a program which calls the command line as a
    function keeps its own way. Windows never delivers this signal: a run that is ended there leaves its unfinished
    file, which the next run that writes in that folder removes after a day.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    owner, stopped = os.getpid(), False

    def interrupt(number: int, _: FrameType | None) -> None:
        nonlocal stopped
        if os.getpid() != owner:  # a worker process that inherited this
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not stopped:
            stopped = True
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if stopped:
            raise SystemExit(_STATUS)

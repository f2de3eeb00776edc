"""Arrays on disk, which one thread reads at a time."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np

# Held while numpy reads: it parses headers with `ast`, and two threads in that at once can raise SystemError in CPython
# 3.11. A child that is forked meanwhile finds it free.
reading = threading.Lock()

if sys.platform != "win32":  # where nothing forks
    os.register_at_fork(before=reading.acquire, after_in_parent=reading.release, after_in_child=reading.release)


def map_array(path: Path) -> np.ndarray:
    """The array of a ``.npy`` file, memory-mapped."""
    with reading:
        array: np.ndarray = np.load(path, mmap_mode="r")
    return array

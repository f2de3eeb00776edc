"""Reading arrays in several threads."""

import os
import threading
import time

import numpy as np
import pytest

from openmm_mdgen.files import arrays


def test_an_array_is_mapped(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
    found = arrays.map_array(tmp_path / "a.npy")
    assert isinstance(found, np.memmap) and found.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_one_thread_reads_at_a_time(tmp_path, monkeypatch):
    """Two that parse headers at once can fail in the interpreter."""
    np.save(tmp_path / "a.npy", np.zeros(3))
    load, inside, seen = np.load, [], []

    def slow(path, **options):
        inside.append(path)
        time.sleep(0.01)
        seen.append(len(inside))
        inside.pop()
        return load(path, **options)

    monkeypatch.setattr(arrays.np, "load", slow)
    threads = [threading.Thread(target=arrays.map_array, args=(tmp_path / "a.npy",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_that_is_forked_while_a_thread_reads_can_read():
    ready, end = threading.Event(), threading.Event()

    def reader():
        with arrays.reading:
            ready.set()
            end.wait(0.2)

    thread = threading.Thread(target=reader)
    thread.start()
    ready.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if arrays.reading.acquire(timeout=60) else 1)
    end.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0

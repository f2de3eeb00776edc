"""Parts of a batch in threads."""

import threading

import numpy as np
import pytest
import torch

from openmm_mdgen.tasks.threads import in_parts
from tests.helpers.mostly import assert_mostly_same
from tests.helpers.tiny import simulate_task, structure


@pytest.fixture
def threads():
    """Sets how many threads torch has, for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(("has", "n", "n_parts"), [(1, 16, 1), (2, 16, 2), (4, 9, 2), (3, 16, 3), (2, 3, 1), (2, 0, 1)])
def test_parts_are_all_there_is_in_order(threads, has, n, n_parts):
    threads(has)
    parts = in_parts(lambda part: list(range(n))[part], n)
    assert len(parts) == n_parts and [k for part in parts for k in part] == list(range(n))
    assert torch.get_num_threads() == has


def test_parts_run_side_by_side_with_a_share_of_the_threads_each(threads):
    threads(4)
    together = threading.Barrier(2, timeout=600)

    def work(part: slice) -> int:
        together.wait()  # breaks if the other part does not run now
        return torch.get_num_threads()

    assert in_parts(work, 8) == [2, 2]
    found = []
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start(), later.join()
    assert found == [4]


def test_what_goes_wrong_in_a_part_is_raised(threads):
    threads(2)
    with pytest.raises(ZeroDivisionError):
        in_parts(lambda part: 1 // part.start, 8)
    assert torch.get_num_threads() == 2


def test_blocks_made_in_threads_are_those_made_alone(threads):
    propagator = simulate_task().bind(structure("QGRE"))
    starts, seeds = np.repeat(structure("QGRE").positions[None], 9, axis=0), list(range(9))
    threads(1)
    expected = propagator.next_blocks(starts, seeds)
    threads(2)
    assert_mostly_same(propagator.next_blocks(starts, seeds), expected, atol=1e-4)

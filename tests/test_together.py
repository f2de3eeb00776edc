"""Several peptides in shared calls."""

import numpy as np

from openmm_mdgen.tasks.together import next_blocks_together
from tests.helpers.mostly import assert_mostly_same
from tests.helpers.tiny import simulate_task, structure
from tests.helpers.toys import Doubling


def test_peptides_of_one_length_share_a_call(monkeypatch):
    task, names = simulate_task(), ("NDKMF", "PSWYP")
    bound = [task.bind(structure(name)) for name in names]
    starts = [structure(name).positions[None] for name in names]
    calls, sample = [], type(task).sample
    monkeypatch.setattr(type(task), "sample", lambda self, *given: calls.append(1) or sample(self, *given))
    together = next_blocks_together(bound, starts, [[1], [2]])
    assert len(calls) == 1
    for propagator, start, seed, frames in zip(bound, starts, (1, 2), together, strict=True):
        assert_mostly_same(frames, propagator.next_blocks(start, [seed]), atol=2e-3)


def test_other_propagators_are_called_by_themselves():
    one, two = next_blocks_together([Doubling(), Doubling()], [np.ones((1, 2, 3)), np.ones((2, 4, 3))], [[1], [2, 3]])
    assert one.shape == (1, 2, 2, 3) and two.shape == (2, 2, 4, 3) and (two[:, 1] == 4).all()

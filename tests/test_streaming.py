"""Chained blocks of several replicas."""

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.trajectory.blocks import Blocks
from openmm_mdgen.trajectory.streaming import made_ahead, stream_frames
from tests.helpers.toys import TorchWalk

START = np.arange(15.0).reshape(5, 3)


class Batched(TorchWalk):
    """The same walk, that counts how many replicas it is asked for at once."""

    def next_blocks(self, starts, seeds):
        """(B, N, 3) Å -> (B, n_frames, N, 3) Å."""
        self.calls += 100 * len(seeds)
        return np.stack([self.next_block(start, seed) for start, seed in zip(starts, seeds, strict=True)])


@pytest.mark.parametrize("skip", [0, 3, 7, 17])
@pytest.mark.parametrize("n_frames", [1, 7, 20])
def test_frames_are_those_of_a_recipe(skip, n_frames):
    frames = np.concatenate(list(stream_frames(TorchWalk(5), START, n_frames, seed=4, n_replicas=2, skip=skip)), axis=1)
    assert frames.shape == (2, n_frames, 5, 3)
    for replica in range(2):
        blocks = Blocks(lambda: TorchWalk(5), START, seed=4, replica=replica)
        expected = np.stack([blocks.frame(skip + frame) for frame in range(n_frames)])
        np.testing.assert_array_equal(frames[replica].astype(np.float32), expected)


def test_replicas_are_asked_for_in_one_call():
    propagator = Batched(5)
    frames = np.concatenate(list(stream_frames(propagator, START, 14, n_replicas=3)), axis=1)
    assert propagator.calls == 2 * 300 + 6
    np.testing.assert_array_equal(frames[2, :7], TorchWalk(5).next_block(START, block_seed(0, 0, 2)))


def test_no_block_is_made_that_is_not_needed():
    propagator = TorchWalk(5)
    assert sum(frames.shape[1] for frames in stream_frames(propagator, START, 14)) == 14
    assert propagator.calls == 2


def test_nan_and_wrong_shapes_stop():
    class Broken(TorchWalk):
        def next_block(self, start, seed):
            return np.full((7, 5, 3), np.nan)

    with pytest.raises(MDGenError, match="NaN or infinite positions in frame 0; start from"):
        list(stream_frames(Broken(5), START, 1))
    with pytest.raises(MDGenError, match=r"shape \(7, 4, 3\), expected \(7, 5, 3\)"):
        list(stream_frames(Wrong(5), START, 1))


class Wrong(TorchWalk):
    """Loses an atom."""

    def next_block(self, start, seed):
        """(N, 3) Å -> (7, N - 1, 3) Å."""
        return super().next_block(start, seed)[:, 1:]


def test_made_ahead_while_the_one_before_is_used():
    made = []

    def items():
        for k in range(3):
            made.append(k)
            yield k
        raise MDGenError("the fourth")

    used = made_ahead(items())
    assert next(used) == 0
    assert [next(used), next(used)] == [1, 2] and made == [0, 1, 2]
    with pytest.raises(MDGenError, match="the fourth"):
        next(used)
    assert list(made_ahead(iter([]))) == []
    assert list(made_ahead(iter([None, 1]))) == [None, 1]

"""Chains of blocks, and that all edges make the same ones."""

from itertools import islice

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator.blocks import BlockSource
from openmm_mdgen.tasks.chain import Link, chain_blocks, check_frames, make_blocks
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.trajectory.blocks import Blocks, Peers
from openmm_mdgen.trajectory.streaming import stream_frames
from tests.helpers.toys import TorchWalk

START = np.arange(15.0).reshape(5, 3)


def by_hand(link, n_blocks):
    walk, anchor, found = TorchWalk(5), START, []
    for block in range(n_blocks):
        found.append(walk.next_block(anchor, block_seed(link.seed, block, link.replica)))
        anchor = found[-1][-1]
    return np.concatenate(found)


def test_a_chain_is_what_its_definition_says():
    links = [Link(3), Link(3, 1), Link(4)]
    blocks = np.concatenate(list(islice(chain_blocks(TorchWalk(5), np.repeat(START[None], 3, 0), links), 3)), axis=1)
    for found, link in zip(blocks, links, strict=True):
        np.testing.assert_array_equal(found, by_hand(link, 3))


def test_a_chain_goes_on_from_any_block():
    first = make_blocks(TorchWalk(5), START[None], 0, [Link(3)])
    rest = chain_blocks(TorchWalk(5), first[:, -1], [Link(3)], first=1)
    np.testing.assert_array_equal(next(rest)[0], by_hand(Link(3), 2)[7:])


def test_anchors_are_not_the_propagators_to_change():
    class Rude(TorchWalk):
        def next_block(self, start, seed):
            start += 1.0
            return super().next_block(start, seed)

    start = START.copy()
    make_blocks(Rude(5), start[None], 0, [Link(0)])
    np.testing.assert_array_equal(start, START)


def test_streaming_and_random_access_give_the_same_frames():
    streamed = np.concatenate(list(stream_frames(TorchWalk(5), START, 20, seed=3, n_replicas=2, skip=2)), axis=1)
    for replica in (0, 1):
        blocks = Blocks(lambda: TorchWalk(5), START, 3, replica=replica)
        found = np.stack([blocks.frame(2 + k) for k in range(20)])
        np.testing.assert_array_equal(found, streamed[replica].astype(np.float32))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((1, 6, 5, 3)), r"frames of shape \(6, 5, 3\), expected \(7, 5, 3\); correct its next_block"),
        (np.zeros((1, 7, 5, 2)), r"frames of shape \(7, 5, 2\)"),
    ],
)
def test_wrong_shapes(frames, message):
    with pytest.raises(MDGenError, match=message):
        check_frames(frames, (1, 7, 5, 3), 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_positions_are_told_with_their_frame(value):
    frames = np.zeros((2, 7, 5, 3))
    frames[1, 3, 2, 0] = value
    with pytest.raises(MDGenError, match="NaN or infinite positions in frame 17; start from minimised"):
        check_frames(frames, frames.shape, 2)


class Batched(TorchWalk):
    """Notes how many replicas each call was for."""

    def __init__(self, n_atoms):
        super().__init__(n_atoms)
        self.sizes = []

    def next_blocks(self, starts, seeds):
        self.sizes.append(len(seeds))
        return np.stack([self.next_block(start, seed) for start, seed in zip(starts, seeds, strict=True)])


def test_peers_have_their_first_blocks_made_in_one_call():
    walk, peers = Batched(5), Peers()
    replicas = [Blocks(lambda: walk, START, 3, replica=r, peers=peers) for r in range(4)]
    assert walk.sizes == []
    found = [blocks.block(0) for blocks in reversed(replicas)]
    assert walk.sizes == [4]
    for replica, frames in enumerate(reversed(found)):
        np.testing.assert_array_equal(frames, by_hand(Link(3, replica), 1).astype(np.float32))


def test_later_blocks_are_each_replicas_own():
    walk, peers = Batched(5), Peers()
    replicas = [Blocks(lambda: walk, START, 3, replica=r, peers=peers) for r in range(2)]
    replicas[1].block(2)
    assert walk.sizes == [2, 1, 1]
    np.testing.assert_array_equal(replicas[1].block(2), by_hand(Link(3, 1), 3)[14:].astype(np.float32))


def test_replicas_that_nobody_holds_cost_nothing():
    walk, peers = Batched(5), Peers()
    first, *others = [Blocks(lambda: walk, START, 3, replica=r, peers=peers) for r in range(3)]
    del others
    first.block(0)
    assert walk.sizes == [1]


def test_the_integrator_gives_the_frames_of_the_stream(alanine):
    source = BlockSource(TorchWalk(5), alanine.topology, 10.0)
    found, anchor = [], START / 10
    for block in range(2):
        found.append(source.frames((block,), anchor, Link(3), block))
        anchor = found[-1][-1]
    expected = np.concatenate(list(stream_frames(TorchWalk(5), START, 14, seed=3)), axis=1)[0]
    np.testing.assert_allclose(np.concatenate(found) * 10, expected, rtol=1e-12)

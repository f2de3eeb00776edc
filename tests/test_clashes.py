"""Mending of overlapping atoms."""

import pytest
import torch
from tiny import internal, positions

from openmm_mdgen.geometry.internal import CHI1
from openmm_mdgen.tasks.clashes import CLOSEST, ClashRepair, far_pairs


@pytest.fixture(scope="module")
def chain():
    """Internal coordinates, decoding and positions of QGRE."""
    coordinates, start = internal("QGRE"), positions("QGRE").double()
    geometry = coordinates.geometry(start)
    return coordinates, lambda x: coordinates.decode(x, geometry), start


def overlapping(chain, seed: int = 0) -> torch.Tensor:
    """Internal coordinates (40, L, 16), torsions at random, the first frame as it was."""
    coordinates, _, start = chain
    values = coordinates.encode(start.repeat(40, 1, 1))
    turns = torch.rand(values[1:, :, 1:7].shape, generator=torch.Generator().manual_seed(seed), dtype=values.dtype)
    values[1:, :, 1:7] = 6.28 * turns
    return values


def test_pairs_are_heavy_and_far_apart(chain):
    coordinates, _, _ = chain
    pairs = {tuple(pair) for pair in far_pairs(coordinates).T.tolist()}
    assert all(tuple(sorted(bond)) not in pairs for bond in coordinates.bonds)
    heavy = set(coordinates.heavy_atoms.tolist())
    assert pairs and all(a in heavy and b in heavy for a, b in pairs)


def test_random_torsions_overlap_less_after_mending(chain):
    _, decode, _ = chain
    repair, values = ClashRepair(chain[0], decode), overlapping(chain)
    frames = decode(values)
    before = repair.closest(frames) < CLOSEST
    assert before.sum() > 5
    _, mended = repair(values, frames, seed=1)
    after = repair.closest(mended)
    assert (after < CLOSEST).sum() < 0.5 * before.sum()
    torch.testing.assert_close(mended[~before], frames[~before], rtol=0, atol=0)


def test_returned_coordinates_belong_to_the_frames(chain):
    _, decode, _ = chain
    values = overlapping(chain)
    mended, frames = ClashRepair(chain[0], decode)(values, decode(values), seed=1)
    torch.testing.assert_close(decode(mended), frames)


def test_pure_function_of_block_and_seed(chain):
    _, decode, _ = chain
    repair, values = ClashRepair(chain[0], decode), overlapping(chain)
    first, again, other = (repair(values, decode(values), seed)[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_omega_lengths_and_angles_stay(chain):
    _, decode, _ = chain
    values = overlapping(chain)
    mended, _ = ClashRepair(chain[0], decode)(values, decode(values), seed=1)
    torch.testing.assert_close(mended[..., 0], values[..., 0])
    torch.testing.assert_close(mended[..., 7:], values[..., 7:])
    assert not torch.equal(mended[..., CHI1], values[..., CHI1])

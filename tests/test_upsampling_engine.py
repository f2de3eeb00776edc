"""A whole system between its frames, over periodic boundaries."""

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.upsampling.engine import Engine, Group
from openmm_mdgen.upsampling.gaps import Gaps
from tests.helpers.gap_fillers import Shaking

ATOMS, BONDS = np.arange(4)[None], np.array([[0, 1], [1, 2], [2, 3]])
SHAPE = np.array([[0, 0, 0], [1.0, 0, 0], [1, 1, 0], [1, 1, 1]])


def engine(bonds: np.ndarray = BONDS, seed: int = 1) -> Engine:
    return Engine([Group(ATOMS, Gaps(Shaking(2), 2, np.ones(4)), bonds)], 2, seed, "shaking")


def test_chunks_lie_at_fixed_places_and_do_not_matter():
    here, keys = engine(), np.stack([SHAPE + k for k in range(5)])
    assert [here.chunk(gap, 4) for gap in range(4)] == [(0, 2), (0, 2), (2, 4), (2, 4)]
    at_once = np.concatenate([here.fill(keys[:3], None, 0), here.fill(keys[2:], None, 2)])
    np.testing.assert_array_equal(at_once[1], engine().fill(keys[1:3], None, 1)[0])
    assert not np.array_equal(at_once, np.concatenate([engine(seed=2).fill(keys[k : k + 3], None, k) for k in (0, 2)]))


def test_over_the_boundary_the_short_way_is_taken():
    boxes = np.tile(np.diag([10.0, 10, 10]), (2, 1, 1))
    keys = np.stack([SHAPE + 8.5, SHAPE + 8.5 + (1.0 - 10, 0, 0)])
    found = engine().fill(keys, boxes, 0)[0, 0].mean(0)
    middle = (SHAPE + 8.5).mean(0) + np.array([0.5, 0, 0])
    np.testing.assert_allclose((found - middle + 5) % 10 - 5, 0, atol=0.2)


def test_broken_molecules_and_numbers_that_are_none():
    keys = np.stack([SHAPE, SHAPE])
    keys[1, 3] += 50
    with pytest.raises(MDGenError, match=r"in frame 8 the bond of atoms 2 and 3"):
        engine().fill(keys, None, 7)
    keys[1] = np.nan
    with pytest.raises(MDGenError, match="frame 8 has positions that are not finite"):
        engine().fill(keys, None, 7)

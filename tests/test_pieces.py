"""Batches in pieces, smaller ones where memory runs out."""

import pytest
import torch

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.flow.pieces import in_pieces


@pytest.mark.parametrize("size", [1, 2, 3, 5, 99])
def test_pieces_are_the_whole(size):
    x = torch.arange(5.0)
    assert torch.equal(in_pieces(lambda part: x[part] ** 2, 5, size), x**2)


def test_out_of_memory_smaller_pieces_are_tried_and_said():
    x, asked = torch.arange(9.0), []

    def call(part):
        asked.append(len(x[part]))
        if asked[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return x[part]

    with pytest.warns(MDGenWarning, match="out of memory: [42] windows at a time are tried in place of [84]") as said:
        assert torch.equal(in_pieces(call, 9, 8), x)
    assert asked == [8, 4, 2, 2, 2, 2, 1] and len(said) == 2


def test_a_single_window_that_does_not_fit():
    def call(part):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.warns(MDGenWarning), pytest.raises(MDGenError, match=r"a single window does not fit.*--device cpu"):
        in_pieces(call, 2, 2)

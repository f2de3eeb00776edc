"""Unit cells of DCD files in three conventions."""

import numpy as np
import pytest

from openmm_mdgen.upsampling.dcd_cells import cells_to_boxes


@pytest.mark.parametrize(
    "cell",
    [(10, 0, 20, 0, 0, 30), (10, 90, 20, 90, 90, 30)],
    ids=["cosines", "degrees"],
)
def test_a_brick(cell):
    np.testing.assert_allclose(cells_to_boxes(np.array([cell]))[0], np.diag([10, 20, 30]), atol=1e-6)


def test_a_slanted_cell_is_one_in_both_conventions():
    degrees = np.array([(10, 60, 10, 60, 60, 10.0)])
    cosines = np.array([(10, 0.5, 10, 0.5, 0.5, 10.0)])
    np.testing.assert_allclose(cells_to_boxes(degrees), cells_to_boxes(cosines), atol=1e-6)
    assert np.linalg.det(cells_to_boxes(cosines)[0]) == pytest.approx(1000 / np.sqrt(2))


def test_a_shape_matrix_and_no_box():
    boxes = cells_to_boxes(np.array([(60, -2, 61, 1.5, 0.2, 62.0), (0, 90, 0, 90, 90, 0.0)]))
    np.testing.assert_allclose(boxes[0], [[60, -2, 1.5], [-2, 61, 0.2], [1.5, 0.2, 62]])
    assert not boxes[1].any()

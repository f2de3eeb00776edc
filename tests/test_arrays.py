"""One formula for arrays and tensors."""

import numpy as np
import pytest
import torch

from openmm_mdgen.geometry.arrays import cross, library


def test_each_has_its_library():
    assert library(np.zeros(3)) is np and library(torch.zeros(3)) is torch


def test_cross_products_agree():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3))
    np.testing.assert_allclose(cross(torch.from_numpy(a), torch.from_numpy(b)).numpy(), cross(a, b), atol=1e-12)
    assert cross(np.array([1.0, 0, 0]), np.array([0, 1.0, 0])).tolist() == [0, 0, 1]


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((3,), (5, 3)), ((7, 1, 3), (4, 3))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_products_are_numpys(shapes, dtype):
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    found, expected = cross(a, b), np.cross(a, b)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)

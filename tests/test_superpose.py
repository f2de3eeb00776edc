"""Superposition and turns: round trips, no mirrors, arrays and tensors alike."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from openmm_mdgen.geometry.superpose import centroid, slerp, superpose, superposition
from tests.helpers.tiny import random_motion

SEEDS = st.integers(0, 2**32 - 1)


def cloud(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_superpose_undoes_any_motion(seed):
    rotation, shift = (torch.from_numpy(x) for x in random_motion(seed))
    target = cloud(seed, 2, 7)
    torch.testing.assert_close(superpose(target @ rotation + shift, target), target, atol=1e-6, rtol=0)


def test_superpose_never_mirrors():
    target = cloud(1, 7)
    mirrored = target * torch.tensor([1.0, 1, -1])
    found, _, _ = superposition(mirrored, target)
    assert float(torch.linalg.det(found)) == pytest.approx(1)
    assert float((superpose(mirrored, target) - target).abs().max()) > 0.1


def test_superpose_carries_other_points_along():
    target, (rotation, shift) = cloud(2, 7), (torch.from_numpy(x) for x in random_motion(2))
    moved = target @ rotation + shift
    torch.testing.assert_close(superpose(moved[:4], target[:4], moved), target, atol=1e-9, rtol=0)


def test_the_convention_is_points_as_rows():
    mobile = cloud(3, 7).numpy()
    rotation, shift = random_motion(3)
    found, center, to = superposition(mobile, mobile @ rotation + shift)
    np.testing.assert_allclose(found, rotation, atol=1e-9)
    np.testing.assert_allclose((mobile - center) @ found + to, mobile @ rotation + shift, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_arrays_and_tensors_give_the_same(seed):
    mobile, target, weights = cloud(seed, 4, 6), cloud(seed + 1, 4, 6), torch.rand(6, dtype=torch.float64) + 0.1
    arrays = superposition(mobile.numpy(), target.numpy(), weights.numpy())
    for one, other in zip(superposition(mobile, target, weights), arrays, strict=True):
        np.testing.assert_allclose(one.numpy(), other, atol=1e-9)


def test_atoms_without_weight_do_not_count():
    target, weights = cloud(5, 7).numpy(), np.array([1.0, 1, 1, 1, 0, 0, 0])
    rotation, shift = random_motion(5)
    mobile = target @ rotation + shift
    mobile[4:] += 3.0
    np.testing.assert_allclose(superpose(mobile, target, weights=weights)[:4], target[:4], atol=1e-9)
    np.testing.assert_allclose(centroid(target, weights)[0], target[:4].mean(0))


def test_a_single_point_is_not_turned():
    rotation, _, _ = superposition(np.ones((5, 1, 3)), np.zeros((5, 1, 3)), np.array([0.3]))
    np.testing.assert_allclose(rotation, np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-12)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_turns_are_interpolated_at_constant_speed(kind):
    first = Rotation.from_rotvec([0, 0.4, 0]).as_matrix()
    last = Rotation.from_rotvec([0, 0, 1.2]).as_matrix() @ first
    steps = slerp(kind(first), kind(last), kind(np.array([0.0, 0.25, 0.5, 1.0])))
    assert isinstance(steps, np.ndarray) is isinstance(kind(first), np.ndarray)
    angles = Rotation.from_matrix(np.asarray(steps) @ first.T).magnitude()
    np.testing.assert_allclose(angles, [0, 0.3, 0.6, 1.2], atol=1e-9)
    np.testing.assert_allclose(np.asarray(steps[-1]), last, atol=1e-9)

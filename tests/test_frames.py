"""Angles and placement: round trips, signs, and what turning the molecule does."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openmm_mdgen.geometry.frames import (
    bisector_frame,
    bond_angle,
    bond_length,
    dihedral,
    place_atom,
    unit,
)
from tests.helpers.tiny import random_motion

SEEDS = st.integers(0, 2**32 - 1)


def cloud(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2


@pytest.mark.parametrize(("end", "degrees"), [((1.0, 1, 0), 0), ((1.0, 0, 1), 90), ((1.0, 0, -1), -90)])
def test_sign_of_a_dihedral(end, degrees):
    """Positive where the far bond is turned clockwise from the near one, looking along the middle bond (here x)."""
    a, b, c, d = torch.tensor([[0.0, 1, 0], [0, 0, 0], [1, 0, 0], end], dtype=torch.float64)
    assert math.degrees(dihedral(a, b, c, d)) == pytest.approx(degrees)


def test_right_and_straight_angles():
    a, b, c = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 2, 0]], dtype=torch.float64)
    assert float(bond_angle(a, b, c)) == pytest.approx(math.pi / 2)
    assert float(bond_angle(a, b, -a)) == pytest.approx(math.pi)
    assert float(bond_length(a, c)) == pytest.approx(math.sqrt(5))


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, length=st.floats(0.5, 3), angle=st.floats(0.1, 3.0), torsion=st.floats(-3.1, 3.1))
def test_place_atom_is_the_inverse_of_measuring(seed, length, angle, torsion):
    a, b, c = cloud(seed, 3, 5)
    told = [torch.full((5,), x, dtype=torch.float64) for x in (length, angle, torsion)]
    d = place_atom(a, b, c, *told)
    for measured, value in zip((bond_length(c, d), bond_angle(b, c, d), dihedral(a, b, c, d)), told, strict=True):
        torch.testing.assert_close(measured, value, atol=1e-8, rtol=0)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_motion_leaves_angles_and_turns_what_is_placed(seed):
    rotation, shift = (torch.from_numpy(x) for x in random_motion(seed))
    points = cloud(seed, 4, 3)
    moved = points @ rotation + shift
    torch.testing.assert_close(dihedral(*moved), dihedral(*points), atol=1e-9, rtol=0)
    torch.testing.assert_close(bond_angle(*moved[:3]), bond_angle(*points[:3]), atol=1e-9, rtol=0)
    told = [torch.tensor([1.5, 1.4, 1.3], dtype=torch.float64)] * 3
    torch.testing.assert_close(
        place_atom(*moved[:3], *told), place_atom(*points[:3], *told) @ rotation + shift, atol=1e-6, rtol=0
    )


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_bisector_frame_is_a_right_handed_frame_that_turns_along(seed):
    rotation, shift = (torch.from_numpy(x) for x in random_motion(seed))
    a, b, c = cloud(seed, 3, 4)
    frame = bisector_frame(a, b, c)
    torch.testing.assert_close(frame.mT @ frame, torch.eye(3, dtype=torch.float64).expand(4, 3, 3), atol=1e-9, rtol=0)
    torch.testing.assert_close(torch.linalg.det(frame), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(frame[..., 0], unit(unit(a - b) + unit(c - b)))
    moved = bisector_frame(a @ rotation + shift, b @ rotation + shift, c @ rotation + shift)
    torch.testing.assert_close(moved, rotation.T @ frame, atol=1e-6, rtol=0)

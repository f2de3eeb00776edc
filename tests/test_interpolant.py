"""The path between noise and data."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openmm_mdgen.flow.interpolant import alpha_t, d_alpha_t, d_sigma_t, sample_path, sigma_t, velocity_to_data

T = torch.linspace(0, 1, 11, dtype=torch.float64)


def pair(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randn(n, 2, 5, generator=generator, dtype=torch.float64) for _ in range(2))


def test_ends_are_noise_and_data():
    x_0, x_1 = pair(2)
    path = sample_path(x_0, x_1, torch.tensor([0.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(path.x_t, torch.stack((x_0[0], x_1[1])))
    torch.testing.assert_close(path.velocity, torch.stack((x_1[0], -x_0[1])) * math.pi / 2)


def test_variance_is_one_all_along():
    torch.testing.assert_close(alpha_t(T).square() + sigma_t(T).square(), torch.ones_like(T))


@pytest.mark.parametrize(("function", "derivative"), [(alpha_t, d_alpha_t), (sigma_t, d_sigma_t)])
def test_derivatives(function, derivative):
    t = T.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(t).sum(), t)
    torch.testing.assert_close(derivative(T), found)


def test_velocity_is_the_derivative_of_the_path():
    x_0, x_1 = pair(11)
    h = 1e-6
    ahead, behind = (sample_path(x_0, x_1, T + d).x_t for d in (h, -h))
    torch.testing.assert_close((ahead - behind) / (2 * h), sample_path(x_0, x_1, T).velocity, atol=1e-8, rtol=0)


@given(st.floats(0, 1))
def test_data_are_recovered_from_a_velocity(t):
    x_0, x_1 = pair(1)
    times = torch.tensor([t], dtype=torch.float64)
    path = sample_path(x_0, x_1, times)
    torch.testing.assert_close(velocity_to_data(path.x_t, path.velocity, times), x_1, atol=1e-9, rtol=0)

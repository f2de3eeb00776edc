"""Velocity on the simplex."""

import torch

from openmm_mdgen.published.dirichlet import simplex_velocity


def test_it_stays_on_the_simplex_and_goes_to_the_likely_corner():
    x = torch.full((2, 4), 0.25)
    velocity = simplex_velocity(x, torch.tensor([[5.0, 0, 0, 0], [0, 0, 0, 0]]), 0.5, 8.0)
    torch.testing.assert_close(velocity.sum(-1), torch.zeros(2), atol=1e-5, rtol=0)
    assert velocity[0, 0] > 0 > velocity[0, 1]
    torch.testing.assert_close(velocity[1], torch.zeros(4), atol=1e-5, rtol=0)  # no corner is likelier


def test_a_corner_is_an_end():
    velocity = simplex_velocity(torch.tensor([[1.0, 0.0, 0.0]]), torch.zeros(1, 3), 0.5, 8.0)
    assert velocity.isfinite().all() and velocity.abs().max() < 1e-5

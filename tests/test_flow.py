"""Rates, averages and optimizers of training."""

import pytest
import torch
from torch import nn

from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.train.flow import build_optimizers, rate_factor, set_rate, update_average


@pytest.mark.parametrize(("step", "factor"), [(0, 0.1), (9, 1.0), (50, 1.0), (80, 0.5), (100, 0.0)])
def test_the_rate_rises_stays_and_falls(step, factor):
    assert rate_factor(step, 100, 10, 0.4) == pytest.approx(factor)


def test_matrices_inside_blocks_have_an_optimizer_of_their_own():
    network = VelocityNetwork(VelocityConfig(width=16, depth=1, heads=2))
    optimizers = build_optimizers(network, 2e-3, 1e-3)
    sizes = [sum(p.numel() for group in o.param_groups for p in group["params"]) for o in optimizers]
    assert min(sizes) > 0 and sum(sizes) == sum(p.numel() for p in network.parameters())
    assert all(p.ndim == 2 for group in optimizers[1].param_groups for p in group["params"])
    set_rate(optimizers, 0.5)
    assert [o.param_groups[0]["lr"] for o in optimizers] == [5e-4, 1e-3]


def test_the_average_follows_faster_at_the_start():
    network, average = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False).requires_grad_(False)
    with torch.no_grad():
        network.weight.fill_(1.0)
        average.weight.fill_(0.0)
    update_average(average, network, 0, 0.999)
    assert float(average.weight) == pytest.approx(0.9)
    update_average(average, network, 10**6, 0.999)
    assert float(average.weight) == pytest.approx(0.9 + 0.1 * 0.001)

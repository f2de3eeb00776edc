"""Solutions as CUDA graphs, on doubles of them: the same tokens, captured once for a shape, plain where refused."""

from __future__ import annotations

import copy
import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import gpu
from openmm_mdgen.tasks import graphs, model
from openmm_mdgen.tasks.model import SolverConfig
from openmm_mdgen.tasks.simulate import Simulate
from tests.helpers.fake_graph import install
from tests.helpers.tiny import simulate_task, structure


@pytest.fixture
def recorded(monkeypatch):
    """Graphs are asked for; the CPU stands for the device, without the network that is prepared for CPUs."""
    monkeypatch.setattr(model, "prepared", lambda *_: None)
    monkeypatch.setattr(model, "wants_graph", lambda inputs, solver: solver != "dopri5")
    monkeypatch.setattr(graphs, "_known", type(graphs._known)())
    return install(monkeypatch)


@pytest.fixture
def task():
    """With a network of its own, so that no graph of another test is known."""
    task = simulate_task()
    return replace(task, network=copy.deepcopy(task.network))


def plain(task, told, seeds):
    """Tokens without graphs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "wants_graph", lambda *_: False)
        patch.setattr(model, "prepared", lambda *_: None)
        return task.sample(told, seeds)


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun"])
def test_replays_give_the_tokens_of_every_seed_and_start(recorded, task, solver):
    task = replace(task, solver=SolverConfig(solver, 3))
    for seeds, told in (([1, 2], gpu.told(2, 8)), ([3, 4], gpu.told(2, 8)), ([1, 2], other(gpu.told(2, 8)))):
        assert torch.equal(task.sample(told, seeds), plain(task, told, seeds))
    assert (recorded.captures, recorded.replays) == (1, 3)


def other(told):
    """Another start, sequence and interval."""
    values, sequence = told.values.flip(-1), told.sequence.flip(-1)
    return told._replace(values=values, sequence=sequence, interval=told.interval * 2)


def test_a_graph_of_its_own_for_every_shape_and_setting_and_few_are_kept(recorded, task):
    for n in (1, 2, 3, 1):
        task.sample(gpu.told(n, 8), list(range(n)))
    assert recorded.captures == 3
    task.with_steps(2).sample(gpu.told(1, 8), [1])
    task.sample(gpu.told(1, 10), [1])
    assert recorded.captures == 5
    (kept,) = graphs._known.values()
    assert len(kept) == 4
    task.sample(gpu.told(1, 8), [1])  # used last but two
    assert recorded.captures == 5


def test_new_weights_in_place_are_used_and_moved_ones_captured_anew(recorded, task):
    told = gpu.told(1, 8)
    before = task.sample(told, [1])
    with torch.no_grad():
        for parameter in task.network.parameters():
            parameter.mul_(1.1)
    after = task.sample(told, [1])
    assert recorded.captures == 1 and not torch.equal(before, after)
    assert torch.equal(after, plain(task, told, [1]))
    for parameter in task.network.parameters():
        parameter.data = parameter.data.clone() * 0.9
    assert torch.equal(task.sample(told, [1]), plain(task, told, [1]))
    assert recorded.captures == 2


def test_graphs_go_with_their_network(recorded):
    task = simulate_task()
    task = replace(task, network=copy.deepcopy(task.network))
    task.sample(gpu.told(1, 8), [1])
    assert len(graphs._known) == 1
    del task
    gc.collect()
    assert len(graphs._known) == 0


def test_what_cannot_be_captured_is_called(recorded, task, monkeypatch):
    """A solution that looks at a number; nothing is said, and it is not tried again."""
    real = model._velocity

    def looking(network, told):
        velocity = real(network, told)
        return lambda x, t: velocity(x, t) * float(t.max() >= 0)

    monkeypatch.setattr(model, "_velocity", looking)
    told = gpu.told(1, 8)
    for _ in range(2):
        assert torch.equal(task.sample(told, [1]), plain(task, told, [1]))
    assert (recorded.captures, recorded.replays) == (1, 0)


def test_simulated_frames_are_the_same(recorded, task):
    start = structure("QGRE")
    bound = Simulate.from_model(task).bind(start)
    starts = np.stack([start.positions] * 2)
    frames = bound.next_blocks(starts, [1, 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "wants_graph", lambda *_: False)
        assert np.array_equal(frames, bound.next_blocks(starts, [1, 2]))
    assert recorded.replays == 1


@pytest.mark.parametrize(
    ("device", "switch", "windows", "solver", "wanted"),
    [
        ("cuda", "1", 1, "midpoint", True),
        ("cuda", "1", 64, "euler", True),
        ("cuda", "1", 65, "euler", False),
        ("cuda", "1", 1, "dopri5", False),
        ("cuda", "0", 1, "midpoint", False),
        ("cuda", None, 1, "midpoint", False),
        ("cpu", "1", 1, "midpoint", False),
        ("mps", "1", 1, "midpoint", False),
    ],
)
def test_where_graphs_are_used(monkeypatch, device, switch, windows, solver, wanted):
    class Placed:
        def __init__(self):
            self.device = torch.device(device)

        def __len__(self):
            return windows

    monkeypatch.delenv(graphs.SWITCH, raising=False)
    if switch is not None:
        monkeypatch.setenv(graphs.SWITCH, switch)
    assert graphs.wants_graph((Placed(),), solver) is wanted

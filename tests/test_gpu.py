"""A card does what the CPU does: ``pytest -m gpu tests/test_gpu.py`` on a machine with CUDA.

Without the marker the same tests run with the CPU on both sides, which shows that they work, not that a card does.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import gpu
from openmm_mdgen.flow.sampler import integrate, noise
from openmm_mdgen.tasks import graphs, model
from openmm_mdgen.tasks.inpaint import Inpaint
from openmm_mdgen.tasks.interpolate import Interpolate
from openmm_mdgen.tasks.model import PeptideModel, inference_precision
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.tasks.unconditional import Unconditional
from openmm_mdgen.tasks.upsample import UpsampleFiller
from openmm_mdgen.train.flow import TrainingLoss, build_optimizers
from openmm_mdgen.train.windows import Batch, WindowBatches
from tests.helpers.tiny import inpaint_task, moving, simulate_task, structure, upsample_task

on_a_card = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU and a build of torch with CUDA"),
]
CARD = pytest.param("cuda", marks=on_a_card)


@pytest.fixture(params=["cpu", CARD])
def device(request):
    """The device that is compared with the CPU."""
    return request.param


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """Products in float32 on both sides, and no network prepared for CPUs on one of them."""
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: False)
    monkeypatch.setattr(model, "prepared", lambda *_: None)


def near(found: Tensor, expected: Tensor) -> None:
    """Up to rounding, which a solution magnifies in some places."""
    assert found.shape == expected.shape and found.device.type == "cpu"
    difference = (found - expected).abs()
    assert float(difference.median()) < 1e-5 and float(difference.max()) < 2e-2


@pytest.fixture
def both(device, monkeypatch):
    """Whatever a task samples is sampled on the device and on the CPU, and compared; a task gets the CPU's."""
    compared, real = [], PeptideModel.sample

    def sample(self: PeptideModel, *arguments: Any, **options: Any) -> Tensor:
        twin = replace(self, network=copy.deepcopy(self.network).to(device))
        expected = real(self, *arguments, **options)
        near(real(twin, *arguments, **options), expected)
        compared.append(tuple(expected.shape))
        return expected

    monkeypatch.setattr(PeptideModel, "sample", sample)
    return compared


def test_simulation(both):
    bound = Simulate.from_model(simulate_task()).bind(structure("QGRE"))
    bound.next_blocks(np.stack([structure("QGRE").positions] * 3), [1, 2, 3])
    assert both


def test_paths(both):
    bound = Interpolate.from_model(simulate_task(), window=12).bind_paths(structure("QGRE"))
    positions = structure("QGRE").positions
    bound.sample({0: positions, 20: positions}, 21, [1, 2])
    assert len(both) > 1


def test_from_nothing(both):
    Unconditional.from_model(simulate_task(), window=8).bind_sequence(structure("ACE-A-NME")).sample(16, [1])
    assert len(both) == 3


def test_inpainting(both):
    Inpaint.from_model(inpaint_task(), window=8).bind_residues(structure("QGRE"), (1,)).sample(moving("QGRE"), [1])
    assert both


def test_upsampling(device, monkeypatch):
    real, compared = UpsampleFiller._sample, []

    def sample(self: UpsampleFiller, internal: Tensor, seeds: list[int]) -> Tensor:
        twin = object.__new__(type(self))
        task = replace(self.task, network=copy.deepcopy(self.task.network).to(device))
        twin.__dict__ |= self.__dict__ | {"task": task}
        expected = real(self, internal, seeds)
        near(real(twin, internal, seeds), expected)
        compared.append(expected.shape)
        return expected

    monkeypatch.setattr(UpsampleFiller, "_sample", sample)
    upsample_task().bind_gaps(structure("QGRE"), 10.0, 0.5).fill(moving("QGRE", 3), [1, 2])
    assert compared


def test_a_training_step(device):
    """The loss, its gradient, both optimizers: weights change, stay numbers, and stay where they are."""
    told, tokens = gpu.told(2, 8, device), gpu.tokens_of(2, 8).to(device)
    network = trainable().to(device)
    before = [p.detach().clone() for p in network.parameters()]
    loss = one_step(network, Batch(tokens, told.exists.unsqueeze(1) & ~told.given.unsqueeze(-1), told))
    assert np.isfinite(loss)
    after = list(network.parameters())
    assert all(torch.isfinite(p).all() and p.device.type == device for p in after)
    assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) > len(after) / 2


def trainable() -> torch.nn.Module:
    """A network of its own, of the tiny task."""
    return copy.deepcopy(inpaint_task().network).requires_grad_(True)


def one_step(network: torch.nn.Module, batch: Batch) -> float:
    """The loss; flow times and noise are drawn on the device, whose numbers are its own."""
    place = batch.tokens.device
    generator = torch.Generator(place).manual_seed(1)
    loss = TrainingLoss(network, WindowBatches.channel_weight)(lambda: (batch, generator))
    loss.backward()
    for optimizer in build_optimizers(network, 1e-3, 1e-3):
        optimizer.step()
    return float(loss)


def test_gradients(device):
    """Of the same noise, at the same flow time."""
    told, x, t = gpu.told(2, 8), gpu.tokens_of(2, 8), torch.tensor([0.3, 0.7])
    gradients = []
    for place in ("cpu", device):
        network = trainable().to(place)
        network(x.to(place), t.to(place), told.to(place)).square().mean().backward()
        gradients.append([None if p.grad is None else p.grad.cpu() for p in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.allclose(one, other, rtol=1e-3, atol=1e-6)


@contextmanager
def waits() -> Iterator[list[str]]:
    """Where the host waited for the device."""
    with warnings.catch_warnings(record=True) as caught, gpu.counting_waits():
        found: list[str] = []
        yield found
    found += [f"{w.filename}:{w.lineno}" for w in caught if gpu.is_wait(w)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU and a build of torch with CUDA")
def test_nothing_waits_inside_the_solvers_loop():
    task = simulate_task()
    network, told = copy.deepcopy(task.network).cuda(), gpu.told(2, 8, "cuda")
    x_0 = gpu.tokens_of(2, 8).cuda()
    with torch.no_grad(), inference_precision(torch.device("cuda")):
        for _ in range(2):  # the first chooses kernels
            with waits() as found:
                integrate(lambda x, t: network(x, t, told).float(), x_0, solver="midpoint", n_steps=5)
        assert found == []
        with waits() as found:
            bool(x_0.isfinite().all())
        assert len(found) == 1, "a planted wait is seen"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU and a build of torch with CUDA")
def test_graphs_give_the_same_tokens_to_the_last_bit(monkeypatch):
    task = simulate_task()
    task = replace(task, network=copy.deepcopy(task.network).cuda())
    for seeds in ([1], [2], [3]):
        monkeypatch.delenv(graphs.SWITCH, raising=False)
        expected = task.sample(gpu.told(1, 8), seeds)
        monkeypatch.setenv(graphs.SWITCH, "1")
        assert torch.equal(task.sample(gpu.told(1, 8), seeds), expected)
    (kept,) = graphs._known.values()
    assert all(graph is not None for graph in kept.values()), "the card refused the capture"


def test_noise_is_the_cpus(device):
    """So that a seed means the same on every device."""
    assert torch.equal(noise((1, 4), [3]).to(device).cpu(), noise((1, 4), [3]))

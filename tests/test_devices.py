"""On GPUs that are not there, no tensor stays on the CPU and nothing waits: sampler, every task, a training step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException

from benchmarks import gpu
from benchmarks.paper_network import make_conditioning
from openmm_mdgen.flow.sampler import Projection, integrate, integrate_projected, noise
from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.published import network as network_module
from openmm_mdgen.tasks import inpaint, model
from openmm_mdgen.tasks.inpaint import Inpaint
from openmm_mdgen.tasks.interpolate import Interpolate
from openmm_mdgen.tasks.model import PeptideModel
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.tasks.unconditional import Unconditional
from openmm_mdgen.tasks.upsample import UpsampleFiller
from openmm_mdgen.tokens.gaps import N_GAP_CHANNELS
from openmm_mdgen.tokens.noise_colour import GapColour
from openmm_mdgen.tokens.tokens import N_CHANNELS, Conditioning
from openmm_mdgen.train.feed import to_device
from openmm_mdgen.train.flow import TrainingLoss, build_optimizers, update_average
from openmm_mdgen.train.gaps import GapBatches
from openmm_mdgen.train.windows import Batch, WindowBatches
from tests.helpers.fake_device import DeviceError, empty, fake, fake_device, on_device
from tests.helpers.published_toys import make_network
from tests.helpers.tiny import inpaint_task, moving, simulate_task, structure, upsample_task

DEVICES = ("cuda:0", "mps:0")
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*autocast.*", "ignore:.*not available.*:UserWarning"),
    pytest.mark.skipif(
        torch.version.cuda is not None and not torch.cuda.is_available() and torch.__version__ < "2.6",
        reason="fake tensors of a CUDA build of torch 2.5 ask for a driver",
    ),
]


@pytest.fixture(autouse=True)
def forget_precision(monkeypatch):
    """Whether bf16 is fast is remembered by device; fake devices leave no memory behind."""
    # which looks for padding once, before the solver begins
    monkeypatch.setattr(network_module, "bool", lambda x: True, raising=False)
    model.has_fast_bf16.cache_clear()
    yield
    model.has_fast_bf16.cache_clear()


class Places:
    """What the solver asked of every task: device of the network's input and output."""

    def __init__(self) -> None:
        self.windows: list[tuple[int, ...]] = []
        self.copies: list[dict[str, int]] = []


@pytest.fixture(params=DEVICES)
def fakes(request, monkeypatch):
    """Every task samples on a fake device; its callers get numbers of the shape that it would have given."""
    device, places, real = request.param, Places(), PeptideModel.sample

    def sample(self: PeptideModel, told: Conditioning, seeds: list[int], condition: Any = None) -> Tensor:
        with fake_device(monkeypatch) as watch:
            task = replace(self, network=on_device(self.network, device))
            few = None if condition is None else replace(condition, n_steps=2, repeats=2, between=(0.0, 1.0))
            out = real(task, fake(told), seeds, few)
            assert out.device.type == "cpu"
            shape = tuple(out.shape)
        places.windows.append(shape)
        places.copies.append(dict(watch.copies))
        return noise(shape, seeds)

    monkeypatch.setattr(PeptideModel, "sample", sample)
    monkeypatch.setattr(inpaint, "close_run", _closed_at_once)
    return places


def _closed_at_once(internal: Tensor, *rest: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """Stands for the closure of a chain, which is a loop on the CPU that looks at numbers."""
    return internal, internal.new_zeros(internal.shape[:-2])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun"])
def test_the_solvers_stay_where_they_begin(device, solver, monkeypatch):
    with fake_device(monkeypatch) as watch:
        x_0 = noise((2, 5), [1, 2]).to(device)
        out = integrate(lambda x, t: x * t[:, None], x_0, solver=solver, n_steps=3)
        assert str(out.device) == device
    assert watch.copies == {f"cpu to {device[:-2]}": 1}


@pytest.mark.parametrize("device", DEVICES)
def test_the_projected_solver_stays_too(device, monkeypatch):
    with fake_device(monkeypatch):
        condition = Projection(lambda x: x * 2, lambda x_0, k: x_0)
        out = integrate_projected(lambda x, t: x, noise((2, 5), [1, 2]).to(device), condition)
        assert str(out.device) == device


def test_simulation(fakes):
    bound = Simulate.from_model(simulate_task()).bind(structure("QGRE"))
    starts = np.stack([structure("QGRE").positions] * 3)
    assert bound.next_blocks(starts, [1, 2, 3]).shape == (3, bound.n_frames, *starts.shape[1:])
    assert fakes.windows == [(3, bound.n_frames + 1, 4, N_CHANNELS)]


def test_transfers_of_a_block(fakes):
    """What is told goes over once, tensor by tensor, tokens come back once."""
    bound = Simulate.from_model(simulate_task()).bind(structure("QGRE"))
    bound.next_blocks(structure("QGRE").positions[None], [1])
    (copies,) = fakes.copies
    (to, there), (back, home) = sorted(copies.items())
    assert to.startswith("cpu to") and back.endswith("to cpu")
    assert there <= 8 and home == 1


def test_paths(fakes):
    bound = Interpolate.from_model(simulate_task(), window=12).bind_paths(structure("QGRE"))
    positions = structure("QGRE").positions
    assert bound.sample({0: positions, 20: positions}, 21, [1, 2]).shape == (2, 21, *positions.shape)
    assert len(fakes.windows) > 1  # coarse, then filled


def test_from_nothing(fakes):
    bound = Unconditional.from_model(simulate_task(), window=8).bind_sequence(structure("ACE-A-NME"))
    assert bound.sample(16, [1]).shape[1] == 16
    assert len(fakes.windows) == 3


@pytest.mark.parametrize("residues", [(1,), (0,), (1, 2)])
def test_inpainting(fakes, residues):
    bound = Inpaint.from_model(inpaint_task(), window=8).bind_residues(structure("QGRE"), residues)
    assert bound.sample(moving("QGRE"), [1, 2]).shape == (2, *moving("QGRE").shape)


@pytest.mark.parametrize("device", DEVICES)
def test_upsampling(device, monkeypatch):
    real = UpsampleFiller._sample

    def sample(self: UpsampleFiller, internal: Tensor, seeds: list[int]) -> Tensor:
        with fake_device(monkeypatch):
            twin = object.__new__(UpsampleFiller)
            twin.__dict__ |= self.__dict__ | {"task": replace(self.task, network=on_device(self.task.network, device))}
            out = real(twin, fake(internal), seeds)
            assert out.device.type == "cpu"
            shape = tuple(out.shape)
        return noise(shape, seeds)

    monkeypatch.setattr(UpsampleFiller, "_sample", sample)
    filler = upsample_task().bind_gaps(structure("QGRE"), 10.0, 0.5)
    assert filler.fill(moving("QGRE", 3), [1, 2]).shape == (2, 19, *structure("QGRE").positions.shape)


def training_batch(gaps: bool) -> Batch:
    """Two windows of a tetrapeptide, or two gaps."""
    if gaps:
        told, colour = gpu.gaps(upsample_task(), 2, 9)
        tokens = noise((*told.given.shape, N_GAP_CHANNELS), [1, 2])
        return Batch(tokens, torch.ones(tokens.shape, dtype=torch.bool), told, colour)
    told, tokens = gpu.told(2, 8), gpu.tokens_of(2, 8)
    return Batch(tokens, torch.ones(tokens.shape, dtype=torch.bool), told)


@torch.no_grad()
def one_step(network: VelocityNetwork, batch: Batch, weight: Tensor) -> Tensor:
    """Loss, clipping, both optimizers, moving average; gradients are made up, since autograd asks for a driver."""
    average = on_device(network, str(batch.tokens.device))
    optimizers = build_optimizers(network, 1e-3, 1e-3)
    loss = TrainingLoss(network, weight, hidden_neighbours=0.3)(lambda: (batch, torch.Generator().manual_seed(1)))
    for parameter in network.parameters():
        parameter.grad = empty(parameter, str(parameter.device))
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    update_average(average, network, 5, 0.99)
    return loss


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("gaps", [False, True])
def test_a_training_step(device, gaps, monkeypatch):
    batch, task = training_batch(gaps), upsample_task() if gaps else inpaint_task()
    with fake_device(monkeypatch):
        network = on_device(task.network, device)
        moved = to_device(fake_batch(batch), torch.device(device))
        weight = (GapBatches if gaps else WindowBatches).channel_weight
        assert str(one_step(network, moved, fake(weight)).device) == device


def fake_batch(batch: Batch) -> Batch:
    """The same with fake tensors on the CPU."""
    colour = batch.colour
    if colour is not None:
        colour = GapColour(fake(colour.scale), fake(colour.carry), fake(colour.spread))
    return Batch(fake(batch.tokens), fake(batch.counts), fake(batch.conditioning), colour)


@pytest.mark.parametrize("device", DEVICES)
def test_the_published_network(device, monkeypatch):
    """What runs on the device; frames of reference are found in float64 on the CPU."""
    network, conditioning = make_network(), make_conditioning(6, 2)
    with fake_device(monkeypatch):
        velocity = on_device(network, device).velocity(conditioning.to(torch.device(device), torch.float32))
        assert str(integrate(velocity, noise((2, 6, 4, 21), [1, 2]).to(device), n_steps=2).device) == device


# What is planted must be found


@pytest.mark.parametrize("field", ["sequence", "exists", "given", "values", "interval"])
def test_a_tensor_left_on_the_cpu_is_found(field, monkeypatch):
    told, x, real = gpu.told(2, 8), gpu.tokens_of(2, 8), simulate_task().network
    with fake_device(monkeypatch):
        network = on_device(real, "cuda:0")
        moved = fake(told).to("cuda:0")
        assert network(fake(x).to("cuda:0"), torch.zeros(2, device="cuda:0"), moved).device.type == "cuda"
        planted = moved._replace(**{field: getattr(fake(told), field)})
        with pytest.raises(RuntimeError, match="same device"):
            network(fake(x).to("cuda:0"), torch.zeros(2, device="cuda:0"), planted)


def test_a_parameter_left_on_the_cpu_is_found(monkeypatch):
    told, x, real = gpu.told(2, 8), gpu.tokens_of(2, 8), simulate_task().network
    with fake_device(monkeypatch):
        network = on_device(real, "cuda:0")
        network.blocks[0].bias = torch.nn.Parameter(torch.zeros(network.blocks[0].bias.shape))
        with pytest.raises(RuntimeError, match="same device"):
            network(fake(x).to("cuda:0"), torch.zeros(2, device="cuda:0"), fake(told).to("cuda:0"))


def test_a_look_at_a_number_is_found(monkeypatch):
    with fake_device(monkeypatch):
        with pytest.raises(DataDependentOutputException):
            bool(torch.ones(3, device="cuda:0").all())


def test_float64_on_mps_is_found(monkeypatch):
    with fake_device(monkeypatch), pytest.raises(DeviceError):
        torch.ones(3, dtype=torch.float64).to("mps:0")

"""The network as it is prepared for evaluation on a CPU is the network."""

import gc
import weakref

import pytest
import torch

from openmm_mdgen.network import inference
from openmm_mdgen.network.inference import FastVelocity, prepared
from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.tokens.spans import N_SPAN
from openmm_mdgen.tokens.tokens import N_CHANNELS, Conditioning


def random_network(**changes) -> VelocityNetwork:
    """A network none of whose parameters is zero."""
    network = VelocityNetwork(VelocityConfig(**{"width": 48, "depth": 2, "heads": 3, "patch": 2} | changes))
    generator = torch.Generator().manual_seed(1)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.3 if p.ndim == 1 else p.shape[-1] ** -0.5, generator=generator)
    return network.requires_grad_(False)


def inputs(b: int = 3, n_frames: int = 7, n_residues: int = 4) -> tuple[torch.Tensor, torch.Tensor, Conditioning]:
    """Tokens, a flow time and a conditioning whose first frame is given."""
    generator = torch.Generator().manual_seed(5)
    shape = (b, n_frames, n_residues, N_CHANNELS)
    given = torch.zeros(shape[:3], dtype=torch.bool)
    given[:, 0] = True
    told = Conditioning(
        sequence=torch.randint(0, 20, (b, n_residues), generator=generator),
        exists=torch.rand(b, n_residues, N_CHANNELS, generator=generator) < 0.8,
        given=given,
        values=torch.randn(shape, generator=generator),
        interval=torch.full((b,), 10.0),
    )
    return torch.randn(shape, generator=generator), torch.full((b,), 0.3), told


def same(network: VelocityNetwork, x: torch.Tensor, t: torch.Tensor, told: Conditioning) -> None:
    found = FastVelocity(network, torch.float32).told(told)(x, t)
    expected = network(x, t, told)
    assert float(expected.std()) > 0.1
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("n_frames", [1, 6, 7])
def test_velocity_of_any_number_of_frames(patch, n_frames):
    same(random_network(patch=patch), *inputs(n_frames=n_frames))


def test_temperature_neighbours_and_spans_are_told():
    x, t, told = inputs()
    temperature = torch.full((len(x),), 400.0)
    same(random_network(tempered=True), x, t, told._replace(temperature=temperature))
    same(random_network(), x, t, told._replace(neighbours_told=torch.rand(told.sequence.shape) < 0.5))
    span = torch.randn(*told.given.shape, N_SPAN)
    same(random_network(inpaints=True), x, t, told._replace(span=span))


def test_without_the_fused_operation(monkeypatch):
    monkeypatch.setattr(inference, "_has_fused_gelu", lambda: False)
    same(random_network(), *inputs())


def test_bfloat16_is_near():
    network, (x, t, told) = random_network(), inputs()
    found = FastVelocity(network, torch.bfloat16).told(told)(x, t)
    expected = network(x, t, told)
    assert found.dtype == torch.float32
    assert 0 < float((found - expected).square().mean().sqrt()) < 0.05 * float(expected.std())


def test_flow_times_do_not_mix():
    network, (x, t, told) = random_network(), inputs()
    velocity = FastVelocity(network, torch.float32).told(told)
    for time in (0.0, 0.9, 0.0):
        torch.testing.assert_close(velocity(x, t * 0 + time), network(x, t * 0 + time, told), atol=2e-5, rtol=1e-4)


def test_what_windows_do_not_share_is_left_to_the_network():
    network, told = random_network(tempered=True), inputs()[2]
    warm = told._replace(temperature=torch.full((3,), 300.0))
    assert prepared(network, warm, torch.float32) is not None
    assert prepared(network, warm._replace(interval=torch.tensor([1.0, 10.0, 10.0])), torch.float32) is None
    assert prepared(network, warm._replace(temperature=torch.tensor([300.0, 300.0, 310.0])), torch.float32) is None
    padding = torch.ones(told.sequence.shape, dtype=torch.bool)
    assert prepared(network, warm._replace(residue_mask=padding), torch.float32) is None
    network.add_module("another_input", torch.nn.Linear(2, 2))
    assert prepared(network, warm, torch.float32) is None


def test_prepared_once_until_the_weights_change():
    network, (x, t, told) = random_network(), inputs()
    first = prepared(network, told, torch.float32)
    assert prepared(network, told, torch.float32) is first
    assert prepared(network, told, torch.bfloat16) is not first
    network.token_out.bias += 1.0
    found = prepared(network, told, torch.float32).told(told)(x, t)
    torch.testing.assert_close(found, network(x, t, told), atol=2e-5, rtol=1e-4)


def test_a_network_that_is_not_used_any_more_is_let_go():
    network, told = random_network(), inputs()[2]
    prepared(network, told, torch.float32)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None

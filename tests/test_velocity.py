"""The velocity network: any size, padding, what is given, order of the batch."""

from dataclasses import replace

import pytest
import torch

from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.tokens.tokens import N_CHANNELS, UNKNOWN, Conditioning
from tests.helpers.tiny import simulate_task

NETWORK = simulate_task().network


def inputs(b: int = 2, n_frames: int = 6, n_residues: int = 4) -> tuple[torch.Tensor, torch.Tensor, Conditioning]:
    """Tokens, flow times and a conditioning whose first frame is given."""
    generator = torch.Generator().manual_seed(5)
    shape = (b, n_frames, n_residues, N_CHANNELS)
    given = torch.zeros(shape[:3], dtype=torch.bool)
    given[:, 0] = True
    told = Conditioning(
        sequence=torch.randint(0, 20, (b, n_residues), generator=generator),
        exists=torch.ones(b, n_residues, N_CHANNELS, dtype=torch.bool),
        given=given,
        values=torch.randn(shape, generator=generator),
        interval=torch.linspace(5, 50, b),
    )
    return torch.randn(shape, generator=generator), torch.linspace(0.1, 0.9, b), told


def padded(x: torch.Tensor, told: Conditioning, extra: int, rubbish: float) -> tuple[torch.Tensor, Conditioning]:
    """Residues of unknown type behind the last, with any numbers in their channels."""

    def pad(y: torch.Tensor, axis: int, value: float) -> torch.Tensor:
        shape = list(y.shape)
        shape[axis] = extra
        return torch.cat((y, torch.full(shape, value).to(y.dtype)), axis)

    return pad(x, 2, rubbish), Conditioning(
        pad(told.sequence, 1, UNKNOWN),
        pad(told.exists, 1, 0),
        pad(told.given, 2, 1),
        pad(told.values, 2, rubbish),
        told.interval,
        residue_mask=pad(torch.ones_like(told.sequence, dtype=torch.bool), 1, 0),
    )


@pytest.mark.parametrize("n_frames", [1, 2, 5, 40])
@pytest.mark.parametrize("n_residues", [1, 3, 12])
def test_any_number_of_frames_and_residues(n_frames, n_residues):
    x, t, told = inputs(2, n_frames, n_residues)
    velocity = NETWORK(x, t, told)
    assert velocity.shape == x.shape and torch.isfinite(velocity).all() and float(velocity.std()) > 0


@pytest.mark.parametrize("rubbish", [0.0, 100.0])
def test_padding_changes_nothing(rubbish):
    x, t, told = inputs()
    expected = NETWORK(x, t, told)
    x_padded, told_padded = padded(x, told, 3, rubbish)
    found = NETWORK(x_padded, t, told_padded)
    torch.testing.assert_close(found[:, :, :4], expected, atol=1e-5, rtol=1e-4)
    assert (found[:, :, 4:] == 0).all()


def test_padding_of_one_entry_of_a_batch():
    x, t, told = inputs()
    short = Conditioning(
        told.sequence[:1, :2], told.exists[:1, :2], told.given[:1, :, :2], told.values[:1, :, :2], told.interval[:1]
    )
    expected = NETWORK(x[:1, :, :2], t[:1], short)
    sequence, exists = told.sequence.clone(), told.exists.clone()
    sequence[0, 2:], exists[0, 2:] = UNKNOWN, False
    mask = sequence != UNKNOWN
    found = NETWORK(x, t, told._replace(sequence=sequence, exists=exists, residue_mask=mask))
    torch.testing.assert_close(found[:1, :, :2], expected, atol=1e-5, rtol=1e-4)


def test_order_of_the_batch():
    x, t, told = inputs(4)
    order = torch.tensor([2, 0, 3, 1])
    found = NETWORK(x[order], t[order], Conditioning(*(y[order] for y in told if y is not None)))
    torch.testing.assert_close(found, NETWORK(x, t, told)[order], atol=1e-5, rtol=1e-4)


def test_everything_that_is_told_matters():
    x, t, told = inputs()
    base = NETWORK(x, t, told)
    others = {
        "given": ~told.given,
        "values": told.values + 1,
        "interval": told.interval * 2,
        "sequence": (told.sequence + 1) % 20,
    }
    for name, value in others.items():
        assert float((NETWORK(x, t, told._replace(**{name: value})) - base).abs().max()) > 1e-4, name
    assert float((NETWORK(x, t + 0.05, told) - base).abs().max()) > 1e-4


def test_values_that_are_not_given_do_not_matter():
    x, t, told = inputs()
    values = torch.where(told.given.unsqueeze(-1), told.values, 1e3)
    values[..., NETWORK.config.given_channels :] = -1e3
    assert torch.equal(NETWORK(x, t, told._replace(values=values)), NETWORK(x, t, told))


def test_channels_that_do_not_exist_have_no_velocity():
    x, t, told = inputs()
    exists = told.exists.clone()
    exists[:, 1, 5:9] = False
    velocity = NETWORK(x, t, told._replace(exists=exists))
    assert (velocity[:, :, 1, 5:9] == 0).all() and (velocity[:, :, 0] != 0).all()


def test_order_of_residues_and_frames_matters():
    x, t, told = inputs()
    flipped = told._replace(sequence=told.sequence.flip(1), values=told.values.flip(2))
    assert not torch.allclose(NETWORK(x.flip(2), t, flipped).flip(2), NETWORK(x, t, told), atol=1e-3)
    nothing = told._replace(given=torch.zeros_like(told.given))
    assert not torch.allclose(NETWORK(x.flip(1), t, nothing).flip(1), NETWORK(x, t, nothing), atol=1e-3)


def test_attention_in_training_is_attention_in_inference():
    """The two ways to compute it agree, with and without padding."""
    x, t, told = inputs()
    for extra in (0, 2):
        if extra:
            x, told = padded(x, told, extra, 0.0)
        learning = x.clone().requires_grad_()
        torch.testing.assert_close(NETWORK(learning, t, told).detach(), NETWORK(x, t, told), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_patches_of_frames(patch):
    torch.manual_seed(0)
    network = VelocityNetwork(VelocityConfig(width=16, depth=1, heads=2, patch=patch))
    x, t, told = inputs(n_frames=5)
    assert (network(x, t, told) == 0).all()  # a fresh network starts at no velocity
    torch.nn.init.normal_(network.token_out.weight, std=0.1)
    velocity = network(x, t, told)
    assert velocity.shape == x.shape and (velocity.std(dim=(0, 2, 3)) > 0).all()


def test_every_parameter_is_trained():
    network = VelocityNetwork(replace(NETWORK.config, depth=2))
    network.load_state_dict({k: torch.randn_like(v) * 0.1 for k, v in network.state_dict().items()})
    x, t, told = inputs(n_residues=24)
    told = told._replace(sequence=torch.arange(24).remainder(23).expand(2, -1))
    network(x, t, told).square().sum().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_what_stands_beside_a_residue_is_told_where_it_is_said():
    sequence = torch.tensor([[3, 7, 11, 2]])
    told = torch.tensor([[True, True, False, True]])
    everywhere = NETWORK.sequence_embedding(sequence)
    torch.testing.assert_close(NETWORK.sequence_embedding(sequence, torch.ones_like(told)), everywhere)
    some = NETWORK.sequence_embedding(sequence, told)
    torch.testing.assert_close(some[0, [0, 1, 3]], everywhere[0, [0, 1, 3]])
    assert not torch.allclose(some[0, 2], everywhere[0, 2])
    other = torch.tensor([[3, 5, 11, 9]])
    torch.testing.assert_close(NETWORK.sequence_embedding(other, told)[0, 2], some[0, 2])
    assert not torch.allclose(NETWORK.sequence_embedding(other)[0, 2], everywhere[0, 2])


def test_temperature_matters_to_a_network_that_is_told_it():
    torch.manual_seed(0)
    network = VelocityNetwork(VelocityConfig(width=32, depth=1, heads=2, tempered=True))
    torch.nn.init.normal_(network.token_out.weight, std=0.1)
    torch.nn.init.normal_(network.final_modulation.weight, std=0.1)
    x, t, told = inputs()
    cold, hot = (network(x, t, told._replace(temperature=torch.full((2,), k))) for k in (300.0, 400.0))
    assert float((cold - hot).abs().max()) > 1e-4
    with pytest.raises(ValueError, match="temperature"):
        network(x, t, told)

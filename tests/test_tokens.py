"""Tokens: round trips, channels that do not exist, and what moving the molecule does not change."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openmm_mdgen.geometry.internal import INTERNAL
from openmm_mdgen.geometry.sidechains import TYPES
from openmm_mdgen.tokens.tokens import (
    CHANNELS,
    N_CHANNELS,
    N_GIVEN,
    N_TYPES,
    UNKNOWN,
    Normalization,
    internal_to_channels,
    internal_to_tokens,
    sequence_to_indices,
    tokens_to_internal,
)
from tests.helpers.tiny import PEPTIDES, internal, positions, random_motion, simulate_task

NORMALIZATION = simulate_task().normalization


def test_channels_are_named_once_and_torsions_come_first():
    assert len(set(CHANNELS)) == N_CHANNELS == 23 and N_GIVEN == 14
    assert CHANNELS[:4] == ("sin omega", "cos omega", "sin phi", "cos phi")
    assert CHANNELS[N_GIVEN:] == INTERNAL[7:]


@pytest.mark.parametrize("name", PEPTIDES)
def test_round_trip(name):
    exists = internal(name).exists
    values = internal(name).encode(positions(name))
    tokens = internal_to_tokens(values, exists, NORMALIZATION)
    assert tokens.shape == (len(exists), N_CHANNELS) and tokens.dtype == torch.float64
    found = tokens_to_internal(tokens, NORMALIZATION)
    torch.testing.assert_close(found[exists], values[exists], atol=1e-6, rtol=0)
    assert (tokens[~internal_to_channels(exists)] == 0).all()


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(PEPTIDES), seed=st.integers(0, 2**32 - 1))
def test_moving_the_molecule_changes_no_token(name, seed):
    rotation, shift = (torch.from_numpy(x) for x in random_motion(seed))
    tool, x = internal(name), positions(name)
    tokens, moved = (internal_to_tokens(tool.encode(p), tool.exists, NORMALIZATION) for p in (x, x @ rotation + shift))
    torch.testing.assert_close(moved, tokens, atol=1e-6, rtol=0)


def test_values_are_standardised():
    one = Normalization(torch.full((N_CHANNELS,), 2.0), torch.full((N_CHANNELS,), 4.0))
    values = torch.full((1, 16), 10.0, dtype=torch.float64)
    tokens = internal_to_tokens(values, torch.ones(1, 16, dtype=torch.bool), one)
    assert tokens[0, N_GIVEN:].tolist() == [2.0] * 9
    torch.testing.assert_close(tokens[0, 0], (values[0, 0].sin() - 2) / 4)


def test_a_torsion_needs_no_unit_length_of_its_pair():
    """A network's sine and cosine are not on the circle; the torsion is their direction."""
    one = Normalization(torch.zeros(N_CHANNELS), torch.ones(N_CHANNELS))
    tokens = torch.zeros(N_CHANNELS)
    tokens[2:4] = torch.tensor([3.0, -3.0])
    assert float(tokens_to_internal(tokens, one)[1]) == pytest.approx(0.75 * torch.pi)


def test_channels_of_existing_values():
    exists = torch.zeros(1, 16, dtype=torch.bool)
    exists[0, [1, 8]] = True
    channels = internal_to_channels(exists)[0]
    assert [CHANNELS[k] for k in channels.nonzero().flatten()] == ["sin phi", "cos phi", "CA-C"]


def test_sequence_indices():
    assert sequence_to_indices(("ACE", "ALA", "NME")).tolist() == [TYPES.index(t) for t in ("ACE", "ALA", "NME")]
    assert UNKNOWN not in sequence_to_indices(TYPES) and N_TYPES == len(TYPES) + 3
    with pytest.raises(ValueError, match="not in tuple"):
        sequence_to_indices(("XYZ",))

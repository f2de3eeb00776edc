"""Places: a round trip, the same however a molecule lies, and floppy ends that do not turn the rest."""

import numpy as np
import pytest
import torch

from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.tokens.places import measure_places
from openmm_mdgen.tokens.tokens import sequence_to_indices
from tests.helpers.tiny import random_motion

TYPES = ("TYR", "ASP", "PRO", "GLU", "THR", "GLY", "THR", "TRP")


def walk(n_frames: int = 200, floppy: float = 4.0) -> torch.Tensor:
    """Frames (F, 8, 3) in Å of a stiff structure whose last atom flaps, turned and moved at random."""
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 4, (8, 3)) + rng.normal(0, 0.3, (n_frames, 8, 3))
    frames[:, -1] += rng.normal(0, floppy, (n_frames, 3))
    motions = [random_motion(k) for k in range(n_frames)]
    return torch.from_numpy(np.stack([x @ r + s for x, (r, s) in zip(frames, motions, strict=True)]))


@pytest.fixture(scope="module")
def places():
    return measure_places(walk(), sequence_to_indices(TYPES))


def test_round_trip(places):
    frames = walk()
    back = places.to_atoms(places.to_tokens(frames))
    torch.testing.assert_close(superpose(back, frames), frames, atol=1e-6, rtol=0)


def test_tokens_do_not_change_when_a_molecule_is_turned(places):
    frames = walk()
    rotation, shift = random_motion(7)
    moved = frames @ torch.from_numpy(rotation) + torch.from_numpy(shift)
    torch.testing.assert_close(places.to_tokens(moved), places.to_tokens(frames), atol=1e-9, rtol=0)


def test_tokens_are_of_order_one(places):
    tokens = places.to_tokens(walk())
    assert tokens.mean((0, 2)).abs().amax() < 0.1 and 0.7 < tokens.square().mean().sqrt() < 1.5


def test_a_floppy_end_does_not_turn_the_rest(places):
    assert places.spread[-1] > 5 * places.spread[:-1].amax()
    assert places.weight[-1] < 0.1 * places.weight[:-1].amin()
    still = walk(floppy=0.0)
    torch.testing.assert_close(places.to_tokens(walk())[:, :-1], places.to_tokens(still)[:, :-1], atol=0.5, rtol=0)


def test_it_knows_its_molecule(places):
    assert places.residue_types == TYPES
    assert bool((places.uncertainty >= 0.15 - 1e-6).all())

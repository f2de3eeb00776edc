"""Chains pulled towards places: near them, hardly bent, however the places are turned."""

import numpy as np
import pytest
import torch

from openmm_mdgen.geometry.internal import OMEGA, PSI, TORSIONS, InternalCoordinates
from openmm_mdgen.geometry.pull import pull_chain
from openmm_mdgen.geometry.superpose import superpose
from tests.helpers.tiny import internal, moving, positions, random_motion

NAMES = ("ITVLHC", "PSWYP")


def frames(name: str) -> tuple[InternalCoordinates, torch.Tensor, torch.Tensor]:
    """A chain, its internal coordinates in some frames, and where its anchors are."""
    chain = internal(name)
    values = chain.encode(torch.from_numpy(moving(name, 6)))
    return chain, values, chain.decode_backbone(values)[:, chain.anchors]


def disturbed(values: torch.Tensor, degrees: float = 10.0) -> torch.Tensor:
    shake = torch.randn(values.shape, generator=torch.Generator().manual_seed(1), dtype=values.dtype)
    shake[..., len(TORSIONS) :] = 0
    shake[..., OMEGA] = 0
    return values + np.radians(degrees) * shake


def spread(chain: InternalCoordinates) -> torch.Tensor:
    return torch.full((len(chain.anchors),), 0.15)


def missed(chain: InternalCoordinates, values: torch.Tensor, places: torch.Tensor) -> float:
    now = chain.decode_backbone(values)[:, chain.anchors]
    return float((superpose(now, places) - places).square().sum(-1).mean().sqrt())


@pytest.mark.parametrize("name", NAMES)
def test_at_its_places_a_chain_stays(name):
    chain, values, places = frames(name)
    assert torch.allclose(pull_chain(values, chain, places, spread(chain)), values, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_disturbed_chain_comes_back(name):
    chain, values, places = frames(name)
    wrong = disturbed(values)
    pulled = pull_chain(wrong, chain, places, spread(chain))
    assert missed(chain, wrong, places) > 3 * missed(chain, pulled, places)
    assert missed(chain, pulled, places) < 0.2
    changed = (pulled - wrong).abs()
    assert changed[..., PSI + 1 :].amax() == 0  # side chains, lengths and angles
    assert changed.square().mean(0).sqrt().amax() < 0.5  # radians


def test_places_may_lie_anywhere():
    chain, values, places = frames("ITVLHC")
    wrong = disturbed(values)
    rotation, shift = random_motion(3)
    moved = places @ torch.from_numpy(rotation) + torch.from_numpy(shift)
    pulled = [pull_chain(wrong, chain, x, spread(chain)) for x in (places, moved)]
    torch.testing.assert_close(pulled[0], pulled[1], atol=1e-6, rtol=0)


def test_a_frame_does_not_depend_on_the_others():
    chain, values, places = frames("PSWYP")
    wrong = disturbed(values)
    together = pull_chain(wrong, chain, places, spread(chain))
    alone = torch.cat(
        [pull_chain(wrong[k : k + 1], chain, places[k : k + 1], spread(chain)) for k in range(len(wrong))]
    )
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)


def test_places_that_are_uncertain_pull_less():
    chain, values, places = frames("ITVLHC")
    wrong = disturbed(values)
    near, far = (pull_chain(wrong, chain, places, scale * spread(chain)) for scale in (1, 100))
    assert (far - wrong).abs().amax() < 0.2 * (near - wrong).abs().amax()


def test_unreachable_places_leave_a_whole_chain():
    chain, values, places = frames("ITVLHC")
    pulled = pull_chain(values, chain, 3 * places, spread(chain))
    assert bool(torch.isfinite(pulled).all())
    atoms = chain.decode(pulled, chain.geometry(positions("ITVLHC")))
    assert bool(torch.isfinite(atoms).all())


def test_fewer_than_three_anchors_are_left_alone():
    chain = InternalCoordinates(
        ("ACE", "NME"), {(0, "CH3"): 0, (0, "C"): 1, (0, "O"): 2, (1, "N"): 3, (1, "CH3"): 4}, {}, 5
    )
    values = torch.zeros(1, 2, 16, dtype=torch.float64)
    assert pull_chain(values, chain, torch.zeros(1, 2, 3), torch.ones(2)) is values

"""Torsions are turned downhill until atoms have room."""

import pytest
import torch

from openmm_mdgen.tasks.clashes import ClashRepair, far_pairs, free_torsions, radii
from openmm_mdgen.tasks.parting import part_atoms
from tests.helpers.tiny import internal, positions


@pytest.fixture(scope="module")
def crowded():
    """Frames of QGRE, torsions at random, most with overlaps; and what parting them takes."""
    coordinates, start = internal("QGRE"), positions("QGRE").double()
    geometry = coordinates.geometry(start)
    values = coordinates.encode(start.repeat(24, 1, 1))
    values[..., 1:7] = 6.28 * torch.rand(values[..., 1:7].shape, generator=torch.Generator().manual_seed(0))
    pairs = far_pairs(coordinates)
    scale = radii(coordinates)[pairs].sum(0).float().pow(-2).unsqueeze(1)
    return coordinates, values, (lambda x: coordinates.decode(x, geometry), pairs, scale, free_torsions(coordinates))


def test_most_overlaps_go_and_nothing_else_changes(crowded):
    coordinates, values, rest = crowded
    repair, decode = ClashRepair(coordinates, rest[0]), rest[0]
    parted = part_atoms(values, *rest)
    before, after = (repair.room(decode(x)) < 1 for x in (values, parted))
    assert before.float().mean() > 0.5 and after.float().mean() < 0.5 * before.float().mean()
    assert torch.equal(parted[~before], values[~before])
    assert torch.equal(parted[..., ~rest[3]], values[..., ~rest[3]])


def test_each_frame_as_if_it_were_alone(crowded):
    _, values, rest = crowded
    together = part_atoms(values, *rest)
    for k in (0, 5, 23):
        assert torch.equal(part_atoms(values[k : k + 1], *rest)[0], together[k])


def test_nothing_may_turn(crowded):
    _, values, (decode, pairs, scale, turns) = crowded
    assert torch.equal(part_atoms(values, decode, pairs, scale, torch.zeros_like(turns)), values)

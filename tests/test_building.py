"""Chains built by turns of a frame are those built atom by atom."""

import pytest
import torch

from openmm_mdgen.geometry.frames import place_atom
from tests.helpers.tiny import PEPTIDES, internal, positions


def atom_by_atom(name: str, values: torch.Tensor) -> torch.Tensor:
    """Backbone (F, n, 3) of internal coordinates (F, L, 16), each atom from the three before it."""
    atoms = [torch.zeros(len(values), 3, dtype=values.dtype)]
    for length, angle, torsion in internal(name).chain_slots:
        r = values[:, *length]
        if angle is None:
            atoms.append(torch.stack((r, 0 * r, 0 * r), -1))
        elif torsion is None:
            theta = values[:, *angle]
            atoms.append(atoms[-1] + torch.stack((-r * theta.cos(), r * theta.sin(), 0 * r), -1))
        else:
            atoms.append(place_atom(*atoms[-3:], r, values[:, *angle], values[:, *torsion]))
    return torch.stack(atoms, 1)


@pytest.mark.parametrize("name", PEPTIDES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_backbone(name, dtype):
    values = internal(name).encode(positions(name)).repeat(4, 1, 1)
    values[1:, :, :7] += torch.randn(3, *values.shape[1:], generator=torch.Generator().manual_seed(1))[..., :7]
    found, expected = internal(name).decode_backbone(values.to(dtype)), atom_by_atom(name, values)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, atol=1e-9 if dtype == torch.float64 else 1e-4, rtol=0)


@pytest.mark.parametrize("name", PEPTIDES)
def test_around_a_backbone_that_lies_anywhere(name):
    values, geometry = internal(name).encode(positions(name))[None], internal(name).geometry(positions(name))
    found = internal(name).decode_around(positions(name)[internal(name).backbone][None], values, geometry)
    torch.testing.assert_close(found[0], positions(name), atol=1e-6, rtol=0)

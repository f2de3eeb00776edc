"""A peptide in canonical order and names, however it is listed."""

import numpy as np
import pytest

from openmm_mdgen.peptide.canonical import canonical_structure
from tests.helpers.tiny import rearranged, structure


@pytest.mark.parametrize("name", ["QGRE", "ACE-A-NME"])
def test_any_order_of_atoms_gives_one_structure(name):
    source = structure(name)
    order, first = canonical_structure(source)
    assert sorted(order.tolist()) == list(range(len(source.names)))
    shuffled = np.random.default_rng(0).permutation(len(order))
    _, other = canonical_structure(rearranged(source, shuffled))
    assert other.names == first.names and other.bonds == first.bonds
    np.testing.assert_allclose(other.positions, first.positions)


def test_hydrogens_are_called_after_their_heavy_atom():
    order, found = canonical_structure(structure("ACE-A-NME"))
    assert len(set(zip(found.names, found.residues.tolist(), strict=True))) == len(order)
    assert {"CA", "HA", "HB1", "HB2", "HB3"} <= {
        name for name, kind in zip(found.names, found.resnames, strict=True) if kind == "ALA"
    }

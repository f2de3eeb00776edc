"""Bonds by distance: lengths that occur, and the box."""

import numpy as np
import pytest

from openmm_mdgen.convert.bonds import bonds_by_distance


@pytest.mark.parametrize(
    ("symbols", "length", "is_bond"),
    [
        ("CC", 1.54, True),
        ("CH", 1.09, True),
        ("SS", 2.05, True),
        ("CS", 1.82, True),
        ("OH", 1.6, False),
        ("HH", 0.7, False),
        ("CC", 2.4, False),
        ("CC", 0.1, False),
    ],
)
def test_lengths(symbols, length, is_bond):
    found = bonds_by_distance(np.array([[0.0, 0, 0], [length, 0, 0]]), np.array(list(symbols)))
    assert found.tolist() == ([[0, 1]] if is_bond else [])


def test_bonds_reach_over_the_box():
    positions, symbols = np.array([[0.2, 5, 5], [9.0, 5, 5], [5, 5, 5]]), np.array(["C", "C", "N"])
    assert bonds_by_distance(positions, symbols).tolist() == []
    assert bonds_by_distance(positions, symbols, np.array([10, 10, 10, 90, 90, 90], float)).tolist() == [[0, 1]]


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_atoms(n):
    assert bonds_by_distance(np.zeros((n, 3)), np.array(["C"] * n)).shape == (0, 2)

"""Hydrogens placed by heavy atoms, as they stood in a reference."""

import numpy as np

from openmm_mdgen.geometry.hydrogens import HydrogenPlacer, hydrogen_references
from tests.helpers.tiny import random_motion

BONDS = [(0, 1), (1, 2), (2, 3)]  # a chain of heavy atoms
HYDROGENS = {4: 1, 5: 3}  # one in the middle, one at the end


def reference() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(6, 3))


def test_the_reference_atoms_of_the_middle_and_of_an_end():
    middle, end = hydrogen_references(HYDROGENS, BONDS)
    assert (middle.parent, middle.first, middle.second, middle.at_end) == (1, 0, 2, False)
    assert (end.parent, end.first, end.second, end.at_end) == (3, 2, 1, True)


def test_lower_ranks_are_preferred():
    rank = {0: 3, 1: 2, 2: 1, 3: 0}
    assert hydrogen_references({4: 1}, BONDS, rank)[0].first == 2


def test_they_move_with_the_molecule():
    start = reference()
    placer = HydrogenPlacer(HYDROGENS, BONDS, start)
    rotation, shift = random_motion(2)
    moved = start @ rotation + shift
    broken = moved.copy()
    broken[4:] = 0
    np.testing.assert_allclose(placer.place(broken), moved[placer.atoms], atol=1e-9)

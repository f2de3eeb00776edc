"""Which atoms move together."""

import numpy as np
from MDAnalysis import Universe

from openmm_mdgen.upsampling.molecules import alike, bond_pairs, elements, molecules, residues, superposition_weights


def waters(n: int = 3) -> Universe:
    made = Universe.empty(3 * n, n_residues=n, atom_resindex=np.repeat(np.arange(n), 3), trajectory=True)
    made.add_TopologyAttr("names", ["OW", "HW1", "HW2"] * n)
    corner = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    made.atoms.positions = np.concatenate([corner + 5 * k for k in range(n)])
    return made


def test_elements_are_read_off_names():
    assert elements(waters().atoms).tolist() == ["O", "H", "H"] * 3
    assert elements(Universe.empty(2).atoms).tolist() == ["X", "X"]


def test_bonds_come_from_distances_where_none_are_listed():
    assert len(bond_pairs(waters().atoms)) == 6


def test_a_listed_bond_that_is_too_long_counts_only_where_nothing_else_joins():
    universe = waters(2)
    universe.add_TopologyAttr("bonds", [(0, 1), (0, 2), (3, 4), (3, 5), (0, 3)])
    assert [0, 3] in bond_pairs(universe.atoms).tolist()  # nothing else joins the two waters
    universe = waters(2)
    universe.atoms.positions = [[0, 0, 0], [0.96, 0, 0], [0, 0, 2.95], [5, 0, 0], [5.96, 0, 0], [4.76, 0.93, 0]]
    universe.add_TopologyAttr("bonds", [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5)])
    assert [1, 2] not in bond_pairs(universe.atoms).tolist()  # 3.1 Å, and the oxygen joins them


def test_molecules_and_residues():
    atoms = waters().atoms
    found = molecules(atoms, bond_pairs(atoms))
    assert [m.tolist() for m in found] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [r.tolist() for r in residues(atoms)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_small_molecules_are_superposed_by_all_their_atoms():
    assert superposition_weights(np.array(["O", "H", "H"])).tolist() == [1, 1, 1]
    assert superposition_weights(np.array(["C", "C", "O", "H"])).tolist() == [1, 1, 1, 0]


def test_molecules_alike_are_stacked_and_stacks_have_a_limit():
    symbols = np.array(["O", "H", "H"] * 3 + ["C"])
    places = [np.arange(3), np.arange(3, 6), np.arange(6, 9), np.array([9])]
    assert [stack.shape for stack in alike(places, symbols)] == [(3, 3), (1, 1)]
    assert [stack.shape for stack in alike(places, symbols, largest=6)] == [(2, 3), (1, 3), (1, 1)]

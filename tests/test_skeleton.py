import numpy as np

from openmm_mdgen.geometry.skeleton import Skeleton

NITROGEN = Skeleton(["GLY"], {(0, "CA"): 3, (0, "N"): 0, (0, "C"): 1}, {2: 0, 4: 3}, [(0, 3), (3, 1)], 5)
"""H-N-CA-C in a user's order, one hydrogen on CA."""


def test_elements_of_all_atoms_and_ranks_by_the_canonical_order():
    assert NITROGEN.elements == ["N", "C", "H", "C", "H"]
    assert NITROGEN.rank == {3: 0, 0: 1, 1: 2}


def test_bonds_apart():
    chain = [2, 0, 3, 1]  # each bonded to the next
    for n_bonds in (1, 2, 3):
        found = NITROGEN.within(n_bonds)[np.ix_(chain, chain)]
        apart = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
        np.testing.assert_array_equal(found, apart <= n_bonds)
    assert not NITROGEN.within(2)[4, 2]
    assert NITROGEN.within(3)[4, 2]

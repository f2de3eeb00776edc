"""Chains longer than a model learned, filled by windows of residues."""

from itertools import pairwise

import numpy as np

from openmm_mdgen.upsampling.gaps import Gaps, LinearGapFiller
from openmm_mdgen.upsampling.windows import (
    Window,
    WindowedGapFiller,
    amino_acids,
    residue_windows,
    window_structure,
    window_weights,
)
from tests.helpers.tiny import structure


def test_windows_cover_the_chain_and_overlap_by_half():
    assert residue_windows(3, 4) == [(0, 3)]
    for n, longest in ((10, 4), (11, 4), (23, 8)):
        found = residue_windows(n, longest)
        assert found[0][0] == 0 and found[-1][1] == n and all(b - a == longest for a, b in found)
        assert all(right[0] - left[0] <= longest // 2 for left, right in pairwise(found))


def test_caps_are_no_amino_acids():
    assert amino_acids(structure("ACE-A-NME")) == [1]


def test_what_the_chain_has_next_stands_for_caps():
    source = structure("NDKMF")
    atoms, part = window_structure(source, 1, 4)
    kinds = [name for k, name in enumerate(part.resnames) if not k or part.residues[k] != part.residues[k - 1]]
    assert kinds == ["ACE", "ASP", "LYS", "MET", "NME"]
    np.testing.assert_array_equal(part.positions, source.positions[atoms])
    weights = window_weights(source, atoms, 1, 4)
    of_caps = np.array([name in ("ACE", "NME") for name in part.resnames])
    assert not weights[of_caps].any() and weights[~of_caps].min() > 0


def test_windows_that_agree_change_nothing():
    source = structure("NDKMF")
    windows = []
    for first, last in ((0, 4), (1, 5)):
        atoms, _ = window_structure(source, first, last)
        gaps = Gaps(LinearGapFiller(2), 2, np.ones(len(atoms)))
        windows.append(Window(atoms, gaps, window_weights(source, atoms, first, last)))
    keys = np.stack([source.positions, source.positions + 1.0])
    found = WindowedGapFiller(source, windows).fill(keys, [0])
    np.testing.assert_allclose(found[0, 0], source.positions + 0.5, atol=1e-6)

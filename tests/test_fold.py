"""Whether a fold holds."""

import numpy as np
import pytest

from openmm_mdgen.evaluation.fold import band, contact_share, fold_bands, halvings, native_pairs, score_fold


def hairpin() -> np.ndarray:
    """(10, 3) C-alphas of two strands, 5 Å apart."""
    up = np.stack([np.zeros(5), 3.5 * np.arange(5), np.zeros(5)], -1)
    return np.concatenate([up, up[::-1] + np.array([5.0, 0, 0])])


def replicas(width: float, n: int = 6, seed: int = 0) -> np.ndarray:
    widths = width * np.linspace(1.5, 0.5, 10)[:, None]
    return hairpin() + np.random.default_rng(seed).normal(0, 1, (n, 80, 10, 3)) * widths


def test_native_contacts_are_near_in_space_and_far_along_the_chain():
    pairs, lengths = native_pairs(hairpin())
    assert ([0, 9] in pairs.tolist()) and (pairs[:, 1] - pairs[:, 0] >= 3).all() and (lengths < 8).all()


def test_share_of_native_contacts():
    apart = hairpin()
    apart[5:] += [20.0, 0, 0]
    share = contact_share(np.stack([hairpin(), apart]), hairpin())
    assert share[0] == 1.0 and share[1] < 0.2
    assert np.isnan(contact_share(hairpin()[None, :3], hairpin()[:3])).all()


def test_a_set_like_the_md_scores_well_and_one_that_unfolds_does_not():
    md, like = replicas(0.4), replicas(0.4, seed=1)
    good = score_fold(like, md, hairpin())
    assert good.rmsf_r > 0.95 and good.folded > 0.95 and good.contacts > 0.9
    unfolded = like.copy()
    unfolded[:, 40:, 5:] += np.linspace(0, 20, 40)[None, :, None, None]
    bad = score_fold(unfolded, md, hairpin())
    assert bad.folded < 0.7 and bad.pairwise_rmsd > 2 * good.pairwise_rmsd


def test_halves_are_halves_and_a_set_like_the_md_is_inside_their_band():
    for first, second in halvings(16, 40):
        assert sorted([*first, *second]) == list(range(16)) and len(first) == 8
    md = replicas(0.4, 8)
    bands = fold_bands(md, hairpin(), 20)
    made = score_fold(replicas(0.4, 4, 3), md[:4], hairpin())
    assert bands["pairwise_rmsd"].low < bands["pairwise_rmsd"].high
    assert made.pairwise_rmsd == pytest.approx(bands["pairwise_rmsd"].median, rel=0.1)
    assert band([1.0, 2.0, 3.0]).median == 2.0

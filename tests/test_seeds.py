"""Where the short runs start."""

from types import SimpleNamespace

import numpy as np
import pytest

from openmm_mdgen.correction.seeds import Candidates, choose_seeds
from openmm_mdgen.errors import MDGenError


def clouds() -> np.ndarray:
    """Two clouds of torsions, the second a tenth as large."""
    rng = np.random.default_rng(0)
    angles = np.concatenate([rng.normal(0, 0.1, 200), rng.normal(2.5, 0.1, 20)])
    return np.stack([np.sin(angles), np.cos(angles)], 1)


def test_both_clouds_are_covered_and_the_small_one_comes_first():
    found = choose_seeds(clouds(), 4)
    assert len(set(found.frames.tolist())) == 4
    assert found.frames[0] >= 200 and (found.frames < 200).any()
    assert found.clusters[0] == 0


def test_the_same_seed_gives_the_same_frames():
    assert choose_seeds(clouds(), 6, seed=3).frames.tolist() == choose_seeds(clouds(), 6, seed=3).frames.tolist()


def test_only_usable_frames_are_taken():
    usable = np.arange(220) < 150
    assert (choose_seeds(clouds(), 10, usable=usable).frames < 150).all()


def test_priority_goes_before_size():
    priority = (np.arange(220) < 200).astype(float)
    assert choose_seeds(clouds(), 2, priority=priority).frames[0] < 200


def test_frames_of_runs_are_candidates_too():
    """Every third one of runs that came to their end, in the order of all their frames."""
    run = SimpleNamespace(positions=np.ones((7, 5, 3)), features=clouds()[:7], failure="")
    blown = SimpleNamespace(positions=np.zeros((7, 5, 3)), features=clouds()[:7], failure="it blew up")
    first = Candidates(np.zeros((220, 5, 3)), clouds(), np.zeros(220, bool))
    both = first.and_those_of([blown, run], 3)
    assert len(both.positions) == len(both.features) == 227
    assert np.flatnonzero(both.usable).tolist() == [222, 225]
    assert sorted(choose_seeds(both.features, 2, usable=both.usable).frames) == [222, 225]


@pytest.mark.parametrize(("number", "message"), [(0, "must be 1 or more"), (221, "fewer than 221 seeds")])
def test_bad_numbers(number, message):
    with pytest.raises(MDGenError, match=message):
        choose_seeds(clouds(), number)

"""Slow components of torsions."""

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.tica import features, fit_tica


def hops(n: int, seed: int) -> np.ndarray:
    """(n, 2): a torsion that seldom jumps, and noise."""
    rng = np.random.default_rng(seed)
    side = np.cumsum(rng.random(n) < 0.02) % 2
    return np.stack([2.0 * side + rng.normal(0, 0.2, n), rng.normal(0, 0.2, n)], 1)


def test_the_slowest_component_follows_the_slow_torsion():
    units = [hops(2000, 0), hops(2000, 1)]
    fitted = fit_tica(units, 5, 10.0)
    first = fitted.project(units, 1)[0][:, 0]
    assert abs(np.corrcoef(first, units[0][:, 0] > 1)[0, 1]) > 0.95
    assert 100 < fitted.timescales[0] < 1000 and (np.diff(fitted.timescales) <= 0).all()


def test_features_are_sines_then_cosines():
    assert features(np.array([0.0, np.pi / 2])).round(12).tolist() == [0, 1, 1, 0]


def test_what_cannot_be_fitted():
    with pytest.raises(MDGenError, match="at least 12 are needed"):
        fit_tica([hops(8, 0)], 10, 1.0)
    with pytest.raises(MDGenError, match="no torsion of the reference moves"):
        fit_tica([np.zeros((100, 2))], 5, 1.0)

"""Scores, controls and sections share what is computed of the trajectories: nothing is computed twice."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from openmm_mdgen.evaluation import baseline, evaluate, sample
from openmm_mdgen.evaluation.markov import StateModel
from openmm_mdgen.evaluation.tica import Tica
from tests.helpers.evaluate_toys import heavy_universe, toy_frames


@pytest.fixture
def calls(monkeypatch) -> dict[str, Counter[str]]:
    """How often each computation was made of each content, by the computation's name."""
    counts: dict[str, Counter[str]] = {}

    def counted(name, function, n_ignored=0):
        counts[name] = Counter()

        def call(*args, **kwargs):
            content = args[n_ignored]
            pieces = content if isinstance(content, list) else [content]
            counts[name][hashlib.sha256(b"|".join(np.ascontiguousarray(x).tobytes() for x in pieces)).hexdigest()] += 1
            return function(*args, **kwargs)

        return call

    for name in ("autocorrelation", "linear_autocorrelation", "relaxation_times"):
        monkeypatch.setattr(baseline, name, counted(name, getattr(baseline, name)))
    monkeypatch.setattr(Tica, "project", counted("project", Tica.project, 1))
    monkeypatch.setattr(StateModel, "assign", counted("assign", StateModel.assign, 1))
    monkeypatch.setattr(sample, "torsion_angles", counted("torsion_angles", sample.torsion_angles))
    return counts


def test_each_is_computed_once(data, calls):
    pdb = data / "QGRE.pdb"
    reference, generated, replicate = (
        [heavy_universe(pdb, toy_frames(pdb, 300, 10 * seed + k)) for k in range(2)] for seed in (1, 2, 3)
    )
    result = evaluate(
        reference, generated, replicate=replicate, n_bootstrap=5, n_energies=0, lag=20.0, n_clusters=20, n_states=3
    )
    sets = 2 + len(result.controls)
    for name in ("autocorrelation", "linear_autocorrelation", "project", "assign"):
        assert len(calls[name]) == sum(calls[name].values()) == sets, name
    assert set(calls["relaxation_times"].values()) == {1}
    assert set(calls["torsion_angles"].values()) == {1}


@pytest.mark.parametrize("n_states", [3, 1000])
def test_fewer_states_are_noted_only_where_fewer_were_found(data, n_states):
    pdb = data / "QGRE.pdb"
    sides = [heavy_universe(pdb, toy_frames(pdb, 400, seed)) for seed in (1, 2)]
    result = evaluate(*sides, n_bootstrap=0, n_energies=0, lag=20.0, n_clusters=20, n_states=n_states)
    noted = [note for note in result.notes if "metastable states were found" in note]
    assert len(noted) == (n_states == 1000)

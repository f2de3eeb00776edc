"""Simulation in two passes: what is made first, what windows between are told, and that blocks are pure."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.tasks.coarse import CoarsePropagator
from openmm_mdgen.tasks.simulate import Simulate, SimulatePropagator
from openmm_mdgen.weights.checkpoint import read_weights, simulation
from tests.helpers.tiny import DATA

APART = 5


@cache
def tiny() -> Simulate:
    return simulation(read_weights(DATA / "tiny.safetensors"), "cpu")


def bound(**changes: object) -> SimulatePropagator | CoarsePropagator:
    return replace(tiny(), **{"apart": APART, "n_frames": 23} | changes).bind(load_structure(DATA / "QGRE.pdb"), 10.0)


@pytest.fixture(scope="module")
def starts() -> np.ndarray:
    return np.stack([load_structure(DATA / "QGRE.pdb").positions] * 2)


def test_a_block_is_as_long_as_whole_windows(starts):
    propagator = bound()
    assert isinstance(propagator, CoarsePropagator)
    assert propagator.n_frames == 100  # windows of 20 frames, of which four are coarse: five windows
    blocks = propagator.next_blocks(starts, [3, 4])
    assert blocks.shape == (2, 100, *starts.shape[1:]) and np.isfinite(blocks).all()
    np.testing.assert_allclose(propagator.next_block(starts[1], 4), blocks[1], atol=1e-4)
    assert np.abs(blocks[0] - blocks[1]).max() > 0.1


def test_windows_go_between_frames_that_are_made_first(starts, monkeypatch):
    propagator = bound()
    told = []
    sample = Simulate.sample

    def noted(self, conditioning, seeds, condition=None):
        told.append(conditioning)
        return sample(self, conditioning, seeds, condition)

    monkeypatch.setattr(Simulate, "sample", noted)
    frames = propagator.next_blocks(starts, [3, 4])
    coarse, fine = told
    assert float(coarse.interval[0]) == 50.0 and coarse.given.shape[:2] == (2, 21)
    assert float(fine.interval[0]) == 10.0 and fine.given.shape[:2] == (10, 21)
    assert [k for k in range(21) if bool(fine.given[:, k].all())] == [0, 10, 20]  # every second coarse frame
    assert int(fine.given.all(-1).sum()) == 10 * 3
    torsions = slice(0, 14)
    for place in (10, 20):  # and is among the frames
        found = propagator.atoms.encode(torch.from_numpy(frames))[:, place - 1 :: 20]
        kept = fine.values[:, place].unflatten(0, (2, 5))
        torch.testing.assert_close(found[..., torsions].float(), kept[..., torsions], atol=1e-3, rtol=0)
    torch.testing.assert_close(fine.values[1, 0], fine.values[0, 20])  # windows share their ends


@pytest.mark.parametrize("changes", [{"apart": 1}, {"n_frames": 9}, {"intervals": (10.0, 40.0)}])
def test_all_at_once_where_two_passes_cannot_be(changes):
    assert isinstance(bound(**changes), SimulatePropagator)


def test_models_of_many_molecules_make_one_window_after_another():
    assert tiny().apart == 1 and read_weights(DATA / "tiny.safetensors").config.places == 0

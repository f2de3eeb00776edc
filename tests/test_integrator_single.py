"""Platforms of single precision, imitated: state, restarts and seeds survive rounding. No GPU was at hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from openmm import app

from tests.helpers.single import SingleContext, single_simulation

BREAKS = [2500, 6 * 2500, 10_000, 11_234]  # in a block, in the second, at the end of one (of 4 frames), between frames
SEED = 2**60 + 1  # more digits than float32 has


@pytest.fixture
def make(alanine, alanine_system, make_toy):
    """Simulations of alanine dipeptide on the imitated platform; the toy that each asks is its `toy`."""

    def simulation(seed: int = SEED, **settings) -> app.Simulation:
        toy = make_toy()
        settings = {"temperature": 333.333333, "model": toy, "seed": seed} | settings
        made = single_simulation(alanine.topology, copy.deepcopy(alanine_system), alanine.positions, **settings)
        made.toy = toy
        return made

    return simulation


def run(simulation: app.Simulation, until: int) -> np.ndarray:
    """(T, 2, N, 3) positions and velocities of the frames up to a step."""
    rows = []
    while simulation.currentStep < until:
        simulation.step(2500 - simulation.currentStep % 2500)
        state = simulation.context.getState(positions=True, velocities=True)
        rows.append([state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value])
    return np.array(rows)


def test_what_is_stored_is_float32(make):
    simulation = make()
    assert isinstance(simulation.context, SingleContext)
    frames = run(simulation, 10_000)
    assert np.array_equal(frames, frames.astype(np.float32))
    stored = simulation.integrator.getPerDofVariableByName("mdgen_anchor")
    assert np.array_equal(stored, np.float32(stored))


def test_rounding_is_not_taken_for_positions_that_were_set(make):
    """A block of 4 frames is one call; frames that came back rounded begin no new one."""
    simulation = make()
    run(simulation, 30_000)
    assert len(simulation.toy.calls) == 3
    starts = [start for start, _ in simulation.toy.calls]
    assert not np.array_equal(starts[0], starts[1])


def test_seeds_decide_and_all_their_digits_count(make):
    one, again, other = (run(make(seed), 20_000) for seed in (SEED, SEED, SEED + 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


@pytest.mark.parametrize("at", BREAKS)
@pytest.mark.parametrize("save, load", [("saveCheckpoint", "loadCheckpoint"), ("saveState", "loadState")])
def test_resumed_in_a_new_simulation(make, tmp_path, save, load, at):
    whole, broken, resumed = make(), make(), make(5)
    expected = run(whole, 30_000)
    broken.step(at)
    getattr(broken, save)(str(tmp_path / "saved"))
    getattr(resumed, load)(str(tmp_path / "saved"))
    assert resumed.currentStep == at
    found = run(resumed, 30_000)
    assert np.array_equal(expected[-len(found) :], found)
    assert resumed.integrator.getRandomNumberSeed() == whole.integrator.getRandomNumberSeed()


@pytest.mark.parametrize("at", BREAKS)
def test_rewound(make, tmp_path, at):
    simulation = make()
    simulation.step(at)
    simulation.saveCheckpoint(str(tmp_path / "saved.chk"))
    first = run(simulation, 30_000)
    simulation.loadCheckpoint(str(tmp_path / "saved.chk"))
    assert np.array_equal(first, run(simulation, 30_000))


def test_positions_that_were_set_begin_a_new_block(make):
    simulation = make()
    run(simulation, 5000)
    moved = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value * 1.01
    simulation.context.setPositions(moved)
    run(simulation, 7500)
    assert len(simulation.toy.calls) == 2
    assert np.allclose(simulation.toy.calls[1][0], moved * 10, atol=1e-4)

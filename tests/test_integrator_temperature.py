"""Temperature as a setting, in mid-run, in checkpoints, and under OpenMM's samplers of several temperatures."""

import io
import warnings

import numpy as np
import pytest
from openmm import app, unit

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.tasks.propagator import block_seed

STEPS = 2500  # of a frame


class Tempered:
    """A model of a range of temperatures: frames that jitter about the start, the more so the warmer."""

    temperatures = (300.0, 450.0)
    temperature = 350.0
    intervals = (0.1, 100.0)
    content_hash = "f" * 64

    def __init__(self, n_frames=4):
        self.n_frames = n_frames
        self.bound, self.calls = [], []

    def bind(self, structure, interval, *, reference=None, temperature=None):
        self.bound.append(temperature)
        return Bound(self, temperature)


class Bound:
    """One temperature of it."""

    def __init__(self, model, temperature):
        self.model, self.temperature, self.n_frames = model, temperature, model.n_frames

    def next_block(self, start, seed):
        self.model.calls.append((self.temperature, start.copy(), seed))
        noise = np.random.default_rng(seed).normal(0, 1e-4 * self.temperature, (self.n_frames, *start.shape))
        return start + noise


class Single(Tempered):
    """A model of one temperature, which is told none."""

    temperatures = (350.0, 350.0)

    def bind(self, structure, interval, *, reference=None):
        return Bound(self, 350.0)


def run(simulation, count):
    found = []
    for _ in range(count):
        simulation.step(STEPS)
        state = simulation.context.getState(positions=True, velocities=True)
        found.append([state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value])
    return np.array(found)


@pytest.fixture
def model():
    return Tempered()


@pytest.fixture
def simulation(make_simulation, make_integrator, model):
    return make_simulation(make_integrator(model=model, temperature=320 * unit.kelvin))


def test_the_constructor_sets_the_ensemble(simulation, model):
    simulation.step(STEPS)
    assert [call[0] for call in model.calls] == [320.0]
    assert model.calls[0][2] == block_seed(7, 0)


def test_left_out_it_is_the_models_own(make_integrator, make_simulation, model):
    integrator = make_integrator(model=model, temperature=None)
    assert integrator.getTemperature() == 350 * unit.kelvin
    make_simulation(integrator).step(STEPS)
    assert model.calls[0][0] == 350.0


def test_a_range_without_a_temperature_of_its_own(make_integrator, model):
    model.temperature = None
    with pytest.raises(MDGenError, match="names no temperature; give one"):
        make_integrator(model=model, temperature=None)


def test_in_mid_run_it_takes_effect_at_the_next_frame(simulation, model):
    first = run(simulation, 2)
    simulation.step(100)
    simulation.integrator.setTemperature(400 * unit.kelvin)
    simulation.step(STEPS - 101)
    assert len(model.calls) == 1
    simulation.step(1)
    (_, _, seed), (temperature, start, other_seed) = model.calls
    assert temperature == 400.0 and np.allclose(start / 10, first[-1, 0]) and other_seed != seed
    run(simulation, 5)
    assert [call[0] for call in model.calls] == [320.0, 400.0, 400.0]


def test_the_same_temperature_again_changes_nothing(make_simulation, make_integrator):
    plain, told = (make_simulation(make_integrator(model=Tempered(), temperature=320)) for _ in range(2))
    expected = run(plain, 9)
    found = []
    for _ in range(9):
        told.integrator.setTemperature(320 * unit.kelvin)
        found.extend(run(told, 1))
    assert np.array_equal(expected, found)


def test_inside_the_range_nothing_is_told(make_simulation, make_integrator):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulation = make_simulation(make_integrator(model=Tempered(), temperature=300, strict=True))
        simulation.integrator.setTemperature(450)
        run(simulation, 1)


@pytest.mark.parametrize("asked, given", [(600, 450.0), (250, 300.0)])
def test_outside_the_range(make_simulation, make_integrator, model, asked, given):
    message = (
        rf"{asked} K is outside the model's 300 to 450 K: frames are .* at {given:g} K, velocities .* at {asked} K"
    )
    with pytest.warns(MDGenWarning, match=message):
        simulation = make_simulation(make_integrator(model=model, temperature=asked))
    simulation.step(STEPS)
    assert model.calls[0][0] == given
    with pytest.raises(MDGenError, match=message):
        make_integrator(model=model, temperature=asked, strict=True)
    with pytest.raises(MDGenError, match=message):
        make_integrator(model=model, strict=True).setTemperature(asked)


def test_the_global_variable_is_the_temperature(simulation, model):
    simulation.integrator.setGlobalVariableByName("temperature", 400)
    simulation.step(STEPS)
    assert model.calls[0][0] == 400.0 and simulation.integrator.getTemperature() == 400 * unit.kelvin
    simulation.integrator.setGlobalVariableByName("temperature", 500)
    with pytest.warns(MDGenWarning, match="500 K is outside"):
        simulation.step(STEPS)


@pytest.mark.parametrize("at", [2, 4, 5])
@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("save, load", [("saveCheckpoint", "loadCheckpoint"), ("saveState", "loadState")])
def test_restarts_are_bitwise(make_simulation, make_integrator, tmp_path, save, load, at, pending):
    """Saved before or after a change of temperature took effect; the other integrator was made at another one."""
    whole = make_simulation(make_integrator(model=Tempered(), temperature=320))
    run(whole, at)
    whole.integrator.setTemperature(410)
    if not pending:
        run(whole, 1)
    getattr(whole, save)(str(tmp_path / "saved"))
    expected = run(whole, 10)
    resumed = make_simulation(make_integrator(model=Tempered(), temperature=450, seed=1))
    getattr(resumed, load)(str(tmp_path / "saved"))
    assert resumed.integrator.getTemperature() == 410 * unit.kelvin
    assert np.array_equal(run(resumed, 10), expected)


def test_models_of_one_temperature_stay_as_they_were(make_simulation, make_integrator):
    """Another temperature is that of the velocities alone, and starts no block."""
    single, plain = Single(), Single()
    simulation, other = (make_simulation(make_integrator(model=m)) for m in (single, plain))
    run(simulation, 2), run(other, 2)
    with pytest.warns(MDGenWarning, match=r"300 K is not the model's 350 K"):
        simulation.integrator.setTemperature(300)
    found, expected = run(simulation, 6), run(other, 6)
    assert np.array_equal(found[:, 0], expected[:, 0]) and not np.array_equal(found[:, 1], expected[:, 1])
    assert [call[2] for call in single.calls] == [block_seed(7, 0), block_seed(7, 1)]


def test_velocities_follow(make_simulation, make_integrator):
    simulation = make_simulation(make_integrator(model=Tempered(50), frameInterval=0.1, stepSize=0.1, temperature=300))
    kinetic = []
    for temperature in (300, 450):
        simulation.integrator.setTemperature(temperature)
        rows = []
        for _ in range(300):
            simulation.step(1)
            rows.append(simulation.context.getState(energy=True).getKineticEnergy()._value)
        kinetic.append(np.mean(rows))
    assert kinetic[1] / kinetic[0] == pytest.approx(1.5, rel=0.06)


@pytest.mark.skipif(not hasattr(app, "ReplicaExchangeSampler"), reason="this OpenMM has no ReplicaExchangeSampler")
def test_replica_exchange(make_simulation, make_integrator):
    """Every replica goes on with its own blocks, at the temperature that it has, with noise of its own."""
    model = Tempered()
    simulation = make_simulation(make_integrator(model=model, temperature=300))
    temperatures = (300.0, 340.0, 390.0)
    sampler = app.ReplicaExchangeSampler([{"temperature": t * unit.kelvin} for t in temperatures], simulation, STEPS)
    seen = []
    sampler.reporters.append(
        lambda s: seen.append([state.getPositions(asNumpy=True)._value for state in s.replicaConformation])
    )
    sampler.exchangesPerIteration = 0
    sampler.simulate(6)
    assert [call[0] for call in model.calls] == [*temperatures, *temperatures]  # blocks of 4 frames, 6 iterations
    assert len({call[2] for call in model.calls}) == 6
    moved = np.diff(np.array(seen), axis=0)
    across = np.corrcoef(moved.transpose(1, 0, 2, 3).reshape(3, -1))
    assert np.abs(across - np.eye(3)).max() < 0.15
    sampler.replicaStateIndex = [2, 0, 1]
    sampler.simulate(1)
    assert [call[0] for call in model.calls[6:]] == [390.0, 300.0, 340.0]
    for call, before in zip(model.calls[6:], seen[5], strict=True):
        assert np.allclose(call[1] / 10, before)
    sampler.exchangesPerIteration = 9
    sampler.simulate(4)
    assert np.isfinite(np.array(seen)).all() and len({call[2] for call in model.calls}) == len(model.calls)


def test_simulated_tempering(make_simulation, make_integrator):
    model = Tempered()
    simulation = make_simulation(make_integrator(model=model, temperature=300))
    log = io.StringIO()
    tempering = app.SimulatedTempering(
        simulation, temperatures=[300, 350, 400], tempChangeInterval=STEPS, reportInterval=STEPS, reportFile=log
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", MDGenWarning)
        tempering.step(STEPS * 40)
    assert {call[0] for call in model.calls} == {300.0, 350.0, 400.0}
    rows = log.getvalue().splitlines()
    assert len(rows) == 41


def test_single_precision(make_simulation, alanine):
    """A temperature that the platform rounds is the same one."""
    from test_integrator_state import Rounding

    model = Tempered()
    simulation = make_simulation(Rounding(alanine.topology, 333.333333, model=model, seed=3))
    run(simulation, 3)
    assert len(model.calls) == 1 and model.calls[0][2] == block_seed(3, 0)

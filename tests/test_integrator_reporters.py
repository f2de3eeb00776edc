"""Reporters, clocks and restarts as scripts use them, and what their files hold."""

import dataclasses
import itertools
import warnings

import MDAnalysis as mda
import numpy as np
import openmm as mm
import pytest
from openmm import app, unit

from openmm_mdgen.errors import MDGenWarning


@pytest.fixture
def simulation(make_simulation, make_integrator) -> app.Simulation:
    return make_simulation(make_integrator())


def test_every_stock_reporter(simulation, data, tmp_path):
    """Same shape, times and names as an MD run's files."""
    out = {name: str(tmp_path / f"out.{name}") for name in ("dcd", "xtc", "pdb", "cif", "csv", "chk", "xml")}
    simulation.reporters += [
        app.DCDReporter(out["dcd"], 2500),
        app.XTCReporter(out["xtc"], 2500),
        app.PDBReporter(out["pdb"], 2500),
        app.PDBxReporter(out["cif"], 2500),
        app.CheckpointReporter(out["chk"], 2500),
        app.CheckpointReporter(out["xml"], 2500, writeState=True),
        app.StateDataReporter(
            out["csv"], 2500, step=True, time=True, potentialEnergy=True, kineticEnergy=True, temperature=True,
            speed=True, progress=True, remainingTime=True, totalSteps=25_000,
        ),
    ]  # fmt: skip
    simulation.step(25_000)
    for kind in ("dcd", "xtc"):
        universe = mda.Universe(str(data / "ACE-A-NME.pdb"), out[kind])
        assert universe.trajectory.n_frames == 10
        assert universe.trajectory.dt == pytest.approx(10, rel=1e-4)
        frames = [frame.positions.copy() for frame in universe.trajectory]
        assert all(np.abs(one - other).max() > 0.01 for one, other in itertools.pairwise(frames))
    assert [frame.time for frame in mda.Universe(str(data / "ACE-A-NME.pdb"), out["xtc"]).trajectory] == pytest.approx(
        list(range(10, 101, 10))
    )
    assert mda.Universe(out["pdb"]).trajectory.n_frames == 10
    assert app.PDBxFile(out["cif"]).getNumFrames() == 10
    rows = np.genfromtxt(out["csv"], delimiter=",", skip_header=1, usecols=(1, 2, 3, 5))
    assert rows[:, 0].tolist() == list(range(2500, 25_001, 2500))
    assert rows[:, 1] == pytest.approx(np.arange(10, 101, 10))
    assert len(set(rows[:, 2])) == 10 and np.isfinite(rows).all()


def test_append(make_simulation, make_integrator, data, tmp_path):
    """A second script loads the checkpoint and appends: the file of one run."""
    whole, first, second = (make_simulation(make_integrator()) for _ in range(3))
    for kind, reporter in (("dcd", app.DCDReporter), ("xtc", app.XTCReporter)):
        whole.reporters.append(reporter(str(tmp_path / f"whole.{kind}"), 2500))
        first.reporters.append(reporter(str(tmp_path / f"parts.{kind}"), 2500))
    whole.step(25_000)
    first.step(12_500)
    first.saveCheckpoint(str(tmp_path / "first.chk"))
    first.reporters.clear()
    second.loadCheckpoint(str(tmp_path / "first.chk"))
    for kind, reporter in (("dcd", app.DCDReporter), ("xtc", app.XTCReporter)):
        second.reporters.append(reporter(str(tmp_path / f"parts.{kind}"), 2500, append=True))
    second.step(12_500)
    for kind in ("dcd", "xtc"):
        one, other = (
            mda.Universe(str(data / "ACE-A-NME.pdb"), str(tmp_path / f"{n}.{kind}")) for n in ("whole", "parts")
        )
        assert one.trajectory.n_frames == other.trajectory.n_frames == 10
        for left, right in zip(one.trajectory, other.trajectory, strict=True):
            assert np.array_equal(left.positions, right.positions)
            if kind == "dcd" or not mm.__version__.startswith("8.2"):  # its XTC reporter begins at the wrong step
                assert left.time == pytest.approx(right.time)


def test_a_reporter_every_1000_steps_repeats_frames_and_is_told_once(simulation, data, tmp_path):
    simulation.reporters.append(app.DCDReporter(str(tmp_path / "often.dcd"), 1000))
    with pytest.warns(MDGenWarning, match=r"DCDReporter reports at step 1000, .*every 2500.*interval of 2500") as seen:
        simulation.step(10_000)
    assert len([warning for warning in seen if warning.category is MDGenWarning]) == 1
    universe = mda.Universe(str(data / "ACE-A-NME.pdb"), str(tmp_path / "often.dcd"))
    frames = [frame.positions.copy() for frame in universe.trajectory]
    same = [np.array_equal(one, other) for one, other in itertools.pairwise(frames)]
    assert same == [True, False, True, False, True, True, False, True, False]
    assert universe.trajectory.dt == pytest.approx(4, rel=1e-4)


@pytest.mark.parametrize(
    "interval, fits, named",
    [(2500, True, None), (7500, True, None), (3750, False, 5000), (6000, False, 5000), (100, False, 2500)],
)
def test_which_intervals_fit(simulation, tmp_path, interval, fits, named):
    simulation.reporters.append(app.XTCReporter(str(tmp_path / "out.xtc"), interval))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        simulation.step(7500)
    messages = [str(warning.message) for warning in seen if warning.category is MDGenWarning]
    assert len(messages) == (not fits)
    assert fits or f"interval of {named} or another multiple of 2500" in messages[0]


def test_a_reporter_added_later_is_told_too(simulation, tmp_path):
    simulation.step(10)
    simulation.reporters.append(app.XTCReporter(str(tmp_path / "out.xtc"), 1000))
    with pytest.warns(MDGenWarning, match="XTCReporter"):
        simulation.step(2500)


def test_reporters_of_the_old_kind_are_understood(simulation):
    class Old:
        def describeNextReport(self, simulation):
            return (1000 - simulation.currentStep % 1000, True, False, False, False, None)

        def report(self, simulation, state):
            assert state.getPositions()

    simulation.reporters.append(Old())
    with pytest.warns(MDGenWarning, match="Old reports at step 1000"):
        simulation.step(2500)


@dataclasses.dataclass
class _Equal:
    """Unhashable, as a dataclass is, and equal to all of its kind."""

    interval: int = 1000
    seen: list = dataclasses.field(default_factory=list)

    def describeNextReport(self, simulation):
        return {"steps": self.interval - simulation.currentStep % self.interval, "include": ["positions"]}

    def report(self, simulation, state):
        self.seen.append(simulation.currentStep)


class _Slots:
    """Neither hashable nor to be referred to weakly."""

    __slots__ = ("seen",)
    __hash__ = None

    def __init__(self):
        self.seen = []

    def __eq__(self, other):
        raise TypeError("incomparable")

    describeNextReport = _Equal.describeNextReport  # noqa: N815
    report = _Equal.report
    interval = 1000


class _Arrays(_Equal):
    """Equality that is an array, as of objects that hold some."""

    def __eq__(self, other):
        return np.array([True, False])


@pytest.mark.parametrize("kind", [_Equal, _Slots, _Arrays])
def test_reporters_that_cannot_be_hashed(simulation, kind):
    first, second = kind(), kind()
    simulation.reporters += [first, second]
    with pytest.warns(MDGenWarning, match=f"{kind.__name__} reports at step 1000") as seen:
        simulation.step(5000)
    assert first.seen == second.seen == [1000, 2000, 3000, 4000, 5000]
    assert len([warning for warning in seen if warning.category is MDGenWarning]) == 2


def test_a_reporter_in_the_place_of_one_that_was_told_of(simulation):
    """Memory of the old one, known by its identity, goes with it."""
    for _ in range(3):
        simulation.reporters.append(_Equal())
        with pytest.warns(MDGenWarning, match="reports at step"):
            simulation.step(2500)
        simulation.reporters.clear()
        simulation.step(2500)


def test_checkpoints_between_frames_need_no_warning(simulation, tmp_path):
    simulation.reporters.append(app.CheckpointReporter(str(tmp_path / "out.chk"), 1000))
    with warnings.catch_warnings():
        warnings.simplefilter("error", MDGenWarning)
        simulation.step(5000)


def test_after_equilibration_and_counting_from_zero(simulation, data, tmp_path):
    simulation.step(1234)
    simulation.currentStep = 0
    simulation.reporters.append(app.DCDReporter(str(tmp_path / "out.dcd"), 2500))
    with warnings.catch_warnings():
        warnings.simplefilter("error", MDGenWarning)
        simulation.step(25_000)
    frames = [
        f.positions.copy() for f in mda.Universe(str(data / "ACE-A-NME.pdb"), str(tmp_path / "out.dcd")).trajectory
    ]
    assert len(np.unique(np.array(frames).reshape(10, -1), axis=0)) == 10


def test_run_for_clock_time(simulation, tmp_path):
    files = [str(tmp_path / name) for name in ("end.chk", "end.xml")]
    simulation.step(2490)
    simulation.runForClockTime(0.2 * unit.seconds, checkpointFile=files[0], stateFile=files[1])
    reached = simulation.currentStep
    assert reached > 2490
    simulation.step(10)
    simulation.loadState(files[1])
    assert simulation.currentStep == reached


def test_a_platform_argument(alanine, alanine_system, make_integrator):
    """The platform of the script stands; CPU is there in every build of OpenMM."""
    simulation = app.Simulation(
        alanine.topology, alanine_system, make_integrator(), mm.Platform.getPlatformByName("CPU"), {"Threads": "1"}
    )
    simulation.context.setPositions(alanine.positions)
    simulation.step(5000)
    assert simulation.context.getPlatform().getName() == "CPU"


def test_the_cell_of_a_notebook_run_twice(make_simulation, make_integrator):
    """Names are bound anew while the old objects are still alive; both step on their own."""
    cell = "simulation = make_simulation(make_integrator()); simulation.step(2500)"
    names = {"make_simulation": make_simulation, "make_integrator": make_integrator}
    kept = []
    for _ in range(2):
        exec(cell, names)
        kept.append(names["simulation"])
    kept[0].step(2500)
    assert [simulation.currentStep for simulation in kept] == [5000, 2500]

"""Upsampling a trajectory with transformations: frames as the user sees them, whatever atoms these hold."""

import functools
import multiprocessing
import pickle

import numpy as np
import pytest
from MDAnalysis import Universe, Writer
from MDAnalysis.transformations import center_in_box, fit_rot_trans, fit_translation, rotateby, translate, wrap
from MDAnalysis.transformations.boxdimensions import set_dimensions

from openmm_mdgen.upsampling import upsample
from openmm_mdgen.upsampling.source import independent_copy
from tests.helpers import tiny
from tests.helpers.gap_fillers import Shaking

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
FACTOR = 5


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A peptide that turns and moves, in a file."""
    universe = tiny.moving_universe("ACE-A-NME", n_frames=6, seed=1, first_time=0.0)
    path = str(tmp_path_factory.mktemp("coarse") / "md.xtc")
    with Writer(path, universe.atoms.n_atoms, dt=10.0) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    return path


@pytest.fixture
def coarse(file):
    return Universe(str(tiny.DATA / "ACE-A-NME.pdb"), file)


def frames_of(universe):
    return np.array([ts.positions.copy() for ts in universe.trajectory])


def fitted(u):
    return [fit_rot_trans(u.atoms, Universe(str(tiny.DATA / "ACE-A-NME.pdb")).atoms)]


def translated(u):
    return [
        fit_translation(u.select_atoms("name CA"), Universe(str(tiny.DATA / "ACE-A-NME.pdb")).select_atoms("name CA"))
    ]


def centred(u):
    return [set_dimensions([30, 30, 30, 90, 90, 90]), center_in_box(u.atoms), wrap(u.atoms)]


def turned(u):
    return [rotateby(40, [0, 0, 1], ag=u.atoms)]


def closure(u):
    atoms = u.select_atoms("name CA")

    def to_origin(ts):
        ts.positions -= atoms.positions[0]
        return ts

    return [to_origin]


def held(u):
    return [lambda ts: _shifted(ts, u.atoms.center_of_geometry())]


def bound(u):
    return [functools.partial(_by_atoms, u.atoms)]


_ATOMS = {}


def by_module(u):
    _ATOMS["user's"] = u.atoms
    return [_by_global]


def _by_global(ts):
    return _shifted(ts, _ATOMS["user's"].center_of_geometry())


def _by_atoms(atoms, ts):
    return _shifted(ts, atoms.center_of_geometry())


def _shifted(ts, by):
    ts.positions -= by
    return ts


KINDS = [fitted, translated, centred, turned, closure, held, bound, by_module]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [0, 3])
def test_key_frames_are_the_users(coarse, kind, at):
    coarse.trajectory.add_transformations(*kind(coarse))
    expected = frames_of(coarse)
    coarse.trajectory[at]
    before = coarse.atoms.positions.copy()
    fine = upsample(coarse, 10 / FACTOR, model=Shaking(FACTOR))
    assert coarse.trajectory.frame == at and np.array_equal(coarse.atoms.positions, before)
    np.testing.assert_array_equal(frames_of(fine)[::FACTOR], expected)
    assert coarse.trajectory.frame == at and np.array_equal(coarse.atoms.positions, before)
    np.testing.assert_array_equal(frames_of(coarse), expected)
    assert [ts.time for ts in fine.trajectory[::FACTOR]] == pytest.approx([ts.time for ts in coarse.trajectory])


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_independent_too(coarse, kind):
    coarse.trajectory.add_transformations(*kind(coarse))
    fine = upsample(coarse, 10 / FACTOR, model=Shaking(FACTOR))
    expected = frames_of(fine)
    fine.trajectory[7]
    twin = fine.copy()
    np.testing.assert_array_equal(twin.trajectory[-1].positions, expected[-1])
    np.testing.assert_array_equal(fine.atoms.positions, expected[7])
    np.testing.assert_array_equal(frames_of(twin), expected)


@pytest.mark.parametrize("kind", [fitted, centred])
def test_some_of_the_atoms(coarse, kind):
    coarse.trajectory.add_transformations(*kind(coarse))
    part = coarse.select_atoms("all")[::-1]
    expected = frames_of(coarse)[:, ::-1]
    np.testing.assert_array_equal(frames_of(upsample(part, 10 / FACTOR, model=Shaking(FACTOR)))[::FACTOR], expected)


def test_positions_set_by_hand_stay(coarse):
    coarse.trajectory.add_transformations(*fitted(coarse))
    coarse.trajectory[2]
    coarse.atoms.positions += 5
    before = coarse.atoms.positions.copy()
    upsample(coarse, 10 / FACTOR, model=Shaking(FACTOR))
    np.testing.assert_array_equal(coarse.atoms.positions, before)


def test_frames_in_memory(file):
    universe = Universe(str(tiny.DATA / "ACE-A-NME.pdb"), file, in_memory=True)
    universe.trajectory.add_transformations(translate([1, 2, 3]), *fitted(universe))
    expected = frames_of(universe)
    np.testing.assert_array_equal(frames_of(upsample(universe, 10 / FACTOR, model=Shaking(FACTOR)))[::FACTOR], expected)


def test_upsampled_twice(coarse):
    coarse.trajectory.add_transformations(*fitted(coarse))
    once = upsample(coarse, 2.0, model=Shaking(5))
    once.trajectory.add_transformations(*translated(once))
    expected = frames_of(once)
    np.testing.assert_array_equal(frames_of(upsample(once, 1.0, model=Shaking(2)))[::2], expected)


def _last_frame(reader, results):
    results.send(reader[reader.n_frames - 1].positions.copy())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_forked_child_reads_the_same(coarse):
    coarse.trajectory.add_transformations(*fitted(coarse))
    fine = upsample(coarse, 10 / FACTOR, model=Shaking(FACTOR))
    context = multiprocessing.get_context("fork")
    parent, results = context.Pipe(duplex=False)
    child = context.Process(target=_last_frame, args=(fine.trajectory, results))
    child.start()
    assert parent.poll(600)
    found = parent.recv()
    child.join()
    np.testing.assert_array_equal(found, fine.trajectory[-1].positions)


def test_without_transformations_a_reader_is_copied(coarse):
    twin = independent_copy(coarse.trajectory)
    twin[3]
    assert coarse.trajectory.frame == 0 and type(twin) is type(coarse.trajectory)
    assert pickle.loads(pickle.dumps(twin)).frame == 3


@pytest.mark.parametrize("interval, dt", [("2ps", None), ("2000 fs", "10 ps"), (2, 10)])
def test_times_as_texts(coarse, interval, dt):
    assert upsample(coarse, interval, model=Shaking(5), dt=dt).trajectory.dt == pytest.approx(2)

"""Transition paths with a tiny untrained network: key frames, long paths, seeds, geometry, motion, bad input."""

import functools
from dataclasses import replace

import MDAnalysis as mda
import numpy as np
import pytest
import torch

import openmm_mdgen
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks import model
from openmm_mdgen.tasks.interpolate import Interpolate
from openmm_mdgen.trajectory.memory import frames_to_universe
from tests.helpers.tiny import (
    DATA,
    c_n_lengths,
    center_volumes,
    inpaint_task,
    internal,
    moving,
    random_motion,
    rearranged,
    structure,
)

interpolate = functools.partial(openmm_mdgen.interpolate, model=inpaint_task())


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    """Whatever this processor is fast at, so that tolerances are the same everywhere."""
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: False)


def bound(name: str = "QGRE", interval: float = 10.0, **changes):
    return Interpolate.from_model(inpaint_task(), **changes).bind_paths(structure(name), interval)


def conformation(name: str, seed: int) -> Structure:
    """The peptide bent, turned and moved."""
    source = structure(name)
    fields = ("names", "resnames", "residues", "chains", "elements", "bonds")
    return Structure(**{f: getattr(source, f) for f in fields}, positions=moving(name, 5, seed)[4])


def torsions(frames: np.ndarray, name: str = "QGRE") -> np.ndarray:
    return internal(name).encode(torch.from_numpy(frames))[..., :7].numpy()


# key frames ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("places", [[], [0], [19], [7], [0, 19], [0, 1, 2], [3, 9, 10, 18], range(20)], ids=str)
def test_key_frames_anywhere_and_in_any_number(places):
    frames = moving("QGRE", 20)
    paths = bound().sample({k: frames[k] for k in places}, 20, [1, 2])
    assert paths.shape == (2, *frames.shape) and np.isfinite(paths).all()
    for k in places:
        assert np.array_equal(paths[:, k], frames[[k, k]])
    free = [k for k in range(20) if k not in places]
    if free:
        assert np.abs(torsions(paths[0, free]) - torsions(paths[1, free])).max() > 0.1


@pytest.mark.parametrize(("n_frames", "places"), [(65, [0, 64]), (150, [0, 61, 63, 149]), (700, [5, 444])], ids=str)
def test_key_frames_in_paths_of_many_windows(n_frames, places):
    frames = moving("QGRE", 4)
    keys = dict(zip(places, frames, strict=False))
    paths = bound(interval=2.0).sample(keys, n_frames, [1])
    assert paths.shape == (1, n_frames, *frames.shape[1:]) and np.isfinite(paths).all()
    for k, frame in keys.items():
        assert np.array_equal(paths[0, k], frame)
    assert (np.abs(np.diff(paths[0], axis=0)).max((1, 2)) > 0).all()  # no frame was left out or repeated


def test_windows_of_the_network_end_at_known_frames(monkeypatch):
    """A path of 150 frames is made at 16 frames first; the fine windows are told of every key frame ahead of them."""
    calls, sample = [], model.PeptideModel.sample

    def listen(self, told, seeds, *rest):
        calls.append((float(told.interval[0]), told.given[0, :, 0].nonzero().flatten().tolist(), told.given.shape[1]))
        return sample(self, told, seeds, *rest)

    monkeypatch.setattr(model.PeptideModel, "sample", listen)
    frames = moving("QGRE", 3)
    bound().sample({0: frames[0], 61: frames[1], 149: frames[2]}, 150, [1])
    assert calls[0] == (100.0, [0, 6, 15], 16)
    assert all(interval == 10 and n <= 64 and given[0] == 0 and given[-1] == n - 1 for interval, given, n in calls[1:])
    ends = np.cumsum([n - 1 for *_, n in calls[1:]])
    assert ends.tolist() == [61, 120, 149]


@pytest.mark.parametrize(
    ("n_frames", "interval", "plan"),
    [(64, 10.0, []), (65, 10.0, [10]), (321, 10.0, [10]), (1001, 2.0, [5, 10]), (1001, 3.0, [5, 6]), (33, 100.0, [])],
)
def test_plan(n_frames, interval, plan):
    """Each pass is coarser by a factor, until one window of a trained interval holds it."""
    factors = Interpolate.from_model(inpaint_task()).plan(n_frames, interval)
    assert factors == plan
    n, step = n_frames, interval
    for factor in factors[::-1]:
        assert 5 <= factor <= 10
        n, step = -(-(n - 1) // factor) + 1, step * factor
    assert n <= 64 and step <= 100 and (n - 1) * step >= (n_frames - 1) * interval


@pytest.mark.parametrize(
    ("n_frames", "interval", "message"),
    [
        (402, 10.0, "a path of 4010 ps .* reaches 3200 ps at an interval of 10 ps"),
        (40, 100.0, "a path of 3900 ps .* reaches 3200 ps at an interval of 100 ps"),
        (101, 30.0, "a path of 3000 ps .* reaches 1890 ps at an interval of 30 ps"),
    ],
)
def test_too_long(n_frames, interval, message):
    with pytest.raises(MDGenError, match=message):
        bound(interval=interval).sample({}, n_frames, [1])


# seeds, geometry, motion -----------------------------------------------------------------------------------------


def test_a_path_is_a_function_of_its_keys_and_seed():
    frames = moving("QGRE", 2)
    keys = {0: frames[0], 9: frames[1]}
    together = bound().sample(keys, 10, [5, 6, 7])
    assert np.array_equal(bound().sample(keys, 10, [5, 6, 7]), together)
    for path, seed in zip(together, (5, 6, 7), strict=True):
        np.testing.assert_allclose(bound().sample(keys, 10, [seed])[0], path, atol=1e-3)
    assert np.abs(together[0] - together[1]).max() > 0.1
    assert np.array_equal(keys[0], moving("QGRE", 2)[0])


@pytest.mark.parametrize("name", ["QGRE", "PSWYP"])
def test_bonds_and_chirality(name):
    frames = moving(name, 2)
    paths = bound(name).sample({0: frames[0], 15: frames[1]}, 16, [1, 2])
    lengths = c_n_lengths(paths, structure(name))
    assert np.abs(lengths - 1.335).max() < 0.2
    volumes = center_volumes(torch.from_numpy(paths).flatten(0, 1), name, "CA", ("N", "C", "CB"), skip=("GLY",))
    assert (volumes > 0.5).all()


def test_the_whole_moves_evenly_between_key_frames():
    """Two copies of a structure, one turned and moved: every frame lies on the way from the one to the other."""
    start, (rotation, shift) = structure("QGRE").positions, random_motion(3)
    end = start @ rotation + shift
    heavy = bound().atoms.heavy.numpy()
    (path,) = bound().sample({0: start, 10: end}, 11, [1])
    share = np.linspace(0, 1, 11)[:, None]
    expected = (1 - share) * start[heavy].mean(0) + share * end[heavy].mean(0)
    np.testing.assert_allclose(path[:, heavy].mean(1), expected, atol=1e-6)


@pytest.mark.parametrize("places", [[4], [0, 11], [3, 7]], ids=str)
@pytest.mark.parametrize(("precision", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-3)])
def test_moving_the_key_frames_moves_the_paths(places, precision, tolerance):
    frames, (rotation, shift) = moving("QGRE", 12), random_motion(1)
    frames = (frames - frames.mean((0, 1))).astype(precision).astype(float)
    moved = (frames @ rotation + shift / 10).astype(precision).astype(float)
    still = bound().sample({k: frames[k] for k in places}, 12, [3])
    paths = bound().sample({k: moved[k] for k in places}, 12, [3])
    np.testing.assert_allclose(paths, still @ rotation + shift / 10, atol=tolerance)


def test_atoms_come_in_the_users_order():
    source, frames = structure("NDKMF"), moving("NDKMF", 2)
    order = np.random.default_rng(0).permutation(len(source.names))
    other = Interpolate.from_model(inpaint_task()).bind_paths(rearranged(source, order))
    expected = bound("NDKMF").sample({0: frames[0], 9: frames[1]}, 10, [1])[:, :, order]
    found = other.sample({0: frames[0][order], 9: frames[1][order]}, 10, [1])
    np.testing.assert_allclose(found, expected, atol=5e-3)


# the API ---------------------------------------------------------------------------------------------------------


def test_paths_between_files():
    source = mda.Universe(str(DATA / "QGRE.pdb"))
    paths = interpolate(DATA / "QGRE.pdb", conformation("QGRE", 1), n_paths=3, time=150)
    assert len(paths) == 3 and {p.trajectory.n_frames for p in paths} == {16}
    for path in paths:
        assert [ts.time for ts in path.trajectory] == [10.0 * k for k in range(16)]
        assert np.array_equal(path.trajectory[0].positions, source.atoms.positions)
        assert np.array_equal(path.trajectory[15].positions, conformation("QGRE", 1).positions.astype(np.float32))
        assert path.atoms.names.tolist() == source.atoms.names.tolist()
    assert len({path.trajectory[7].positions.tobytes() for path in paths}) == 3


def test_seeds_and_number_of_paths():
    ends = (conformation("QGRE", 1), conformation("QGRE", 2))
    few, many = interpolate(*ends, n_paths=1, time=90, seed=4), interpolate(*ends, n_paths=2, time=90, seed=4)
    again, other = interpolate(*ends, n_paths=2, time=90, seed=4), interpolate(*ends, n_paths=1, time=90, seed=5)
    middle = [x[0].trajectory[5].positions.copy() for x in (few, many, again, other)]
    np.testing.assert_allclose(middle[1], middle[0], atol=1e-3)
    assert np.array_equal(middle[1], middle[2]) and np.abs(middle[3] - middle[0]).max() > 0.1


def test_key_frames_on_the_way_and_an_open_end():
    keys = {50.0: conformation("QGRE", 1), 120: conformation("QGRE", 2)}
    (path,) = interpolate(None, None, n_paths=1, time=150, through=keys)
    for time, key in keys.items():
        assert np.array_equal(path.trajectory[round(time / 10)].positions, key.positions.astype(np.float32))
    (path,) = interpolate(None, keys[50.0], n_paths=1, time=50, interval=5.0)
    assert path.trajectory.n_frames == 11 and path.trajectory.dt == 5.0
    assert np.array_equal(path.trajectory[10].positions, keys[50.0].positions.astype(np.float32))


def test_the_users_own_atoms_are_kept():
    universe = frames_to_universe(structure("QGRE"), moving("QGRE", 4), 10.0)
    universe.add_TopologyAttr("tempfactors", np.arange(universe.atoms.n_atoms))
    (path,) = interpolate(universe, conformation("QGRE", 3), n_paths=1, time=50)
    assert path.atoms.tempfactors.tolist() == universe.atoms.tempfactors.tolist()
    assert path.residues.resids.tolist() == universe.residues.resids.tolist()


# bad input -------------------------------------------------------------------------------------------------------


def protonated(name: str) -> Structure:
    """Another conformation, in which a hydrogen of glycine has gone to the glutamate."""
    source = conformation(name, 1)
    positions = source.positions.copy()
    positions[source.names.index("HA2")] = positions[source.names.index("OE1", source.names.index("HA2"))] + [0, 0, 1]
    return replace(source, positions=positions)


def test_a_key_frame_may_list_and_name_its_atoms_otherwise():
    first, end = structure("QGRE"), conformation("QGRE", 1)
    order = np.random.default_rng(0).permutation(len(first.names))
    other = rearranged(end, order)
    other = replace(other, names=tuple({"HA2": "HA1", "HA3": "HA2", "H": "H1"}.get(n, n) for n in other.names))
    settings = {"n_paths": 1, "time": 100, "model": inpaint_task()}
    expected, found = (interpolate(first, key, **settings)[0].trajectory[-1].positions for key in (end, other))
    np.testing.assert_array_equal(found, expected)


QGRE = DATA / "QGRE.pdb"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"end": DATA / "NDKMF.pdb"}, r"structure at 100 ps has 88 atoms, the first one 66; give the same molecule"),
        ({"end": protonated("QGRE")}, r"100 ps has 1 hydrogens on CA of residue 2 \(GLY\), the first one 2; give two"),
        ({"through": {60: QGRE, 30: QGRE}}, r"key frames at 60, 30 ps are out of order; give them in time"),
        ({"through": {30: QGRE, 30.001: QGRE}}, r"two key frames are given at 30 ps; leave one out"),
        ({"through": {0: QGRE}}, r"two key frames are given at 0 ps"),
        ({"through": {100: QGRE}}, r"two key frames are given at 100 ps"),
        ({"through": {110: QGRE}}, r"a key frame at 110 ps is outside the span of 0 to 100 ps"),
        ({"through": {-10: QGRE}}, r"a key frame at -10 ps is outside the span of 0 to 100 ps"),
        ({"through": {35: QGRE}}, r"a key frame at 35 ps is no multiple of the interval 10 ps"),
        ({"through": {float("nan"): QGRE}}, r"a key frame at nan ps is outside the span"),
        ({"through": {"30": QGRE}}, r"key frame time '30' is no number"),
        ({"through": [QGRE]}, r"through is a list; give a dict of times in ps and structures"),
        ({"start": None, "end": None}, r"no structure is given; give start, end or through"),
        ({"time": 0}, r"time 0 ps must be above 0"),
        ({"time": float("inf")}, r"time inf ps must be"),
        ({"interval": 0}, r"interval 0 ps must be above 0"),
        ({"interval": 0.5}, r"interval of 0.5 ps is outside model 'tiny-inpaint'.s range 1 to 100 ps"),
        ({"time": 10_000}, r"a path of 10000 ps is too long for model 'tiny-inpaint', which reaches 3200 ps"),
        ({"n_paths": 0}, r"n_paths 0 must be a whole number of 1 or more"),
        ({"n_paths": 2.0}, r"n_paths 2.0 must be a whole number"),
        ({"end": "absent.pdb"}, r"structure file 'absent.pdb' does not exist"),
        ({"end": 7}, r"a structure cannot be made of a int"),
        (
            {"model": DATA / "tiny-upsample.safetensors"},
            r"model 'tiny-upsample' cannot interpolate but can fill the gaps between frames; choose 'peptide'",
        ),
    ],
    ids=lambda x: x if isinstance(x, str) else str(next(iter(x))),
)
def test_bad_input(arguments, message):
    with pytest.raises(MDGenError, match=message):
        interpolate(**({"start": QGRE, "end": QGRE, "time": 100, "n_paths": 1} | arguments))


def test_handedness_of_a_key_frame():
    mirrored = Structure(**{**vars(structure("QGRE")), "positions": structure("QGRE").positions * [1, 1, -1]})
    with pytest.raises(MDGenError, match=r"D-"):
        interpolate(QGRE, mirrored, time=100)


def test_another_sequence_with_as_many_atoms():
    """One structure, one residue of which is called otherwise: LEU and ILE have the same atoms but for names."""
    source = structure("ITVLHC")
    peptide = Peptide.from_structure(source)
    assert "L" in peptide.sequence
    other = Structure(**{**vars(source), "resnames": tuple("ILE" if n == "LEU" else n for n in source.resnames)})
    with pytest.raises(MDGenError):
        interpolate(source, other, time=100)


def test_times_are_rounded_up_as_everywhere():
    with pytest.warns(
        MDGenWarning, match="time 15 ps is not a multiple of the interval 10 ps; it is rounded up to 20 ps"
    ):
        (path,) = interpolate(QGRE, QGRE, n_paths=1, time=15)
    assert path.trajectory.n_frames == 3
    (same,) = interpolate(QGRE, QGRE, n_paths=1, time="0.02 ns", interval="10ps")
    np.testing.assert_array_equal(same.trajectory.timeseries(), path.trajectory.timeseries())

"""Trajectories from a sequence alone, with a tiny untrained network."""

import functools

import numpy as np
import pytest
import torch

import openmm_mdgen
from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks import model
from openmm_mdgen.tasks.unconditional import Unconditional
from tests.helpers.tiny import DATA, c_n_lengths, center_volumes, inpaint_task, internal, moving, rearranged, structure

unconditional = functools.partial(openmm_mdgen.unconditional, model=inpaint_task())


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    """Whatever this processor is fast at, so that tolerances are the same everywhere."""
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: False)


@pytest.fixture(autouse=True, scope="module")
def _build_once():
    """Building takes longer than sampling."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("openmm_mdgen.api.interpolate.build_peptide", functools.cache(build_peptide))
        yield


def bound(source=None, interval: float = 10.0, **changes):
    return Unconditional.from_model(inpaint_task(), **changes).bind_sequence(source or structure("QGRE"), interval)


def bent(seed: int) -> Structure:
    """Another conformation with the same bond lengths and angles, turned and moved."""
    coordinates, source = internal("QGRE"), structure("QGRE")
    start = torch.from_numpy(source.positions.copy())
    values = coordinates.encode(start)
    values[:, 1:7] = coordinates.encode(torch.from_numpy(moving("QGRE", 8, seed)[-1]))[:, 1:7]
    positions = coordinates.decode(values[None], coordinates.geometry(start))[0].numpy() + 30
    return Structure(**{**vars(source), "positions": positions})


def torsions(frames: np.ndarray) -> np.ndarray:
    return internal("QGRE").encode(torch.from_numpy(frames))[..., :7].numpy()


@pytest.mark.parametrize("n_frames", [1, 2, 5, 64, 65, 200])
def test_any_number_of_frames(n_frames):
    frames = bound().sample(n_frames, [1, 2])
    assert frames.shape == (2, n_frames, 66, 3) and np.isfinite(frames).all()
    assert np.abs(frames[0] - frames[1]).max((1, 2)).min() > 0.1


def test_the_conformation_that_names_the_atoms_is_not_used():
    one, two = (bound(s, window=8).sample(20, [3])[0] for s in (structure("QGRE"), bent(1)))
    assert np.abs(torsions(structure("QGRE").positions) - torsions(bent(1).positions)).max() > 0.3
    difference = torsions(one) - torsions(two)
    np.testing.assert_allclose(np.abs((difference + np.pi) % (2 * np.pi) - np.pi)[:, 1:-1], 0, atol=2e-3)


def test_later_windows_go_on_from_the_first():
    """The first frames of a trajectory do not depend on how long it is."""
    long = bound(window=8).sample(20, [1])
    for n_frames in (8, 9, 15):
        np.testing.assert_allclose(bound(window=8).sample(n_frames, [1])[0], long[0, :n_frames], atol=1e-6)


def test_seeds():
    together = bound().sample(6, [5, 6])
    assert np.array_equal(bound().sample(6, [5, 6]), together)
    np.testing.assert_allclose(bound().sample(6, [6])[0], together[1], atol=1e-3)


def test_bonds_and_chirality():
    frames = bound().sample(10, [1])[0]
    assert np.abs(c_n_lengths(frames, structure("QGRE")) - 1.335).max() < 0.2
    assert (center_volumes(torch.from_numpy(frames), "QGRE", "CA", ("N", "C", "CB"), skip=("GLY",)) > 0.5).all()


def test_atoms_come_in_the_users_order():
    order = np.random.default_rng(0).permutation(66)
    found = bound(rearranged(structure("QGRE"), order)).sample(5, [1])
    np.testing.assert_allclose(found, bound().sample(5, [1])[:, :, order], atol=5e-3)


@pytest.mark.parametrize("interval", [1.0, 60.0, 100.0])
def test_every_interval_of_the_model(interval):
    """A first window spans up to 6.3 ns; no path between key frames would."""
    assert bound(interval=interval).sample(64, [1]).shape[1] == 64


# the API ---------------------------------------------------------------------------------------------------------


def test_a_universe_of_a_sequence():
    universe = unconditional("ACE-AG-NME", time=100)
    assert [ts.time for ts in universe.trajectory] == [10.0 * k for k in range(1, 11)] and universe.trajectory.dt == 10
    assert universe.residues.resnames.tolist() == ["ACE", "ALA", "GLY", "NME"]
    source = atomgroup_to_structure(universe.atoms)
    frames = universe.trajectory.timeseries(order="fac").astype(float)
    assert np.abs(c_n_lengths(frames, source) - 1.335).max() < 0.2 and "H" in source.elements
    assert unconditional("AG", time=20, caps="capped").residues.resnames.tolist() == ["ACE", "ALA", "GLY", "NME"]


def test_replicas_and_seeds():
    runs = unconditional("ACE-AG-NME", time=50, replicas=2, seed=1)
    alone, again, other = (unconditional("ACE-AG-NME", time=50, seed=k) for k in (1, 1, 2))
    assert isinstance(runs, list) and len(runs) == 2
    assert len(unconditional("ACE-AG-NME", time=50, replicas=1)) == 1
    first, second, alone, again, other = (u.trajectory.timeseries() for u in (*runs, alone, again, other))
    assert np.array_equal(alone, again)
    np.testing.assert_allclose(first, alone, atol=1e-3)
    assert min(np.abs(first - second).max(), np.abs(alone - other).max()) > 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence": "AXG"}, r"sequence 'AXG' has 'X', which is no residue"),
        ({"sequence": ""}, r"sequence '' has no residue"),
        ({"sequence": "A"}, r"1 residue with both ends charged"),
        ({"sequence": "ACE-AAAAAAA-NME"}, r"AAAAAAA has 7 residues, outside model 'tiny-inpaint'.s range 1 to 6"),
        ({"caps": "none"}, r"caps 'none' are not known"),
        ({"time": 0}, r"time 0 ps must be above 0"),
        ({"interval": -1}, r"interval -1 ps must be above 0"),
        ({"interval": 500, "time": 500}, r"interval of 500 ps is outside model 'tiny-inpaint'.s range"),
        ({"replicas": 0}, r"replicas 0 must be a whole number of 1 or more"),
        (
            {"model": DATA / "tiny-upsample.safetensors"},
            r"model 'tiny-upsample' cannot make trajectories from a sequence alone but can fill",
        ),
    ],
    ids=lambda x: x if isinstance(x, str) else str(x),
)
def test_bad_input(arguments, message):
    with pytest.raises(MDGenError, match=message):
        unconditional(**({"sequence": "ACE-AG-NME", "time": 50} | arguments))

"""The upsampling task with a tiny untrained network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks import model
from openmm_mdgen.tasks.gap import GapFiller
from openmm_mdgen.tokens.gaps import wrap
from tests.helpers.tiny import (
    PEPTIDES,
    center_volumes,
    random_motion,
    rearranged,
    simulate_task,
    structure,
    upsample_task,
)


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    """Whatever this processor is fast at, so that tolerances are the same everywhere."""
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: False)


def key_frames(name: str = "QGRE", count: int = 4) -> np.ndarray:
    """Frames (count, N, 3) that the tiny simulating network makes, hydrogens at rest."""
    start, task = structure(name).positions, replace(simulate_task(), n_frames=count)
    return task.with_hydrogens("quiet").bind(structure(name)).next_block(start, 1)


def filler(name: str = "QGRE", spacing: float = 10.0, interval: float = 1.0):
    """A filler for a committed peptide."""
    return upsample_task().bind_gaps(structure(name), spacing, interval)


def test_shape_and_protocol():
    fill = filler()
    frames = fill.fill(key_frames(), [1, 2, 3])
    assert isinstance(fill, GapFiller) and fill.n_between == 9
    assert frames.shape == (3, 9, len(structure("QGRE").names), 3)
    assert frames.dtype == np.float64 and np.isfinite(frames).all()
    assert filler(spacing=10.0, interval=0.1).n_between == 99 and filler(spacing=2.0).n_between == 1


def test_each_gap_is_a_pure_function_of_its_ends_and_its_seed():
    keys, fill = key_frames(), filler()
    torch.manual_seed(0)
    whole = fill.fill(keys, [1, 2, 3])
    torch.manual_seed(1)
    assert np.array_equal(fill.fill(keys, [1, 2, 3]), whole)
    for gap in range(3):
        alone = fill.fill(keys[gap : gap + 2], [gap + 1])[0]
        np.testing.assert_allclose(alone, whole[gap], atol=1e-3)
    assert np.abs(fill.fill(keys[:2], [9])[0] - whole[0]).max() > 0.1


@pytest.mark.parametrize("name", PEPTIDES)
def test_frames_stay_near_the_way_and_are_l(name):
    keys = key_frames(name, 2)
    frames = filler(name).fill(np.stack([keys[0], keys[0]]), [4])[0]
    assert 0.01 < np.square(frames - keys[0]).sum(-1).mean() < 9
    assert (center_volumes(torch.from_numpy(frames), name, "CA", ("N", "C", "CB"), skip=()) > 0.5).all()


def test_without_noise_and_network_torsions_turn_evenly_and_the_rest_rests(monkeypatch):
    """Torsions turn in equal steps, lengths and angles stay where they rest."""
    fill, keys = filler(), key_frames(count=2)
    monkeypatch.setattr(fill, "_sample", lambda internal, seeds: torch.zeros(len(seeds), 9, *internal.shape[1:]))
    frames = np.concatenate([keys[:1], fill.fill(keys, [1])[0], keys[1:]])
    internal, exists = fill.internal.encode(torch.from_numpy(frames)), fill.internal.exists
    turns = wrap(internal.diff(dim=0))[:, exists & (torch.arange(16) < 7)]
    torch.testing.assert_close(turns, turns[:1].expand(10, -1), atol=1e-6, rtol=0)
    still = internal[1:-1, exists & (torch.arange(16) >= 7)]
    torch.testing.assert_close(still, still[:1].expand(9, -1), atol=1e-6, rtol=0)


def test_decoded_key_frames_are_the_key_frames_up_to_rigid_parts():
    keys, fill = key_frames(), filler()
    np.testing.assert_allclose(fill.decoded(keys), keys, atol=1e-6)  # made with the same rigid parts
    bent = keys + np.random.default_rng(0).normal(0, 0.02, keys.shape)
    assert 0 < np.abs(fill.decoded(bent) - bent).max() < 0.5


def test_moving_the_key_frames_moves_the_frames():
    keys, (rotation, shift) = key_frames("NDKMF"), random_motion(8)
    fill = filler("NDKMF")
    expected = fill.fill(keys, [1, 2, 3]) @ rotation + shift
    np.testing.assert_allclose(fill.fill(keys @ rotation + shift, [1, 2, 3]), expected, atol=5e-3)


def test_a_turning_key_frame_changes_no_internal_motion():
    keys, fill = key_frames(count=2), filler()
    turned = keys.copy()
    turned[1] = turned[1] @ Rotation.from_euler("x", 20, degrees=True).as_matrix()
    a, b = (fill.internal.encode(torch.from_numpy(fill.fill(k, [5])[0])) for k in (keys, turned))
    assert torch.sin((a - b)[..., :7] / 2).abs().max() < 1e-3 and (a - b)[..., 7:].abs().max() < 1e-3


def test_atoms_come_in_the_users_order():
    source, keys = structure("QGRE"), key_frames()
    order = np.random.default_rng(0).permutation(len(source.names))
    fill = upsample_task().bind_gaps(rearranged(source, order), 10.0, 1.0)
    expected = filler().fill(keys, [1, 2, 3])[:, :, order]
    np.testing.assert_allclose(fill.fill(keys[:, order], [1, 2, 3]), expected, atol=5e-3)


@pytest.mark.parametrize(
    ("spacing", "interval", "message"),
    [
        (20.0, 1.0, r"spacing of 20 ps is outside model 'tiny-upsample'.s range 1 to 10 ps"),
        (0.5, 0.1, r"spacing of 0.5 ps is outside .* 1 to 10 ps"),
        (10.0, 0.01, r"interval of 0.01 ps is outside .* 0.1 to 1 ps"),
        (10.0, 2.0, r"interval of 2 ps is outside .* 0.1 to 1 ps"),
        (float("nan"), 1.0, "spacing of nan ps is outside"),
    ],
)
def test_out_of_range(spacing, interval, message):
    with pytest.raises(MDGenError, match=message):
        filler(spacing=spacing, interval=interval)


def test_length_out_of_range():
    with pytest.raises(MDGenError, match=r"6 residues are outside model 'tiny-upsample'.s range 1 to 4; "):
        replace(upsample_task(), lengths=(1, 4)).bind_gaps(structure("ITVLHC"), 10.0, 1.0)

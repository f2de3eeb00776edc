"""The simulation task with a tiny untrained network: purity, batches, geometry, ranges, atom order, motion."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks import model
from openmm_mdgen.tasks.atoms import spread_as_at
from openmm_mdgen.tasks.model import SolverConfig
from openmm_mdgen.tasks.propagator import Propagator, next_blocks
from tests.helpers.tiny import PEPTIDES, center_volumes, random_motion, rearranged, simulate_task, structure

CPU = torch.device("cpu")
BF16_RULE = model.has_fast_bf16.__wrapped__


@pytest.fixture(autouse=True)
def _in_float32(request, monkeypatch):
    """Whatever this processor is fast at, so that tolerances are the same everywhere."""
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: False)


def bound(name: str = "QGRE", interval: float = 10.0, **changes):
    """A propagator of 5 frames per block."""
    return replace(simulate_task(), n_frames=5, **changes).bind(structure(name), interval)


def test_a_block_is_a_pure_function_of_start_and_seed():
    propagator, start = bound(), structure("QGRE").positions
    before = start.copy()
    torch.manual_seed(0)
    block = propagator.next_block(start, 3)
    propagator.next_block(start + 0.1, 4)
    torch.manual_seed(1)
    np.random.seed(1)
    state = torch.get_rng_state()
    assert np.array_equal(propagator.next_block(start, 3), block)
    assert np.array_equal(bound().next_block(start, 3), block)
    assert torch.equal(torch.get_rng_state(), state) and np.array_equal(start, before)
    assert isinstance(propagator, Propagator) and propagator.n_frames == 5
    assert block.shape == (5, *start.shape) and block.dtype == np.float64
    assert np.abs(propagator.next_block(start, 2**63 - 1) - block).max() > 0.1


def test_the_start_matters():
    propagator, start = bound(), structure("QGRE").positions
    other = propagator.next_block(start, 1)[0]
    assert np.abs(propagator.next_block(other, 3) - propagator.next_block(start, 3)).max() > 0.01


def test_replicas_do_not_know_of_one_another():
    propagator, start = bound(), structure("QGRE").positions
    starts = np.stack([start, propagator.next_block(start, 1)[2], start])
    blocks = next_blocks(propagator, starts, [5, 6, 7])
    assert blocks.shape == (3, 5, *start.shape)
    for block, alone, seed in zip(blocks, starts, (5, 6, 7), strict=True):
        np.testing.assert_allclose(block, propagator.next_block(alone, seed), atol=1e-3)
    assert np.abs(blocks[0] - blocks[2]).max() > 0.1


@pytest.mark.parametrize("name", PEPTIDES)
def test_geometry_of_what_is_generated(name):
    """Peptide bonds vary but do not stretch, every C-alpha is L, and every bond to hydrogen has the start's length."""
    source, peptide = structure(name), Peptide.from_structure(structure(name))
    frames = bound(name).next_block(source.positions, 1)
    assert np.isfinite(frames).all()
    heavy = peptide.heavy
    ends = [(heavy[k, "C"], heavy[k + 1, "N"]) for k in range(len(peptide.residue_types) - 1)]
    c_n = np.linalg.norm(np.diff(frames[:, ends], axis=2)[:, :, 0], axis=-1)
    assert c_n.std() > 0.01 and np.abs(c_n - 1.335).max() < 0.2
    assert (center_volumes(torch.from_numpy(frames), name, "CA", ("N", "C", "CB"), skip=()) > 0.5).all()
    bonds = np.array(list(peptide.hydrogens.items()))
    lengths = np.linalg.norm(np.diff(frames[:, bonds], axis=2)[:, :, 0], axis=-1)
    expected = np.linalg.norm(np.diff(source.positions[bonds], axis=1)[:, 0], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(expected, lengths.shape), atol=1e-6)


def test_frames_lie_on_the_start():
    """The same centre of heavy atoms, and no rotation that would bring a frame closer."""
    start = structure("QGRE").positions + 50
    propagator = bound()
    heavy = propagator.atoms.heavy.numpy()
    frames = propagator.next_block(start, 1)[:, heavy]
    np.testing.assert_allclose(frames.mean(1), np.broadcast_to(start[heavy].mean(0), (5, 3)), atol=1e-6)
    for frame in frames:
        torque = np.cross(start[heavy] - start[heavy].mean(0), frame - frame.mean(0)).sum(0)
        np.testing.assert_allclose(torque, 0, atol=1e-6)


@pytest.mark.parametrize("name", ["ACE-A-NME", "PSWYP"])
def test_moving_the_start_moves_the_frames(name):
    start, (rotation, shift) = structure(name).positions, random_motion(3)
    propagator = bound(name)
    expected = propagator.next_block(start, 9) @ rotation + shift
    np.testing.assert_allclose(propagator.next_block(start @ rotation + shift, 9), expected, atol=1e-6)


def test_atoms_come_in_the_users_order():
    source = structure("NDKMF")
    order = np.random.default_rng(0).permutation(len(source.names))
    propagator = replace(simulate_task(), n_frames=5).bind(rearranged(source, order))
    expected = bound("NDKMF").next_block(source.positions, 2)[:, order]
    np.testing.assert_allclose(propagator.next_block(source.positions[order], 2), expected, atol=5e-3)


def test_reference_gives_the_geometry():
    source = structure("ACE-A-NME")
    propagator = simulate_task().bind(source, 10.0, reference=source.positions * 1.1)
    frames = propagator.next_block(source.positions, 1)
    peptide = Peptide.from_structure(source)
    atoms = [peptide.heavy[1, "CA"], peptide.heavy[1, "CB"]]
    expected = 1.1 * np.linalg.norm(np.diff(source.positions[atoms], axis=0))
    np.testing.assert_allclose(np.linalg.norm(frames[:, atoms[0]] - frames[:, atoms[1]], axis=-1), expected)


@pytest.mark.parametrize(("change", "value"), [("interval", 20.0), ("solver", SolverConfig(n_steps=3))])
def test_settings_matter(change, value):
    start = structure("QGRE").positions
    other = bound(interval=value) if change == "interval" else bound(solver=value)
    assert np.abs(other.next_block(start, 1) - bound().next_block(start, 1)).max() > 1e-3


@pytest.mark.parametrize("solver", ["midpoint", "heun", "dopri5"])
def test_every_solver_runs(solver):
    start = structure("ACE-A-NME").positions
    frames = bound("ACE-A-NME", solver=SolverConfig(solver=solver, n_steps=2)).next_block(start, 1)
    assert np.isfinite(frames).all()


def test_length_out_of_range():
    short = replace(simulate_task(), lengths=(2, 4))
    with pytest.raises(MDGenError, match=r"ITVLHC has 6 residues, outside model 'tiny'.s range 2 to 4; "):
        short.bind(structure("ITVLHC"))
    with pytest.raises(MDGenError, match=r"A has 1 residues, outside .* 2 to 4"):
        short.bind(structure("ACE-A-NME"))
    assert short.bind(structure("QGRE"))


@pytest.mark.parametrize("interval", [0.5, 101.0, 0.0, -10.0, float("nan")])
def test_interval_out_of_range(interval):
    with pytest.raises(MDGenError, match=rf"interval of {interval:g} ps is outside model 'tiny'.s range 1 to 100 ps"):
        simulate_task().bind(structure("QGRE"), interval)


@pytest.mark.parametrize("interval", [1.0, 100.0])
def test_ends_of_the_range(interval):
    assert simulate_task().bind(structure("QGRE"), interval).interval == interval


def test_bf16_stays_close(monkeypatch):
    """The lower precision changes frames by far less than they differ from each other."""
    start = structure("QGRE").positions
    exact = bound().next_block(start, 1)
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: True)
    assert simulate_task().precision == "bfloat16"
    rounded = bound().next_block(start, 1)
    difference = np.sqrt(np.square(rounded - exact).sum(-1).mean())
    assert 0 < difference < 0.2 * np.sqrt(np.square(exact - exact[::-1]).sum(-1).mean())


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "vendor", "fast"),
    [
        (True, True, "GenuineIntel", True),
        (False, True, "GenuineIntel", False),  # the instruction is there, at half of float32's speed
        (False, True, "AuthenticAMD", True),
        (False, False, "AuthenticAMD", False),
    ],
)
def test_where_bf16_is_fast(monkeypatch, amx, avx512_bf16, vendor, fast):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)
    monkeypatch.setattr(model, "_cpu_description", lambda: f"vendor_id : {vendor}")
    assert BF16_RULE(CPU) is fast
    assert not BF16_RULE(torch.device("mps"))


def test_what_a_task_says_of_itself():
    task = simulate_task()
    assert (task.name, task.temperature, task.device, task.precision) == ("tiny", 350.0, "cpu", "float32")
    assert len(task.content_hash) == 64


def test_lengths_and_angles_spread_with_the_root_of_the_temperature():
    values = torch.randn(2, 400, 3, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cold, hot = spread_as_at(values, 300.0), spread_as_at(values, 400.0)
    assert torch.equal(cold[..., :7], values[..., :7])
    torch.testing.assert_close(cold.mean(1), values.mean(1))
    ratio = hot[..., 7:].std(1) / cold[..., 7:].std(1)
    torch.testing.assert_close(ratio, torch.full_like(ratio, (400 / 300) ** 0.5))

"""Loop closure: runs that end where the chain goes on, whatever noise they were bent by."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openmm_mdgen.geometry.closure import C_N, CLOSED, SPREAD, _slopes, _variables, build_run, close_run
from openmm_mdgen.geometry.internal import ANGLES, CHI1, INTERNAL, PHI, PSI, TORSIONS
from openmm_mdgen.geometry.superpose import superposition
from tests.helpers.tiny import internal, moving, positions


def values(name: str = "ITVLHC", n_frames: int = 6, seed: int = 0) -> torch.Tensor:
    return internal(name).encode(torch.from_numpy(moving(name, n_frames, seed)))


def disturbed(original: torch.Tensor, before: int, after: int, amount: float, seed: int) -> torch.Tensor:
    """Torsions between two residues changed by noise, other coordinates by a tenth of what they may."""
    out, generator = original.clone(), torch.Generator().manual_seed(seed)
    rows, columns, _ = _variables(before, after)
    noise = torch.randn(len(out), len(rows), generator=generator, dtype=out.dtype)
    scale = [amount if c in (PSI, PHI) else 0.5 * SPREAD[c] for c in columns]
    out[:, rows, columns] += noise * torch.tensor(scale, dtype=out.dtype)
    return out


@pytest.mark.parametrize("name", ["ITVLHC", "PSWYP"])
def test_a_run_is_the_chain(name):
    """`build_run` gives the backbone of the decoded molecule, up to a motion."""
    coordinates, x = internal(name), values(name)
    built = coordinates.decode(x, coordinates.geometry(positions(name)))
    chain = built[:, coordinates.backbone]
    run = build_run(x, 1, 3)
    rotation, center, to = superposition(run, chain[:, 3:12])
    torch.testing.assert_close((run - center) @ rotation + to, chain[:, 3:12], atol=1e-6, rtol=0)
    assert torch.allclose(run[:, 1], torch.zeros(3, dtype=run.dtype)) and run[:, 0, 1:].abs().max() == 0


def test_slopes_are_derivatives():
    x, (before, after) = values(n_frames=1), (1, 4)
    rows, columns, atoms = _variables(before, after)
    torsions = torch.tensor([INTERNAL[c] in TORSIONS for c in columns])
    bends = torch.tensor([INTERNAL[c] in ANGLES for c in columns])
    slope = _slopes(build_run(x, before, after), atoms, torsions, bends)[0]
    step = 1e-6
    for k, (row, column) in enumerate(zip(rows, columns, strict=True)):
        up, down = x.clone(), x.clone()
        up[0, row, column] += step
        down[0, row, column] -= step
        difference = (build_run(up, before, after) - build_run(down, before, after))[0, -3:] / (2 * step)
        torch.testing.assert_close(slope[k], difference, atol=1e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(0, 2), (1, 3), (1, 4), (0, 4), (0, 5)]), st.floats(0.0, 0.3))
def test_closed_runs_hit_their_target(seed, ends, amount):
    """Where a run is said to be closed, it is, with bonds and angles as bonds and angles are; most are."""
    before, after = ends
    original = values(seed=seed % 7)
    target = build_run(original, before, after)[:, -3:]
    noisy = disturbed(original, before, after, amount, seed)
    fitted, miss = close_run(noisy, before, after, target)
    reached = (build_run(fitted, before, after)[:, -3:] - target).norm(dim=-1).amax(-1)
    torch.testing.assert_close(reached, miss, atol=1e-12, rtol=0)
    closed = miss < CLOSED
    assert closed.double().mean() >= (1.0 if amount < 0.1 else 0.5)
    assert ((fitted - noisy)[closed][..., C_N].abs() < 0.1).all()
    rows, columns, _ = _variables(before, after)
    touched = torch.zeros_like(original[0], dtype=torch.bool)
    touched[rows, columns] = True
    assert torch.equal(fitted[:, ~touched], noisy[:, ~touched])


def test_what_fits_is_left_alone():
    original = values()
    fitted, miss = close_run(original, 1, 4, build_run(original, 1, 4)[:, -3:])
    assert torch.equal(fitted, original) and (miss < 1e-12).all()


def test_frames_are_closed_by_themselves():
    original = values()
    target, noisy = build_run(original, 1, 4)[:, -3:], disturbed(original, 1, 4, 0.2, 1)
    together, _ = close_run(noisy, 1, 4, target)
    for k in range(len(original)):
        alone, _ = close_run(noisy[k : k + 1], 1, 4, target[k : k + 1])
        torch.testing.assert_close(alone[0], together[k], atol=1e-6, rtol=0)


def test_out_of_reach():
    """A target farther than the chain is long: said so, not hidden, and nothing explodes."""
    original = values()
    target = build_run(original, 1, 3)[:, -3:] + 30.0
    fitted, miss = close_run(original, 1, 3, target)
    assert (miss > 5).all() and fitted.isfinite().all()


def test_soft_coordinates_give_way_first():
    original = values("ITVLHC", 20)
    noisy = disturbed(original, 0, 5, 0.2, 3)
    fitted, miss = close_run(noisy, 0, 5, build_run(original, 0, 5)[:, -3:])
    change = (fitted - noisy)[miss < CLOSED].abs().mean((0, 1))
    assert change[PSI] > 3 * change[C_N] and change[CHI1] == 0 and change[PHI] < math.pi / 4

"""Solvers against equations with known solutions, and noise that depends on its seed alone."""

import math

import pytest
import torch

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.flow.interpolant import d_alpha_t, d_sigma_t
from openmm_mdgen.flow.sampler import SOLVERS, _dopri5, flow_times, integrate, noise

X_0 = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)


def growing(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """dx/dt = (1 + cos(3 t)) x, which multiplies x by exp(1 + sin(3) / 3) from 0 to 1."""
    return (1 + torch.cos(3 * t)).unsqueeze(-1) * x


EXACT = X_0 * math.exp(1 + math.sin(3) / 3)


def error(solver: str, n_steps: int, warp: float = 1.0) -> float:
    return float((integrate(growing, X_0, solver=solver, n_steps=n_steps, warp=warp) - EXACT).abs().max())


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
@pytest.mark.parametrize("warp", [1.0, 1.5])
def test_order_of_convergence(solver, order, warp):
    coarse, fine = error(solver, 64, warp), error(solver, 128, warp)
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)


def test_dopri5_meets_its_tolerance_and_uses_it():
    assert error("dopri5", 0) < 1e-4
    calls = {}
    for tolerance in (1e-3, 1e-9):
        seen = []

        def counted(x, t, seen=seen):
            seen.append(float(t[0]))
            return growing(x, t)

        found = integrate(counted, X_0, solver="dopri5", atol=tolerance, rtol=tolerance)
        assert float((found - EXACT).abs().max()) < 100 * tolerance
        calls[tolerance] = len(seen)
        assert min(seen) == 0 and max(seen) == pytest.approx(1)
    assert calls[1e-3] < calls[1e-9]


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_path_to_known_data_ends_there(solver):
    """With the exact velocity of a path to one point, every solver arrives at the point."""
    x_1 = torch.tensor([[2.0, 0.0], [-1.0, 4.0]], dtype=torch.float64)

    def velocity(x, t):
        return d_alpha_t(t).unsqueeze(-1) * x_1 + d_sigma_t(t).unsqueeze(-1) * X_0

    found = integrate(velocity, X_0, solver=solver, n_steps=400)
    torch.testing.assert_close(found, x_1, atol=2e-2, rtol=0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_velocity_no_motion(solver):
    assert torch.equal(integrate(lambda x, t: torch.zeros_like(x), X_0, solver=solver, n_steps=3), X_0)


@pytest.mark.parametrize("warp", [1.0, 2.0])
def test_flow_times(warp):
    times = flow_times(10, warp)
    assert (times[0], times[-1], len(times)) == (0, 1, 11) and (times.diff() > 0).all()
    assert float(times.diff()[-1]) == pytest.approx(0.1**warp)


def test_bad_solvers():
    with pytest.raises(MDGenError, match=r"solver 'rk9' is unknown; choose one of euler, midpoint, heun, dopri5"):
        integrate(growing, X_0, solver="rk9")
    for n_steps in (0, -3):
        with pytest.raises(MDGenError, match=rf"n_steps {n_steps} is below 1"):
            integrate(growing, X_0, n_steps=n_steps)


def test_dopri5_gives_up_on_what_it_cannot_solve():
    with pytest.raises(MDGenError, match="dopri5 did not reach t = 1 in 50 steps"):
        _dopri5(lambda x, t: x * float("nan"), X_0, 1e-6, 1e-6, max_steps=50)


def test_noise_depends_on_its_seed_alone():
    torch.manual_seed(0)
    batch = noise((3, 4, 5), [7, 8, 9])
    torch.manual_seed(1)
    torch.randn(10)
    state = torch.get_rng_state()
    assert torch.equal(noise((1, 4, 5), [8])[0], batch[1])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(noise((3, 4, 5), [9, 8, 7]).flip(0), batch)
    assert not torch.equal(batch[0], batch[1])


def test_noise_is_standard_normal():
    sample = noise((2, 50_000), [2**62, 0], dtype=torch.float64)
    assert sample.dtype == torch.float64
    assert float(sample.mean()) == pytest.approx(0, abs=0.01) and float(sample.std()) == pytest.approx(1, abs=0.01)


def test_one_seed_per_entry():
    with pytest.raises(ValueError, match="shorter"):
        noise((2, 3), [1])

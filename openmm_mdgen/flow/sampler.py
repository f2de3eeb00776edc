"""From noise to data along any velocity; knows no proteins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.flow.interpolant import alpha_t, sigma_t, velocity_to_data, velocity_to_noise

Velocity = Callable[[Tensor, Tensor], Tensor]
"""``velocity(x_t, t)`` with x_t (B, ...) and t (B,) gives d x_t / dt (B, ...)."""

SOLVERS = ("euler", "midpoint", "heun", "dopri5")

# Dormand & Prince (1980), the 5(4) pair
_C = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_A = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_B5 = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0)
_B4 = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)


def noise(shape: tuple[int, ...], seeds: list[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal noise (B, *shape[1:]), one generator per batch entry, on the CPU, so that all devices draw alike.

    Parameters
    ----------
    shape : tuple
        ``shape[0]`` must equal ``len(seeds)``.
    seeds : list of int
        One seed per entry: an entry does not depend on the batch that it is drawn in.
    """
    out = torch.empty(shape, dtype=dtype)
    for x, seed in zip(out, seeds, strict=True):
        x.normal_(generator=torch.Generator().manual_seed(seed))
    return out


def flow_times(n_steps: int, warp: float = 1.0) -> Tensor:
    """``n_steps + 1`` flow times from 0 to 1; ``warp`` > 1 puts more of them near the data."""
    return 1 - (1 - torch.linspace(0, 1, n_steps + 1, dtype=torch.float64)) ** warp


def integrate(
    velocity: Velocity,
    x_0: Tensor,
    *,
    solver: str = "euler",
    n_steps: int = 10,
    warp: float = 1.0,
    atol: float = 1e-6,
    rtol: float = 1e-6,
) -> Tensor:
    """Solve ``dx/dt = velocity(x, t)`` from t = 0 to 1.

    Parameters
    ----------
    velocity : callable
        ``velocity(x (B, ...), t (B,)) -> (B, ...)``.
    x_0 : Tensor (B, ...)
        Noise.
    solver : {'euler', 'midpoint', 'heun', 'dopri5'}
        The first three take ``n_steps`` fixed steps, dopri5 adapts to ``atol`` and ``rtol``.
    n_steps, warp
        Steps of the fixed solvers and where they lie, see `flow_times`.

    Raises
    ------
    MDGenError
        For an unknown solver or fewer than one step.
    """
    if solver not in SOLVERS:
        raise MDGenError(f"solver {solver!r} is unknown; choose one of {', '.join(SOLVERS)}")
    if solver == "dopri5":
        return _dopri5(velocity, x_0, atol, rtol)
    if n_steps < 1:
        raise MDGenError(f"n_steps {n_steps} is below 1; choose n_steps=10")
    step = {"euler": _euler_step, "midpoint": _midpoint_step, "heun": _heun_step}[solver]
    x, times = x_0, flow_times(n_steps, warp).tolist()
    for t, t_next in pairwise(times):
        x = step(velocity, x, t, t_next)
    return x


@dataclass(frozen=True)
class Projection:
    """A condition on the data, and how samples are led to it, see `integrate_projected`.

    Attributes
    ----------
    project : callable
        ``project(x_1 (B, ...)) -> (B, ...)``: data that satisfy the condition, near those given.
    renew : callable
        ``renew(x_0 (B, ...), k) -> (B, ...)``: the noise with what the condition touches drawn anew; k counts calls.
    n_steps : int
    repeats : int
        Times that a step is taken, the noise renewed in between.
    between : (float, float)
        Flow times of the steps that are repeated; before the first of them nothing is projected.
    """

    project: Callable[[Tensor], Tensor]
    renew: Callable[[Tensor, int], Tensor]
    n_steps: int = 20
    repeats: int = 3
    between: tuple[float, float] = (0.2, 0.9)


def integrate_projected(velocity: Velocity, x_0: Tensor, condition: Projection) -> Tensor:
    """From noise to data that satisfy a condition of which the velocity does not know.

    A step takes the estimates of noise and data that the velocity implies, projects the data, and mixes both for the
    next flow time. Repeating a step with fresh noise lets the estimate settle where condition and velocity agree
    (Lugmayr et al., RePaint, CVPR 2022), not at the point of the condition nearest to the first estimate.

    Parameters
    ----------
    velocity, x_0
        As for `integrate`.
    condition : Projection
    """
    x, count = x_0, 0
    first, last = condition.between
    for t, t_next in pairwise(flow_times(condition.n_steps).tolist()):
        now, then = (torch.full((), time, device=x.device) for time in (t, t_next))
        for left in reversed(range(condition.repeats if first <= t <= last else 1)):
            v = _at(velocity, x, t)
            x_1, noise_now = velocity_to_data(x, v, now), velocity_to_noise(x, v, now)
            x_1 = condition.project(x_1) if t >= first else x_1
            if left:
                noise_now, count = condition.renew(noise_now, count), count + 1
                x = alpha_t(now) * x_1 + sigma_t(now) * noise_now
        x = alpha_t(then) * x_1 + sigma_t(then) * noise_now
    return x


def _at(velocity: Velocity, x: Tensor, t: float) -> Tensor:
    return velocity(x, torch.full((x.shape[0],), t, dtype=x.dtype, device=x.device))


def _euler_step(velocity: Velocity, x: Tensor, t: float, t_next: float) -> Tensor:
    return x + (t_next - t) * _at(velocity, x, t)


def _midpoint_step(velocity: Velocity, x: Tensor, t: float, t_next: float) -> Tensor:
    h = t_next - t
    return x + h * _at(velocity, x + h / 2 * _at(velocity, x, t), t + h / 2)


def _heun_step(velocity: Velocity, x: Tensor, t: float, t_next: float) -> Tensor:
    h, v = t_next - t, _at(velocity, x, t)
    return x + h / 2 * (v + _at(velocity, x + h * v, t_next))


def _dopri5(velocity: Velocity, x: Tensor, atol: float, rtol: float, max_steps: int = 10_000) -> Tensor:
    t, h = 0.0, 0.05
    k_first = _at(velocity, x, t)
    for _ in range(max_steps):
        h = min(h, 1.0 - t)
        k = [k_first]
        for c, row in zip(_C[1:], _A[1:], strict=True):
            k.append(_at(velocity, x + h * _combine(row, k), t + c * h))
        x_new = x + h * _combine(_B5, k)
        error = h * (_combine(_B5, k) - _combine(_B4, k))
        scale = atol + rtol * torch.maximum(x.abs(), x_new.abs())
        ratio = float((error / scale).square().mean().sqrt())
        if ratio <= 1:
            t, x, k_first = t + h, x_new, k[-1]
            if t >= 1.0 - 1e-12:
                return x
        h *= min(10.0, max(0.2, 0.9 * max(ratio, 1e-10) ** -0.2))
    raise MDGenError(f"dopri5 did not reach t = 1 in {max_steps} steps; raise atol/rtol or choose solver='euler'")


def _combine(weights: tuple[float, ...], k: list[Tensor]) -> Tensor:
    total = torch.zeros_like(k[0])
    for w, x in zip(weights, k, strict=False):
        if w:
            total = total + w * x
    return total

"""The stochastic interpolant between noise and data; knows no proteins.

The path is trigonometric: ``x_t = alpha_t x_1 + sigma_t x_0`` with ``alpha_t = sin(pi t / 2)`` and
``sigma_t = cos(pi t / 2)`` (Jing et al., NeurIPS 2024; Albergo, Boffi & Vanden-Eijnden 2023), so that x_t keeps unit
variance when x_0 and x_1 have it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PathSample:
    """A point on the path and the velocity that a network is trained to predict there."""

    x_t: Tensor
    velocity: Tensor


def alpha_t(t: Tensor) -> Tensor:
    """Weight of the data at flow time t."""
    return torch.sin(t * math.pi / 2)


def sigma_t(t: Tensor) -> Tensor:
    """Weight of the noise at flow time t."""
    return torch.cos(t * math.pi / 2)


def d_alpha_t(t: Tensor) -> Tensor:
    """Derivative of the weight of the data."""
    return torch.cos(t * math.pi / 2) * (math.pi / 2)


def d_sigma_t(t: Tensor) -> Tensor:
    """Derivative of the weight of the noise."""
    return -torch.sin(t * math.pi / 2) * (math.pi / 2)


def _expand(t: Tensor, like: Tensor) -> Tensor:
    return t.reshape(t.shape + (1,) * (like.ndim - t.ndim))


def sample_path(x_0: Tensor, x_1: Tensor, t: Tensor) -> PathSample:
    """The point at flow time t between noise and data, and the velocity there.

    Parameters
    ----------
    x_0, x_1 : Tensor (B, ...)
        Noise and data.
    t : Tensor (B,)
        Flow time, 0 at noise, 1 at data.

    Returns
    -------
    PathSample
        ``x_t`` and ``velocity`` = d x_t / dt, both (B, ...).
    """
    t = _expand(t, x_1)
    return PathSample(alpha_t(t) * x_1 + sigma_t(t) * x_0, d_alpha_t(t) * x_1 + d_sigma_t(t) * x_0)


def velocity_to_data(x_t: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
    """The estimate of x_1 that a velocity implies: ``sin(pi t / 2) x_t + (2 / pi) cos(pi t / 2) velocity``."""
    t = _expand(t, x_t)
    return alpha_t(t) * x_t + sigma_t(t) * velocity * (2 / math.pi)


def velocity_to_noise(x_t: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
    """The estimate of x_0 that a velocity implies: ``cos(pi t / 2) x_t - (2 / pi) sin(pi t / 2) velocity``."""
    t = _expand(t, x_t)
    return sigma_t(t) * x_t - alpha_t(t) * velocity * (2 / math.pi)

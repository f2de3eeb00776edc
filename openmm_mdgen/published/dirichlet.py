"""Velocity on the simplex of residue types along the Dirichlet path of published design (Stärk et al., ICML 2024)."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import beta, betainc
from torch import Tensor

_SPACING = 1e-3  # of alpha, in the finite difference of the published code
_GRID = np.linspace(0, 1, 1000)


def simplex_velocity(x_t: Tensor, logits: Tensor, t: float, alpha_max: float, temperature: float = 1.0) -> Tensor:
    """Velocity of points on the simplex towards the corners, weighted by the predicted probabilities.

    Parameters
    ----------
    x_t : Tensor (..., K)
        Points on the simplex.
    logits : Tensor (..., K)
        Of the corner (residue type) that each point ends in.
    t : float
        Flow time; the concentration grows from 1 to `alpha_max`.
    alpha_max : float
        Concentration at t = 1.
    temperature : float, optional
        Divides the logits.

    Returns
    -------
    Tensor (..., K)
        Sums to 0 where `x_t` sums to 1.
    """
    probability = (logits / temperature).softmax(-1)
    factor = torch.from_numpy(_corner_speed(x_t.double().cpu().numpy(), 1 + t * (alpha_max - 1))).to(x_t)
    towards = probability * factor
    return (alpha_max - 1) * (towards - x_t * towards.sum(-1, keepdim=True))


def _corner_speed(x: np.ndarray, alpha: float) -> np.ndarray:
    """Speed of each coordinate towards its corner per unit of alpha; 0 at the edge, where it has no finite value."""
    others = x.shape[-1] - 1
    nearest = 1 + round((alpha - 1) / _SPACING) * _SPACING
    slope = (betainc(nearest + _SPACING, others, _GRID) - betainc(nearest, others, _GRID)) / _SPACING
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.where(x < 1, beta(alpha, others) / (1 - x) ** others, 0.0)
        power = x ** (alpha - 1)
        density = np.where(power > 0, below / power, 0.0)
    out: np.ndarray = -np.interp(x, _GRID, slope) * density
    return out

"""Superposition and turns, of numpy arrays and torch tensors.

One convention: points are rows, and a rotation R turns them as ``points @ R``. Turning by R and then by S is ``R @ S``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from openmm_mdgen.geometry.arrays import Array, library


def centroid(points: Array, weights: Array | None = None) -> Array:
    """Mean (..., 1, 3) of points (..., n, 3), by weights (n,)."""
    mean = points.mean(-2) if weights is None else (points * (weights / weights.sum())[:, None]).sum(-2)
    out: Array = mean[..., None, :]
    return out


def superposition(mobile: Array, target: Array, weights: Array | None = None) -> tuple[Array, Array, Array]:
    """Least-squares rotation of mobile onto target (Kabsch 1976).

    Parameters
    ----------
    mobile, target : (..., n, 3)
    weights : (n,), optional
        1 for all by default.

    Returns
    -------
    rotation (..., 3, 3), mobile centre (..., 1, 3), target centre (..., 1, 3)
        ``(mobile - centre) @ rotation + target centre`` lies on target; the rotation never mirrors, and a single point
        is not turned.
    """
    xp = library(mobile)
    m, t = centroid(mobile, weights), centroid(target, weights)
    pulled = mobile - m if weights is None else (mobile - m) * weights[:, None]
    covariance = pulled.swapaxes(-1, -2) @ (target - t)
    if mobile.shape[-2] == 1:
        covariance = covariance * 0
    u, _, vh = xp.linalg.svd(covariance)
    proper = xp.sign(xp.linalg.det(u @ vh))
    kept = xp.ones_like(proper)
    return (u * xp.stack((kept, kept, proper), -1)[..., None, :]) @ vh, m, t


def superpose(mobile: Array, target: Array, moved: Array | None = None, weights: Array | None = None) -> Array:
    """``moved`` (default: mobile) carried along as mobile (..., n, 3) is laid on target (..., n, 3)."""
    rotation, m, t = superposition(mobile, target, weights)
    out: Array = ((mobile if moved is None else moved) - m) @ rotation + t
    return out


def slerp(first: Array, last: Array, fraction: Array) -> Array:
    """Rotations along the shortest turn from one to another, at constant angular velocity.

    Parameters
    ----------
    first, last : (..., 3, 3)
    fraction : (...)
        0 at `first`, 1 at `last`; broadcast with the leading axes of both.

    Returns
    -------
    (..., 3, 3)
    """
    turn: Any = first.swapaxes(-1, -2) @ last
    vectors = Rotation.from_matrix(np.asarray(turn).reshape(-1, 3, 3)).as_rotvec().reshape(*turn.shape[:-2], 3)
    scaled = vectors * np.asarray(fraction)[..., None]
    partial = Rotation.from_rotvec(scaled.reshape(-1, 3)).as_matrix().reshape(*scaled.shape[:-1], 3, 3)
    out: Array = first @ (partial if isinstance(first, np.ndarray) else library(first).from_numpy(partial))
    return out

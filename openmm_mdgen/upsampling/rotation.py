"""Superposition and rigid motion of many molecules at once: numpy, Å, knows no proteins."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def centroids(positions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(..., n, 3) Å, (n,) weights -> (..., 3) Å."""
    return np.einsum("...ni,n->...i", positions, weights / weights.sum())


def superposition(mobile: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rotations that bring centred positions closest to centred targets (Kabsch 1976).

    Parameters
    ----------
    mobile, target
        (..., n, 3) Å, centred with the same weights.
    weights
        (n,).

    Returns
    -------
    numpy.ndarray
        (..., 3, 3) proper rotations R with ``mobile @ R.T`` nearest to `target`.
    """
    if mobile.shape[-2] == 1:
        return np.broadcast_to(np.eye(3), (*mobile.shape[:-2], 3, 3)).copy()
    covariance = np.einsum("...ni,...nj,n->...ij", target, mobile, weights)
    left, _, right = np.linalg.svd(covariance)
    flip = np.sign(np.linalg.det(left @ right))
    left[..., :, 2] *= np.where(flip == 0, 1.0, flip)[..., None]
    return left @ right


def rotate(rotations: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotations of (..., n, 3) positions."""
    return positions @ np.swapaxes(rotations, -1, -2)


def interpolate_rotations(first: np.ndarray, last: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Rotations along the shortest turn from `first` to `last` at constant angular velocity (slerp).

    Parameters
    ----------
    first, last
        (G, 3, 3).
    fractions
        (F,) from 0 at `first` to 1 at `last`.

    Returns
    -------
    numpy.ndarray
        (G, F, 3, 3).
    """
    turn = Rotation.from_matrix(last @ np.swapaxes(first, -1, -2)).as_rotvec()
    partial = (turn[:, None] * fractions[:, None]).reshape(-1, 3)
    steps = Rotation.from_rotvec(partial).as_matrix().reshape(len(first), len(fractions), 3, 3)
    return steps @ first[:, None]

"""Unit cells of DCD files: six numbers per frame, in one of three conventions."""

from __future__ import annotations

import numpy as np


def cells_to_boxes(cells: np.ndarray) -> np.ndarray:
    """Box vectors of unit cells in any of the three conventions met in DCD files.

    A, gamma, B, beta, alpha, C with cosines (NAMD, OpenMM) or degrees (old NAMD, X-PLOR), or the lower triangle of a
    symmetric shape matrix (CHARMM 22 and later). Linear interpolation of the six numbers is right in each of them.

    Parameters
    ----------
    cells
        (F, 6).

    Returns
    -------
    numpy.ndarray
        (F, 3, 3) box vectors as rows, in Å; zero where there is no box.
    """
    cells = np.asarray(cells, dtype=np.float64)
    angles = cells[:, [4, 3, 1]]
    is_cosine = (np.abs(angles) <= 1).all(1)
    is_shape = ~is_cosine & ((cells < 0).any(1) | (angles > 180).any(1))
    cosines = np.where(is_cosine[:, None], angles, np.cos(np.radians(angles)))
    boxes = _lengths_to_boxes(cells[:, [0, 2, 5]], cosines)
    symmetric = cells[:, [[0, 1, 3], [1, 2, 4], [3, 4, 5]]]
    boxes = np.where(is_shape[:, None, None], symmetric, boxes)
    is_box = np.isfinite(boxes).all((1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(boxes))) > 1e-6)
    return np.where(is_box[:, None, None], boxes, 0.0)


def _lengths_to_boxes(lengths: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """(F, 3) lengths, (F, 3) cosines of alpha, beta, gamma -> (F, 3, 3), a along x and b in the xy plane."""
    alpha, beta, gamma = cosines.T
    with np.errstate(invalid="ignore", divide="ignore"):
        sine = np.sqrt(1 - gamma**2)
        across = (alpha - beta * gamma) / sine
        up = np.sqrt(1 - beta**2 - across**2)
    zero = np.zeros_like(alpha)
    directions = np.stack(
        [np.stack([zero + 1, zero, zero], -1), np.stack([gamma, sine, zero], -1), np.stack([beta, across, up], -1)], 1
    )
    out: np.ndarray = lengths[..., None] * directions
    return out

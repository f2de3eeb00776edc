"""Time-lagged independent components of torsions, fitted to the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.extras import require

_KINETIC_VARIANCE = 0.95


def features(angles: np.ndarray) -> np.ndarray:
    """Sines then cosines, (..., K) -> (..., 2K)."""
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


@dataclass(frozen=True)
class Tica:
    """A fitted projection; `timescales` in ps, slowest first; `dim` components hold 95 % of the kinetic variance."""

    model: Any
    timescales: np.ndarray
    dim: int

    def project(self, units: Sequence[np.ndarray], dim: int | None = None) -> list[np.ndarray]:
        """Angles (T, K) of every unit to components (T, D), `self.dim` by default; in chunks to bound memory."""
        return [self._project(u, self.dim if dim is None else dim) for u in units]

    def _project(self, unit: np.ndarray, dim: int) -> np.ndarray:
        chunks = np.array_split(unit, max(1, len(unit) // 50_000))
        return np.concatenate([self.model.transform(features(c))[:, :dim].astype(np.float32) for c in chunks])


def fit_tica(units: Sequence[np.ndarray], lag: int, dt: float) -> Tica:
    """Fit TICA with kinetic-map scaling on sines and cosines of all torsions.

    Parameters
    ----------
    units : sequence of (T, K) ndarray
        Replicas of the reference, radians.
    lag : int
        Frames.
    dt : float
        ps between frames.

    Raises
    ------
    MDGenError
        When no replica is longer than the lag, or no torsion moves.
    """
    decomposition = require("deeptime.decomposition")
    longest = max(len(u) for u in units)
    if longest <= lag + 1:
        raise MDGenError(
            f"{longest} frames of {dt:g} ps are too few for a TICA lag of {lag * dt:g} ps; "
            f"at least {lag + 2} are needed"
        )
    if units[0].shape[1] == 0 or max(np.ptp(features(u), axis=0).max() for u in units) < 1e-6:
        raise MDGenError("no torsion of the reference moves, so there are no slow components; give a longer reference")
    estimator = decomposition.TICA(lagtime=lag, scaling="kinetic_map")
    for unit in units:
        for start in range(0, len(unit) - lag, 50_000):
            x = features(unit[start : start + 50_000 + lag]).astype(float)
            if len(x) > lag:
                estimator.partial_fit((x[:-lag], x[lag:]))
    model = estimator.fetch_model()
    variance = np.cumsum(np.asarray(model.singular_values) ** 2)
    dim = int(np.searchsorted(variance, _KINETIC_VARIANCE * variance[-1]) + 1)
    return Tica(model, np.asarray(model.timescales(lagtime=lag)) * dt, max(dim, min(2, len(variance))))

"""A reference with what is fitted to it, and the torsions of any trajectories, seen by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.dynamics import autocorrelation, linear_autocorrelation, relaxation_times
from openmm_mdgen.evaluation.markov import StateModel, fit_states
from openmm_mdgen.evaluation.tica import Tica, fit_tica
from openmm_mdgen.evaluation.torsions import Torsion

_MAX_LAG = 20_000


@dataclass(frozen=True)
class Motion:
    """Torsions of some trajectories, and what is computed of them for the scores and the report.

    Attributes
    ----------
    angles : list of (T, K) ndarray
        Radians, per trajectory.
    dt : float
        ps between frames.
    curves : (L, K) ndarray
        Normalised autocorrelation of every torsion, from lag 0.
    relaxation : (K,) ndarray
        Relaxation time of every torsion, ps.
    slow : list of (T, D) ndarray
        The reference's slow components.
    tica_0_time : float
        Relaxation time of the slowest component, ps.
    assigned : list of (T,) int ndarray
        Metastable state of the reference, of every frame.
    """

    angles: list[np.ndarray]
    dt: float
    curves: np.ndarray
    relaxation: np.ndarray
    slow: list[np.ndarray]
    tica_0_time: float
    assigned: list[np.ndarray]

    @property
    def n_frames(self) -> int:
        return sum(len(a) for a in self.angles)


@dataclass(frozen=True)
class Baseline:
    """A reference with what is fitted to it once: slow components and states.

    Attributes
    ----------
    own : Motion
        The reference's.
    torsions : tuple of Torsion
    lag : float
        ps, of the slow components and the states.
    tica : Tica
    states : StateModel
    """

    own: Motion
    torsions: tuple[Torsion, ...]
    lag: float
    tica: Tica
    states: StateModel

    @property
    def backbone(self) -> np.ndarray:
        return np.array([t.backbone for t in self.torsions], bool)

    def motion(self, angles: list[np.ndarray], dt: float) -> Motion:
        """Other trajectories of the same molecule, (T, K) radians each, `dt` ps between frames."""
        return _motion(angles, dt, self.tica.project(angles), self.states)

    def assign(self, angles: list[np.ndarray]) -> list[np.ndarray]:
        """State of every frame alone, (T,) int per trajectory."""
        return self.states.assign(self.tica.project(angles))


def fit_baseline(
    angles: list[np.ndarray],
    torsions: tuple[Torsion, ...],
    dt: float,
    lag: float,
    n_clusters: int = 100,
    n_states: int = 10,
    seed: int = 0,
) -> Baseline:
    """Fit slow components and states to a reference.

    Parameters
    ----------
    angles : list of (T, K) ndarray
        Radians, per replica.
    torsions : tuple of Torsion, length K
    dt, lag : float
        ps.
    n_clusters, n_states, seed : int
        As in `fit_states`.

    Raises
    ------
    MDGenError
        When there are no torsions, or too few frames for the lag.

    Examples
    --------
    >>> baseline = fit_baseline(md, topology.torsions, dt=10.0, lag=100.0)
    >>> score(baseline, baseline.motion(generated, 10.0)).relaxation_r
    """
    if not torsions:
        raise MDGenError("the molecule has 0 phi, psi and chi angles; give at least two residues, or caps")
    frames = lag_frames(lag, dt)
    require_frames(angles, frames, dt, "reference")
    tica = fit_tica(angles, frames, dt)
    slow = tica.project(angles)
    states = fit_states(slow, frames, dt, n_clusters, n_states, seed)
    return Baseline(_motion(angles, dt, slow, states), torsions, lag, tica, states)


def _motion(angles: list[np.ndarray], dt: float, slow: list[np.ndarray], states: StateModel) -> Motion:
    reach = longest_lag(angles)
    curves = autocorrelation(angles, reach)
    slowest = linear_autocorrelation([components[:, :1] for components in slow], reach)
    return Motion(
        angles=angles,
        dt=dt,
        curves=curves,
        relaxation=relaxation_times(curves, dt),
        slow=slow,
        tica_0_time=float(relaxation_times(slowest, dt)[0]),
        assigned=states.assign(slow),
    )


def lag_frames(lag: float, dt: float) -> int:
    """A lag in ps as a whole number of frames, at least one."""
    return max(1, round(lag / dt))


def longest_lag(units: Sequence[np.ndarray]) -> int:
    """The longest lag in frames that autocorrelation is computed for."""
    return min(max(len(u) for u in units) - 1, _MAX_LAG)


def require_frames(angles: Sequence[np.ndarray], lag: int, dt: float, side: str) -> None:
    """Raise unless a trajectory is longer than the lag."""
    longest = max(len(a) for a in angles)
    if longest < lag + 2:
        raise MDGenError(
            f"{longest} frames of {dt:g} ps are too few for a lag of {lag * dt:g} ps; the {side} needs at least "
            f"{lag + 2} frames in one trajectory, or choose a shorter lag"
        )

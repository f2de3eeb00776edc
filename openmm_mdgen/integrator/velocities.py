"""Velocities for frames that have none: Maxwell-Boltzmann, a pure function of seed, block and frame."""

import numpy as np
import openmm as mm
from openmm import unit

from openmm_mdgen.integrator.checks import particle_masses

_R = unit.MOLAR_GAS_CONSTANT_R.value_in_unit(unit.kilojoule_per_mole / unit.kelvin)


class VelocitySource:
    """Draws velocities for one System.

    Centre-of-mass momentum is removed where the System holds a CMMotionRemover: its degrees of freedom are then counted
    without those three, and a temperature reported from the velocities is the one they were drawn at.

    Parameters
    ----------
    system : openmm.System
        Supplies masses; massless particles get velocity zero.
    """

    def __init__(self, system: mm.System) -> None:
        self._masses = particle_masses(system)[:, None]
        self._inverse_root = np.divide(
            1.0, np.sqrt(self._masses), where=self._masses > 0, out=np.zeros_like(self._masses)
        )
        self._moving = (self._masses > 0).astype(np.float64)
        self._at_rest = any(isinstance(force, mm.CMMotionRemover) for force in system.getForces())

    def draw(self, temperature: float, key: tuple[int, ...]) -> np.ndarray:
        """Velocities before constraints.

        Parameters
        ----------
        temperature : float
            In K.
        key : tuple of int
            Seeds the draw; the same key gives the same velocities.

        Returns
        -------
        numpy.ndarray
            (N, 3) nm/ps.
        """
        noise = np.random.default_rng(key).standard_normal((len(self._masses), 3))
        velocities: np.ndarray = noise * self._inverse_root * np.sqrt(_R * temperature)
        if self._at_rest:
            velocities -= self._moving * (self._masses * velocities).sum(axis=0) / self._masses.sum()
        return velocities

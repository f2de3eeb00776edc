"""OpenMM's platforms of single precision, imitated: Reference, whose every stored number is rounded to float32.

On CUDA, OpenCL and HIP in their default precision, positions, velocities, parameters and an integrator's variables are
float32; time and the number of steps are not. Checkpoints there hold the rounded numbers, as they do here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openmm as mm
from openmm import app

from openmm_mdgen.integrator import GenerativeIntegrator

_Context = mm.Context


def rounded(values: Any) -> np.ndarray:
    """float64 of what float32 holds, in nm and nm/ps."""
    plain = values.value_in_unit_system(mm.unit.md_unit_system) if hasattr(values, "value_in_unit_system") else values
    return np.asarray(plain, dtype=np.float32).astype(np.float64)


class SingleContext(_Context):
    """A Context whose positions, velocities and parameters are float32."""

    def setPositions(self, positions: Any) -> None:
        super().setPositions(rounded(positions))

    def setVelocities(self, velocities: Any) -> None:
        super().setVelocities(rounded(velocities))

    def setParameter(self, name: str, value: Any) -> None:
        super().setParameter(name, float(rounded(value)))

    def applyConstraints(self, tolerance: float) -> None:
        super().applyConstraints(tolerance)
        self.round()

    def setVelocitiesToTemperature(self, *arguments: Any) -> None:
        super().setVelocitiesToTemperature(*arguments)
        self.round()

    def createCheckpoint(self) -> bytes:
        self.round()
        return super().createCheckpoint()

    def getState(self, *arguments: Any, **options: Any) -> mm.State:
        self.round()
        return super().getState(*arguments, **options)

    def round(self) -> None:
        """What the integrator moved and drew."""
        state = super().getState(positions=True, velocities=True)
        super().setPositions(rounded(state.getPositions(asNumpy=True)))
        super().setVelocities(rounded(state.getVelocities(asNumpy=True)))


class SingleIntegrator(GenerativeIntegrator):
    """The integrator with variables of float32."""

    def getPerDofVariableByName(self, name: str) -> np.ndarray:
        return rounded(super().getPerDofVariableByName(name))

    def setPerDofVariableByName(self, name: str, values: Any) -> None:
        super().setPerDofVariableByName(name, rounded(values))

    def getGlobalVariable(self, index: int) -> float:
        return float(np.float32(super().getGlobalVariable(index)))

    def setGlobalVariable(self, index: int, value: float) -> None:
        super().setGlobalVariable(index, float(np.float32(value)))


def single_simulation(topology: app.Topology, system: mm.System, positions: Any, **settings: Any) -> app.Simulation:
    """A Simulation on the imitated platform; settings are the integrator's."""
    integrator = SingleIntegrator(topology, **settings)
    platform, context = mm.Platform.getPlatformByName("Reference"), mm.Context
    mm.Context = SingleContext
    try:
        simulation = app.Simulation(topology, system, integrator, platform)
    finally:
        mm.Context = context
    simulation.context.setPositions(positions)
    return simulation

"""Real dynamics after every frame: steps of Langevin dynamics in the user's own Context."""

from __future__ import annotations

from typing import Any

import numpy as np
import openmm as mm
from openmm import _openmm, unit

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator.placing import read_positions

_R = unit.MOLAR_GAS_CONSTANT_R.value_in_unit(unit.kilojoule_per_mole / unit.kelvin)
_FRICTION = 1.0  # 1/ps, where none was given
_LONGEST_STEP, _LONGEST_FREE_STEP = 0.002, 0.001  # ps, with and without constraints
_SEED_WORD = 7  # tells noise of steps from velocities, which have the frame's key alone


class Thermaliser:
    """Adds a Langevin step (BAOAB with constraints, as ``LangevinMiddleIntegrator``) to an integrator's program.

    All forces of the System act, with the parameters of the moment. Noise is set from outside as a function of the
    frame, so that a resumed run repeats it; where the frame ended is kept in a variable, which tells positions that the
    script moved from those that the dynamics did.

    Parameters
    ----------
    integrator : openmm.CustomIntegrator
        Gets variables and program; must not be bound to a Context yet.
    steps : int
        After every frame.

    Raises
    ------
    MDGenError
        For a number of steps below 1.
    """

    def __init__(self, integrator: mm.CustomIntegrator, steps: int) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise MDGenError(f"thermalise {steps!r} must be a whole number of 1 or more steps; 0 leaves it out")
        self.steps = steps
        for name in ("step", "decay", "thermal_energy"):
            integrator.addGlobalVariable(f"thermalise_{name}", 0.0)
        for name in ("noise", "before", "end"):
            integrator.addPerDofVariable(f"thermalise_{name}", 0.0)
        half = "x + 0.5*thermalise_step*v"
        integrator.addComputePerDof("v", "v + thermalise_step*f/m")
        integrator.addConstrainVelocities()
        integrator.addComputePerDof("x", half)
        integrator.addComputePerDof(
            "v", "thermalise_decay*v + sqrt((1 - thermalise_decay^2)*thermalise_thermal_energy/m)*thermalise_noise"
        )
        integrator.addComputePerDof("x", half)
        integrator.addComputePerDof("thermalise_before", "x")
        integrator.addConstrainPositions()
        integrator.addComputePerDof("v", "v + (x - thermalise_before)/thermalise_step")

    def run(
        self,
        integrator: mm.CustomIntegrator,
        context: mm.Context,
        *,
        longest_step: float,
        temperature: float,
        friction: float,
        key: tuple[int, ...],
    ) -> None:
        """Run the Context from its positions and velocities; its time and step count stay.

        Parameters
        ----------
        longest_step : float
            ps; 2 fs at most are taken, 1 fs in a System without constraints.
        temperature, friction : float
            K and 1/ps.
        key : tuple of int
            Seeds the noise.

        Raises
        ------
        MDGenError
            When the frame blows up.
        """
        system = context.getSystem()
        step = min(longest_step, _LONGEST_STEP if system.getNumConstraints() else _LONGEST_FREE_STEP)
        for name, value in {
            "step": step,
            "decay": np.exp(-(friction or _FRICTION) * step),
            "thermal_energy": _R * temperature,
        }.items():
            integrator.setGlobalVariableByName(f"thermalise_{name}", float(value))
        noise = np.random.default_rng((*key, _SEED_WORD))
        time, count = _openmm.Context_getTime(context), _openmm.Context_getStepCount(context)
        integrator.setGlobalVariableByName("driven_by_python", 1.0)
        try:
            for _ in range(self.steps):
                drawn = noise.standard_normal((system.getNumParticles(), 3))
                integrator.setPerDofVariableByName("thermalise_noise", drawn)
                mm.CustomIntegrator.step(integrator, 1)
            integrator.setPerDofVariableByName("thermalise_end", read_positions(context))
        except (mm.OpenMMException, MDGenError) as error:
            raise MDGenError(
                f"the frame at {time:g} ps blew up within {self.steps} steps of dynamics ({_first_line(error)}); "
                "minimise its start, or give fewer steps as thermalise="
            ) from error
        finally:
            integrator.setGlobalVariableByName("driven_by_python", 0.0)
            _openmm.Context_setTime(context, time)
            _openmm.Context_setStepCount(context, count)

    def end(self, integrator: mm.CustomIntegrator) -> np.ndarray:
        """(N, 3) nm where the last frame ended; zeros where a reinitialised Context forgot."""
        return np.array(integrator.getPerDofVariableByName("thermalise_end"), dtype=np.float64)


def thermaliser_of(integrator: mm.CustomIntegrator, steps: Any) -> Thermaliser | None:
    """None where no steps are wanted (0 or None)."""
    return None if steps is None or (steps == 0 and not isinstance(steps, bool)) else Thermaliser(integrator, steps)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].split(";")[0]

"""What is run: a System, an integrator and a platform, as text that survives pickling and restarts."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import openmm as mm
from openmm import unit

from openmm_mdgen.errors import MDGenError

_KELVIN = 0.5
_HEAVY_HYDROGEN = 2.0  # amu
_LIGHTEST_HEAVY, _HEAVIEST_HYDROGEN = 2.5, 5.0  # amu: a methyl carbon whose hydrogens got 4 amu each keeps 3
_TRIED = 20  # evaluations of the forces
_ON_CPU = ("CPU", "Reference")


@dataclass(frozen=True)
class Plan:
    """Everything that the result of a run depends on, but for its start.

    Attributes
    ----------
    system, integrator : str
        OpenMM XML.
    platform : str
    temperature : float
        Kelvin, of the first velocities.
    step_ps : float
    interval_steps : int
        Steps between frames.
    n_frames : int
        Frames that are kept.
    n_settling : int
        Frames left out first.
    max_iterations : int
        Of the minimisation.
    seed : int
    solute : int
        Atoms that are kept of every frame: the first so many.
    restrained_ps : float
        Equilibration with the solute's heavy atoms held, for solvent that was just put there.
    """

    system: str
    integrator: str
    platform: str
    temperature: float
    step_ps: float
    interval_steps: int
    n_frames: int
    n_settling: int
    max_iterations: int
    seed: int
    solute: int
    restrained_ps: float = 0.0

    @property
    def interval(self) -> float:
        """Picoseconds between frames."""
        return self.step_ps * self.interval_steps

    @property
    def run_ps(self) -> float:
        """Picoseconds of dynamics of one run."""
        return self.interval * (self.n_frames + self.n_settling) + self.restrained_ps

    def fingerprint(self, starts: np.ndarray) -> str:
        """Hash of the plan and the starts (S, N, 3)."""
        text = json.dumps(asdict(self), sort_keys=True).encode()
        return hashlib.sha256(text + np.ascontiguousarray(starts, np.float64).tobytes()).hexdigest()


def check_system(system: mm.System, elements: list[str]) -> None:
    """Raise where the System is not one of these atoms.

    Raises
    ------
    MDGenError
        When the number of particles differs, or a heavy particle stands where an atom is a hydrogen.
    """
    n_particles = system.getNumParticles()
    if n_particles != len(elements):
        raise MDGenError(
            f"the System has {n_particles} particles, the trajectory {len(elements)} atoms; give the System of these "
            "atoms, or select the atoms of the System"
        )
    for index, element in enumerate(elements):
        mass = system.getParticleMass(index).value_in_unit(unit.dalton)
        if mass > 0 and (mass > _HEAVIEST_HYDROGEN if element == "H" else mass < _LIGHTEST_HEAVY):
            raise MDGenError(
                f"particle {index} of the System has {mass:.1f} amu where the trajectory has {element}; give both in "
                "one order of atoms"
            )


def make_integrator(system: mm.System, temperature: float | None) -> mm.Integrator:
    """Langevin dynamics at a temperature, with the step that the System's constraints and masses allow.

    Raises
    ------
    MDGenError
        When no temperature was given.
    """
    if temperature is None:
        raise MDGenError("no temperature was given with the System; give temperature=300 (--temperature 300)")
    masses = [system.getParticleMass(k).value_in_unit(unit.dalton) for k in range(system.getNumParticles())]
    step = (
        0.001 if not system.getNumConstraints() else 0.004 if min(m for m in masses if m) > _HEAVY_HYDROGEN else 0.002
    )
    return mm.LangevinMiddleIntegrator(temperature, 1.0, step)


def integrator_temperature(integrator: mm.Integrator, system: mm.System, temperature: float | None) -> float:
    """Kelvin of an integrator or of the System's thermostat.

    Raises
    ------
    MDGenError
        When another temperature was asked for, or there is none at all.
    """
    own = None
    if hasattr(integrator, "getTemperature"):
        own = integrator.getTemperature().value_in_unit(unit.kelvin)
    for force in system.getForces():
        if isinstance(force, mm.AndersenThermostat):
            own = force.getDefaultTemperature().value_in_unit(unit.kelvin)
    if own is not None and temperature is not None and abs(own - temperature) > _KELVIN:
        raise MDGenError(
            f"temperature {temperature:g} K was asked for, the integrator keeps {own:g} K; give one, or both alike"
        )
    if own is None and temperature is None:
        raise MDGenError(
            f"{type(integrator).__name__} has no temperature; give temperature=300 (--temperature 300), or a Langevin "
            "integrator"
        )
    return float(own if own is not None else temperature)  # type: ignore[arg-type]


def platform_names() -> list[str]:
    """Platforms of this OpenMM."""
    return [mm.Platform.getPlatform(k).getName() for k in range(mm.Platform.getNumPlatforms())]


def choose_platform(system: str, integrator: str, positions: np.ndarray, name: str | None) -> str:
    """The platform that was named, or the one that takes the least time for the forces of this System.

    Raises
    ------
    MDGenError
        When OpenMM has no such platform, or none runs the System.
    """
    known = platform_names()
    if name is not None:
        if name not in known:
            raise MDGenError(f"OpenMM platform {name!r} is not present; choose one of {', '.join(known)}")
        return name
    times = {k: t for k in known if (t := _seconds(system, integrator, positions, k)) is not None}
    if not times:
        raise MDGenError(f"none of the platforms {', '.join(known)} can run the System; try it in an OpenMM script")
    return min(times, key=lambda k: times[k])


def _seconds(system: str, integrator: str, positions: np.ndarray, platform: str) -> float | None:
    clock = time.process_time if platform in _ON_CPU else time.perf_counter  # whatever else the processor does
    try:
        context = make_context(system, integrator, platform)
        context.setPositions(positions / 10)
        context.getState(forces=True)
        start = clock()
        for _ in range(_TRIED):  # forces alone: steps from a start that is not yet minimised may blow up
            context.getState(forces=True)
    except mm.OpenMMException:  # no device, or a force that the platform does not know
        return None
    return clock() - start


def make_context(system: str, integrator: str, platform: str, seed: int | None = None) -> mm.Context:
    """A Context of its own, on one thread of a CPU; the integrator and random forces are seeded."""
    its_system, its_integrator = mm.XmlSerializer.deserialize(system), mm.XmlSerializer.deserialize(integrator)
    if seed is not None:
        for thing in (its_integrator, *its_system.getForces()):
            if hasattr(thing, "setRandomNumberSeed"):
                thing.setRandomNumberSeed(seed)
    properties = {"Threads": "1"} if platform == "CPU" else {}
    return mm.Context(its_system, its_integrator, mm.Platform.getPlatformByName(platform), properties)


def default_workers(platform: str) -> int:
    """Processes: one a core, one for a GPU."""
    if platform not in _ON_CPU:
        return 1
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1

"""What a System, Topology, temperature and interval must satisfy before frames are generated for them."""

import math
import secrets
import warnings
from collections.abc import Collection, Iterator

import numpy as np
import openmm as mm
from openmm import app, unit

from openmm_mdgen.convert.times import is_number
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.integrator.forces import check_forces, warn_of_idle_forces
from openmm_mdgen.tasks.ranges import is_within

_LONG_STEP = 0.5  # ps; no integrator takes such steps, so that a bare number of this size was meant in fs
_SAME_KELVIN = 0.5
_MASS_TOLERANCE = 0.5  # amu per heavy atom with its hydrogens; force fields round masses to 0.01


def check_system(system: mm.System, topology: app.Topology) -> None:
    """Raise when the System's particles are not the Topology's atoms.

    Hydrogens may have been made heavier at the expense of the atom that they are bonded to, and massless (frozen)
    atoms are not compared.
    """
    check_forces(system)
    atoms, particles = topology.getNumAtoms(), system.getNumParticles()
    if atoms != particles:
        raise MDGenError(
            f"the System has {particles} particles and the Topology {atoms} atoms; "
            "give GenerativeIntegrator the topology that createSystem was called with"
        )
    masses = particle_masses(system)
    for heavy, group in _heavy_groups(topology):
        expected = sum(atom.element.mass.value_in_unit(unit.dalton) for atom in group)
        found = masses[[atom.index for atom in group]]
        if np.all(found > 0) and abs(found.sum() - expected) > _MASS_TOLERANCE:
            raise MDGenError(
                f"atom {heavy.index} ({heavy.name} of {heavy.residue.name}{heavy.residue.id}) weighs {found.sum():.2f} "
                f"amu with its hydrogens in the System and {expected:.2f} in the Topology; give GenerativeIntegrator "
                "the topology that createSystem was called with"
            )


def warn_of_system(
    system: mm.System, topology: app.Topology, warned: Collection[str] = (), thermalise: int = 0
) -> set[str]:
    """Warn of what a System has and generated frames do not heed: a box, massless atoms, biases and restraints.

    Frames that run for a number of steps after they are made feel biases and restraints for that long.

    Returns
    -------
    set of str
        What there is of it; what is in `warned` is not warned again.
    """
    found = set()
    if system.usesPeriodicBoundaryConditions():
        found.add("box")
        _warn_unless(
            "box" in warned,
            "the System is periodic, and generated frames know no box: energies are the System's own for each frame, "
            "with its images; use nonbondedMethod=NoCutoff and an implicit solvent for those of the model's ensemble",
        )
    frozen = frozen_atoms(system)
    if frozen.any():
        found.add("frozen")
        _warn_unless(
            "frozen" in warned,
            f"{frozen.sum()} of {len(frozen)} atoms are massless and stay where they are, and the model moves the "
            "others as if all moved: bonds between them stretch; give masses back for frames of the model's ensemble",
        )
    return found | warn_of_idle_forces(system, topology, warned, thermalise)


def _warn_unless(warned: bool, message: str) -> None:
    if not warned:
        warnings.warn(message, MDGenWarning, stacklevel=3)


def _heavy_groups(topology: app.Topology) -> Iterator[tuple[app.topology.Atom, list[app.topology.Atom]]]:
    """Each heavy atom with the hydrogens bonded to it, itself included; atoms without an element are left out."""
    groups = {atom.index: [atom] for atom in topology.atoms() if atom.element not in (None, app.element.hydrogen)}
    for pair in topology.bonds():
        for heavy, light in (pair, pair[::-1]):
            if heavy.index in groups and light.element is app.element.hydrogen:
                groups[heavy.index].append(light)
    for group in groups.values():
        yield group[0], group


def particle_masses(system: mm.System) -> np.ndarray:
    """(N,) amu."""
    return np.array([system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles())])


def frozen_atoms(system: mm.System) -> np.ndarray:
    """(N,) whether an atom is massless and no virtual site."""
    real = np.array([not system.isVirtualSite(i) for i in range(system.getNumParticles())], dtype=bool)
    out: np.ndarray = (particle_masses(system) == 0) & real
    return out


def check_temperature(temperature: float, of_model: tuple[float, float] | None, strict: bool) -> None:
    """Warn, or raise when strict, about a temperature (K) outside the range that the model was trained in."""
    if not temperature > 0:
        raise MDGenError(
            f"temperature {temperature:g} K is not above zero; give one in kelvin, as temperature=350*kelvin"
        )
    if of_model is None or of_model[0] - _SAME_KELVIN < temperature < of_model[1] + _SAME_KELVIN:
        return
    low, high = of_model
    nearest = min(max(temperature, low), high)
    fault = f"not the model's {low:g} K" if low == high else f"outside the model's {low:g} to {high:g} K"
    message = (
        f"temperature {temperature:g} K is {fault}: frames are of the model's ensemble at {nearest:g} K, velocities "
        f"are drawn at {temperature:g} K; use temperature={nearest:g}*kelvin for one ensemble"
    )
    if strict:
        raise MDGenError(message)
    warnings.warn(message, MDGenWarning, stacklevel=3)


def check_interval(interval: float, of_model: tuple[float, float] | None) -> None:
    """Raise when the frame interval (ps) is outside the model's range."""
    if of_model is not None and not is_within(interval, of_model):
        raise MDGenError(
            f"frameInterval {interval:g} ps is outside the model's range, {of_model[0]:g} to {of_model[1]:g} ps; "
            f"choose one inside it, as frameInterval={min(max(interval, of_model[0]), of_model[1]):g}*picoseconds"
        )


def checked_seed(seed: int | None) -> int:
    """The seed, or one drawn at random for None."""
    if seed is None:
        return secrets.randbits(31)
    if not 0 <= seed < 2**63:
        raise MDGenError(f"seed {seed} is outside 0 to 2**63 - 1; choose one inside")
    return int(seed)


def steps_per_frame(interval: float, step_size: float, stated: object = None) -> int:
    """How many steps of `step_size` ps make one frame interval (ps); `stated` is how the step size was written."""
    for name, value in (("frameInterval", interval), ("stepSize", step_size)):
        if not value > 0 or not np.isfinite(value):
            raise MDGenError(
                f"{name} {value:g} ps is not above zero; the defaults are frameInterval 10 ps and stepSize 4 fs"
            )
    ratio = interval / step_size
    count = max(1, round(ratio))
    long = is_number(stated) and step_size >= _LONG_STEP
    if abs(ratio - count) > 1e-6 * count:
        fault = f"frameInterval {interval:g} ps is not a multiple of stepSize {step_size * 1000:g} fs"
        if long and _divides(step_size / 1000, interval):
            raise MDGenError(f"{fault}: a number without a unit is in ps; use stepSize={step_size:g}*femtoseconds")
        raise MDGenError(
            f"{fault}; use stepSize={_nearest_step(interval, step_size) * 1000:.10g}*femtoseconds or "
            f"frameInterval={count * step_size:.10g}*picoseconds"
        )
    if long and count > 1:
        warnings.warn(
            f"stepSize={step_size:g} is {step_size:g} ps, as a number without a unit is in ps; write "
            f"stepSize={step_size:g}*femtoseconds if that was meant, or {step_size:g}*picoseconds",
            MDGenWarning,
            stacklevel=3,
        )
    return count


def _divides(step_size: float, interval: float) -> bool:
    ratio = interval / step_size
    return abs(ratio - round(ratio)) <= 1e-6 * ratio


def _nearest_step(interval: float, step_size: float) -> float:
    """The step size (ps) nearest to one given that divides the interval."""
    ratio = interval / step_size
    counts = {max(1, math.floor(ratio)), math.ceil(ratio)}
    return min((interval / count for count in counts), key=lambda fitting: abs(fitting - step_size))

"""A short OpenMM minimisation of one frame after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import openmm as mm

from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.peptide.canonical import canonical_structure
from openmm_mdgen.peptide.structure import Structure

_PULL_GROUP = 31
_TOLERANCE = 10.0  # kJ/mol/nm
_FORCE = "0.5 * k * ((x - x_0)^2 + (y - y_0)^2 + (z - z_0)^2)"


class Minimizer:
    """Minimises positions for a few steps, each frame on its own; can be pickled.

    Parameters
    ----------
    system : openmm.System
        Its constraints are kept.
    max_iterations : int
        At most so many steps of L-BFGS.
    restraint : float
        kJ/mol/Å² that pulls every atom towards where it was.
    platform : str
        The Reference platform gives the same bits whatever came before, and is the fastest for small peptides.
    order : ndarray (N,), optional
        Which of the positions' atoms each particle is, where they are not listed alike.

    Raises
    ------
    MDGenError
        If OpenMM has no such platform.

    Examples
    --------
    >>> minimizer = Minimizer(build_system(topology))
    >>> relaxed = minimizer.minimized(positions)  # (N, 3) Å
    """

    def __init__(
        self,
        system: mm.System,
        max_iterations: int = 50,
        restraint: float = 10.0,
        platform: str = "Reference",
        order: np.ndarray | None = None,
    ) -> None:
        known = [mm.Platform.getPlatform(index).getName() for index in range(mm.Platform.getNumPlatforms())]
        if platform not in known:
            raise MDGenError(f"OpenMM platform {platform!r} is not present; choose one of {', '.join(known)}")
        if max_iterations < 1:
            raise MDGenError(f"max_iterations {max_iterations} is below 1; 50 is a short minimisation")
        self.n_atoms = system.getNumParticles()
        self.max_iterations, self.restraint, self.platform = max_iterations, restraint, platform
        self._order = np.arange(self.n_atoms) if order is None else np.asarray(order)
        self._system = mm.XmlSerializer.serialize(system)
        self._context: mm.Context | None = None
        self._pull: mm.CustomExternalForce | None = None

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_context": None, "_pull": None}

    def minimized(self, positions: np.ndarray) -> np.ndarray:
        """(N, 3) Å -> (N, 3) Å, float64.

        Raises
        ------
        MDGenError
            If positions are NaN or infinite.
        """
        context = self._ready()
        nanometers = np.asarray(positions, dtype=np.float64)[self._order] / 10
        if not np.isfinite(nanometers).all():
            raise MDGenError("a frame with NaN or infinite positions cannot be relaxed; leave it out")
        self._pull_towards(nanometers)
        context.setPositions(nanometers)
        mm.LocalEnergyMinimizer.minimize(context, _TOLERANCE, self.max_iterations)
        relaxed = np.empty_like(nanometers)
        relaxed[self._order] = context.getState(getPositions=True).getPositions(asNumpy=True)._value * 10
        return relaxed

    def energy(self, positions: np.ndarray) -> float:
        """Potential energy in kJ/mol of (N, 3) Å, without the restraint."""
        context = self._ready()
        context.setPositions(np.asarray(positions, dtype=np.float64)[self._order] / 10)
        out: float = context.getState(getEnergy=True, groups=set(range(_PULL_GROUP))).getPotentialEnergy()._value
        return out

    def _ready(self) -> mm.Context:
        if self._context is None:
            system = mm.XmlSerializer.deserialize(self._system)
            self._pull = _restraint(self.n_atoms, self.restraint * 100)
            system.addForce(self._pull)
            platform = mm.Platform.getPlatformByName(self.platform)
            self._context = mm.Context(system, mm.VerletIntegrator(0.001), platform)
        return self._context

    def _pull_towards(self, nanometers: np.ndarray) -> None:
        assert self._pull is not None and self._context is not None
        if self.restraint:
            for atom, place in enumerate(nanometers.tolist()):
                self._pull.setParticleParameters(atom, atom, place)
            self._pull.updateParametersInContext(self._context)


def structure_minimizer(structure: Structure, **settings: Any) -> Minimizer:
    """A `Minimizer` of one peptide's positions, in ff14SB with OBC2, in whatever order its atoms are listed.

    Particles are in canonical order: rounding, which steps of the minimiser magnify, is then the same for every file.

    Raises
    ------
    MDGenError
        If the structure is no complete peptide with hydrogens.
    """
    order, _ = canonical_structure(structure)
    return Minimizer(build_system(structure_to_topology(structure.take(order))), order=order, **settings)


def _restraint(n_atoms: int, stiffness: float) -> mm.CustomExternalForce:
    force = mm.CustomExternalForce(_FORCE)
    force.addGlobalParameter("k", stiffness)
    for name in ("x_0", "y_0", "z_0"):
        force.addPerParticleParameter(name)
    for atom in range(n_atoms):
        force.addParticle(atom, (0.0, 0.0, 0.0))
    force.setForceGroup(_PULL_GROUP)
    return force

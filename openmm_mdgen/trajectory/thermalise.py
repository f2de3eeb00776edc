"""A few steps of real dynamics after every frame, so that forces, energies and restraints of a System are felt."""

from __future__ import annotations

import numpy as np
import openmm as mm
from MDAnalysis import AtomGroup
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.transformations.base import TransformationBase
from openmm import unit

from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.tasks.hydrogens import ROOM
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.tasks.protocols import ModelInfo

_FRICTION, _STEP = 1.0, 0.002  # 1/ps, ps
_LARGEST_SEED = 2**31 - 1


class Thermalise(TransformationBase):  # type: ignore[misc]  # comes without types
    """Runs every frame for a number of steps of Langevin dynamics; velocities and noise are the frame's own.

    What comes out is a function of the frame, its number and the seed: reading frames in another order, or again, gives
    the same bits. The generated trajectory goes on from the frames as they were.

    Parameters
    ----------
    atoms
        What to run, hydrogens included; other atoms of the trajectory stay where they are and are not felt.
    steps
        Of 2 fs.
    system
        OpenMM System of these atoms, in their order; default: ff14SB with OBC2, for one complete peptide.
    temperature
        K.
    seed
        Of velocities and noise.
    platform
        OpenMM platform; Reference gives the same bits every time.

    Raises
    ------
    MDGenError
        If there are no steps, or the atoms are neither a complete peptide nor those of the system.

    Examples
    --------
    >>> universe.trajectory.add_transformations(Thermalise(universe.atoms, steps=100, temperature=350.0))
    """

    def __init__(
        self,
        atoms: AtomGroup,
        steps: int,
        system: mm.System | None = None,
        *,
        temperature: float = 300.0,
        seed: int = 0,
        platform: str = "Reference",
        max_threads: int | None = None,
        parallelizable: bool = True,
    ) -> None:
        super().__init__(max_threads=max_threads, parallelizable=parallelizable)
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise MDGenError(f"thermalise {steps!r} must be a whole number of 1 or more steps; 0 leaves it out")
        if not temperature > 0:
            raise MDGenError(f"temperature {temperature} K must be above 0")
        if system is None:
            system = build_system(structure_to_topology(atomgroup_to_structure(atoms)))
        if system.getNumParticles() != atoms.n_atoms:
            raise MDGenError(
                f"the System has {system.getNumParticles()} particles, the selection {atoms.n_atoms} atoms; give the "
                "System of these atoms, in their order"
            )
        self.steps, self.temperature, self.seed, self.platform = steps, temperature, seed, platform
        self._indices = atoms.indices.copy()
        self._system = mm.XmlSerializer.serialize(system)
        self._context: mm.Context | None = None

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_context": None}

    def _transform(self, ts: Timestep) -> Timestep:
        ts.positions[self._indices] = self.thermalised(ts.positions[self._indices], ts.frame)
        return ts

    def thermalised(self, positions: np.ndarray, frame: int) -> np.ndarray:
        """Positions (N, 3) Å of the chosen atoms in a frame -> where they are after the steps.

        Raises
        ------
        MDGenError
            If the frame blows up.
        """
        context = self._ready()
        seed = 1 + int(np.random.default_rng((self.seed, frame)).integers(_LARGEST_SEED - 1))
        context.getIntegrator().setRandomNumberSeed(seed)
        context.reinitialize()
        context.setPositions(positions.astype(np.float64) / 10)
        context.applyConstraints(1e-6)
        context.setVelocitiesToTemperature(self.temperature, seed)
        try:
            context.getIntegrator().step(self.steps)
            state = context.getState(positions=True)
        except mm.OpenMMException as error:
            raise MDGenError(
                f"frame {frame} blew up within {self.steps} steps ({str(error).splitlines()[0]}); relax it first, "
                "or take fewer steps"
            ) from error
        out: np.ndarray = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        if not np.isfinite(out).all():
            raise MDGenError(f"frame {frame} blew up within {self.steps} steps; relax it first, or take fewer steps")
        return out

    def _ready(self) -> mm.Context:
        if self._context is None:
            integrator = mm.LangevinMiddleIntegrator(self.temperature, _FRICTION, _STEP)
            platform = mm.Platform.getPlatformByName(self.platform)
            self._context = mm.Context(mm.XmlSerializer.deserialize(self._system), integrator, platform)
        return self._context


def thermalise_replica(
    atoms: AtomGroup, steps: int, temperature: float | None, info: ModelInfo, seed: int, replica: int
) -> Thermalise:
    """What runs the frames of one generated trajectory: at the model's temperature where none is given, and with noise
    of the replica's own."""
    kelvin = temperature or info.temperature or ROOM
    return Thermalise(atoms, steps, temperature=kelvin, seed=block_seed(seed, 0, replica))

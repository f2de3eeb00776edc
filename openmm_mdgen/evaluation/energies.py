"""OpenMM energies of frames: non-bonded (with implicit solvent) and torsional."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import MDAnalysis as mda
import numpy as np
import openmm
from openmm import app, unit

from openmm_mdgen.convert.openmm import residue_order, structure_to_topology
from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.chain import is_hydrogen
from openmm_mdgen.peptide.matching import match_atoms
from openmm_mdgen.peptide.structure import Structure

FORCE_FIELD = ("amber14-all.xml", "implicit/obc2.xml")
_NONBONDED, _TORSIONAL = 1, 2


@dataclass(frozen=True)
class Energies:
    """kJ/mol of F frames, (F,) each."""

    nonbonded: np.ndarray
    torsional: np.ndarray


def energies(atoms: Sequence[mda.AtomGroup], n_frames: int = 100, start: int = 0) -> Energies:
    """Energies of evenly spaced frames of all-atom trajectories of one molecule.

    Raises
    ------
    MDGenError
        When hydrogens are missing, or the force field does not know the molecule.
    """
    structures = [atomgroup_to_structure(group) for group in atoms]
    context, order = _context(structures[0])
    places = [_places(structures[0], structure)[order] for structure in structures]
    frames = [(g, p, t) for g, p in zip(atoms, places, strict=True) for t in range(start, len(g.universe.trajectory))]
    values = []
    for group, place, frame in frames[:: max(1, len(frames) // n_frames)][:n_frames]:
        group.universe.trajectory[frame]
        context.setPositions(group.positions[place].astype(float) / 10)
        values.append([_energy(context, g) for g in (_NONBONDED, _TORSIONAL)])
    nonbonded, torsional = np.array(values).T
    return Energies(nonbonded, torsional)


def _energy(context: openmm.Context, group: int) -> float:
    state = context.getState(getEnergy=True, groups={group})
    return float(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))


def _places(first: Structure, other: Structure) -> np.ndarray:
    """(N,) the other's atoms in the first one's order."""
    return match_atoms(first, other, "a trajectory", "give trajectories of one molecule")


def _context(structure: Structure) -> tuple[openmm.Context, np.ndarray]:
    """A Context of the molecule whose force groups part non-bonded and torsional terms, and the atoms' order in it."""
    if not is_hydrogen(structure).any():
        raise MDGenError("0 hydrogens in the trajectory, so no energies; write all atoms to have them")
    field, order = app.ForceField(*FORCE_FIELD), residue_order(structure)
    try:
        system = field.createSystem(structure_to_topology(structure.take(order)), nonbondedMethod=app.NoCutoff)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise MDGenError(f"{FORCE_FIELD[0]} does not know the molecule ({reason}); energies need all atoms") from error
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce | openmm.GBSAOBCForce | openmm.CustomGBForce):
            force.setForceGroup(_NONBONDED)
        elif isinstance(force, openmm.PeriodicTorsionForce | openmm.CMAPTorsionForce):
            force.setForceGroup(_TORSIONAL)
    platform = openmm.Platform.getPlatformByName("Reference")
    return openmm.Context(system, openmm.VerletIntegrator(0.001), platform), order

"""OpenMM energies of frames: non-bonded (with implicit solvent) and torsional."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import MDAnalysis as mda
import numpy as np
import openmm
from openmm import app, unit

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.topology import is_hydrogen

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
    context = _context(atoms[0])
    frames = [(g, t) for g in atoms for t in range(start, len(g.universe.trajectory))]
    values = []
    for group, frame in frames[:: max(1, len(frames) // n_frames)][:n_frames]:
        group.universe.trajectory[frame]
        context.setPositions(group.positions.astype(float) / 10)
        values.append([_energy(context, g) for g in (_NONBONDED, _TORSIONAL)])
    nonbonded, torsional = np.array(values).T
    return Energies(nonbonded, torsional)


def _energy(context: openmm.Context, group: int) -> float:
    state = context.getState(getEnergy=True, groups={group})
    return float(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))


def _context(atoms: mda.AtomGroup) -> openmm.Context:
    """A Context of the molecule whose force groups part non-bonded and torsional terms."""
    if not any(is_hydrogen(a) for a in atoms):
        raise MDGenError("0 hydrogens in the trajectory, so no energies; write all atoms to have them")
    field = app.ForceField(*FORCE_FIELD)
    try:
        system = field.createSystem(_openmm_topology(atoms), nonbondedMethod=app.NoCutoff)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise MDGenError(
            f"{FORCE_FIELD[0]} does not know the molecule ({reason}); energies need Amber names"
        ) from error
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce | openmm.GBSAOBCForce | openmm.CustomGBForce):
            force.setForceGroup(_NONBONDED)
        elif isinstance(force, openmm.PeriodicTorsionForce | openmm.CMAPTorsionForce):
            force.setForceGroup(_TORSIONAL)
    platform = openmm.Platform.getPlatformByName("Reference")
    return openmm.Context(system, openmm.VerletIntegrator(0.001), platform)


def _openmm_topology(atoms: mda.AtomGroup) -> app.Topology:
    """Topology with standard bonds, by way of PDB text."""
    text = mda.lib.util.NamedStream(io.StringIO(), "molecule.pdb")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mda.coordinates.PDB.PDBWriter(text, bonds=None) as writer:
            writer.write(atoms)
    return app.PDBFile(io.StringIO(text.stream.getvalue())).topology

"""OpenMM energies of frames, term by term: bonds, angles, torsions, non-bonded (with implicit solvent)."""

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
from openmm_mdgen.forcefield.build import with_native_obc
from openmm_mdgen.peptide.chain import is_hydrogen
from openmm_mdgen.peptide.matching import match_atoms
from openmm_mdgen.peptide.structure import Structure

FORCE_FIELD = ("amber14-all.xml", "implicit/obc2.xml")
ENERGY_NAMES = {
    "total": "potential energy",
    "nonbonded": "non-bonded energy",
    "torsional": "torsional energy",
    "angles": "energy of angles",
    "bonds": "energy of bonds",
}
"""Terms and how a report calls them."""
_GROUPS = {"bonds": 3, "angles": 4, "torsional": 2, "nonbonded": 1}
_PERCENTILES = (1, 99)


@dataclass(frozen=True)
class Energies:
    """kJ/mol of F frames, (F,) each; impropers are torsional."""

    nonbonded: np.ndarray
    torsional: np.ndarray
    bonds: np.ndarray
    angles: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """All terms."""
        total: np.ndarray = self.nonbonded + self.torsional + self.bonds + self.angles
        return total

    def terms(self) -> dict[str, np.ndarray]:
        """All of them and their total, by the names of `ENERGY_NAMES`."""
        return {
            "total": self.total,
            "nonbonded": self.nonbonded,
            "torsional": self.torsional,
            "angles": self.angles,
            "bonds": self.bonds,
        }


@dataclass(frozen=True)
class Overlap:
    """How much of a generated energy distribution lies in MD's, for one term.

    Attributes
    ----------
    inside : float
        Share of generated frames between MD's 1st and 99th percentile; 0.98 for MD itself.
    above : float
        Share above the 99th percentile.
    shift : float
        kJ/mol, difference of medians.
    spread : float
        Ratio of interquartile ranges.
    """

    inside: float
    above: float
    shift: float
    spread: float


def overlaps(reference: Energies, generated: Energies) -> dict[str, Overlap]:
    """Overlap of every term, by its name in `ENERGY_NAMES`."""
    of_generated = generated.terms()
    return {term: _overlap(values, of_generated[term]) for term, values in reference.terms().items()}


def _overlap(reference: np.ndarray, generated: np.ndarray) -> Overlap:
    low, high = np.percentile(reference, _PERCENTILES)
    quartiles = [np.subtract(*np.percentile(x, (75, 25))) for x in (generated, reference)]
    return Overlap(
        inside=float(((generated >= low) & (generated <= high)).mean()),
        above=float((generated > high).mean()),
        shift=float(np.median(generated) - np.median(reference)),
        spread=float(quartiles[0] / quartiles[1]) if quartiles[1] else float("nan"),
    )


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
        values.append([_energy(context, number) for number in _GROUPS.values()])
    return Energies(**dict(zip(_GROUPS, np.array(values).T, strict=True)))


def _energy(context: openmm.Context, group: int) -> float:
    state = context.getState(getEnergy=True, groups={group})
    return float(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))


def _places(first: Structure, other: Structure) -> np.ndarray:
    """(N,) the other's atoms in the first one's order."""
    return match_atoms(first, other, "a trajectory", "give trajectories of one molecule")


def _context(structure: Structure) -> tuple[openmm.Context, np.ndarray]:
    """A Context of the molecule whose force groups part the terms, and the atoms' order in it."""
    if not is_hydrogen(structure).any():
        raise MDGenError("0 hydrogens in the trajectory, so no energies; write all atoms to have them")
    field, order = app.ForceField(*FORCE_FIELD), residue_order(structure)
    try:
        system = field.createSystem(structure_to_topology(structure.take(order)), nonbondedMethod=app.NoCutoff)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise MDGenError(f"{FORCE_FIELD[0]} does not know the molecule ({reason}); energies need all atoms") from error
    system = with_native_obc(system)
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce | openmm.GBSAOBCForce | openmm.CustomGBForce):
            force.setForceGroup(_GROUPS["nonbonded"])
        elif isinstance(force, openmm.PeriodicTorsionForce | openmm.CMAPTorsionForce):
            force.setForceGroup(_GROUPS["torsional"])
        elif isinstance(force, openmm.HarmonicBondForce):
            force.setForceGroup(_GROUPS["bonds"])
        elif isinstance(force, openmm.HarmonicAngleForce):
            force.setForceGroup(_GROUPS["angles"])
    platform = openmm.Platform.getPlatformByName("Reference")
    return openmm.Context(system, openmm.VerletIntegrator(0.001), platform), order

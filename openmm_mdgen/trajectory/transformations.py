"""Transformations for MDAnalysis trajectories that know residues and force fields; all can be pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import openmm as mm
import torch
from MDAnalysis import AtomGroup
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.transformations.base import TransformationBase

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.minimizer import Minimizer, structure_minimizer
from openmm_mdgen.geometry.hydrogens import HydrogenPlacer
from openmm_mdgen.geometry.internal import INTERNAL, InternalCoordinates
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.peptide.naming import BACKBONE
from openmm_mdgen.peptide.peptide import Peptide


class PlaceHydrogens(TransformationBase):  # type: ignore[misc]  # comes without types
    """Puts every hydrogen where it stood in a reference, relative to the heavy atoms of the frame.

    For trajectories whose hydrogens are missing (NaN, zeros), frozen or distorted. Placed hydrogens do not vibrate, and
    hydroxyl, methyl and ammonium groups keep the reference's torsion.

    Parameters
    ----------
    atoms
        One complete peptide, hydrogens included.
    reference
        (N, 3) Å of these atoms; default: their positions now.

    Raises
    ------
    MDGenError
        If the atoms are no complete peptide or have no hydrogens.

    Examples
    --------
    >>> universe.trajectory.add_transformations(PlaceHydrogens(universe.atoms))
    """

    def __init__(
        self,
        atoms: AtomGroup,
        reference: np.ndarray | None = None,
        *,
        max_threads: int | None = None,
        parallelizable: bool = True,
    ) -> None:
        super().__init__(max_threads=max_threads, parallelizable=parallelizable)
        peptide, reference = _peptide(atoms, reference)
        if not peptide.hydrogens:
            raise MDGenError("the selection has 0 hydrogens; add them to the topology first, for example with Modeller")
        self._indices = atoms.indices.copy()
        rank = {atom: place for place, atom in enumerate(peptide.heavy.values())}
        self._placer = HydrogenPlacer(peptide.hydrogens, _internal(peptide).bonds, reference, rank)

    def _transform(self, ts: Timestep) -> Timestep:
        hydrogens = self._placer.place(ts.positions[self._indices])
        ts.positions[self._indices[self._placer.atoms]] = hydrogens
        return ts


class RegenerateSidechains(TransformationBase):  # type: ignore[misc]  # comes without types
    """Builds side chains anew on the backbone of each frame: torsions of the frame, bonds and angles of a reference.

    For frames that were interpolated, averaged or coarse: their side chains shrink, bend and collide. The backbone
    stays as it is.

    Parameters
    ----------
    atoms
        One complete peptide.
    reference
        (N, 3) Å of these atoms, with good bonds and angles; default: their positions now.
    chi
        Degrees of side-chain torsions that shall not be the frame's own: ``{(2, 1): -60.0}`` sets chi1 of the third
        residue, caps counted.

    Raises
    ------
    MDGenError
        If the atoms are no complete peptide, or a residue has no such torsion.

    Examples
    --------
    >>> universe.trajectory.add_transformations(RegenerateSidechains(universe.atoms))
    """

    def __init__(
        self,
        atoms: AtomGroup,
        reference: np.ndarray | None = None,
        chi: Mapping[tuple[int, int], float] | None = None,
        *,
        max_threads: int | None = None,
        parallelizable: bool = True,
    ) -> None:
        super().__init__(max_threads=max_threads, parallelizable=parallelizable)
        peptide, reference = _peptide(atoms, reference)
        self._indices = atoms.indices.copy()
        self._internal = _internal(peptide)
        self._reference = torch.from_numpy(reference)
        self._chi = {_chi_slot(peptide, self._internal, slot): np.deg2rad(value) for slot, value in (chi or {}).items()}
        backbone = {atom for (_, name), atom in peptide.heavy.items() if name in (*BACKBONE, "OXT", "CH3")}
        backbone |= {atom for atom, parent in peptide.hydrogens.items() if parent in backbone}
        self._rebuilt = np.array(sorted(set(range(peptide.n_atoms)) - backbone), dtype=int)

    def _transform(self, ts: Timestep) -> Timestep:
        frame = torch.from_numpy(ts.positions[self._indices].astype(np.float64))
        values = self._internal.encode(frame)
        for slot, value in self._chi.items():
            values[slot] = value
        built = self._internal.decode(values[None], self._internal.geometry(self._reference))[0]
        backbone = self._internal.backbone
        built = superpose(built[backbone], frame[backbone], built)
        ts.positions[self._indices[self._rebuilt]] = built[self._rebuilt].numpy()
        return ts


class Relax(TransformationBase):  # type: ignore[misc]  # comes without types
    """Minimises every frame for a few steps, to take out clashes and strain.

    Energies of relaxed frames lie below those of the ensemble, bonds and angles lose their thermal spread, and torsions
    move a little: use it before energies or forces are computed, not before distributions are.

    Parameters
    ----------
    atoms
        What to relax, hydrogens included; other atoms of the trajectory stay where they are and are not felt.
    system
        OpenMM System of these atoms, in their order; default: ff14SB with OBC2, for one complete peptide.
    max_iterations
        Steps of the minimiser.
    restraint
        kJ/mol/Å² that pulls every atom towards where it was.
    platform
        OpenMM platform.

    Raises
    ------
    MDGenError
        If the atoms are no complete peptide and no system is given, or the system is of other atoms.

    Examples
    --------
    >>> universe.trajectory.add_transformations(Relax(universe.atoms))
    """

    def __init__(
        self,
        atoms: AtomGroup,
        system: mm.System | None = None,
        *,
        max_iterations: int = 50,
        restraint: float = 10.0,
        platform: str = "Reference",
        max_threads: int | None = None,
        parallelizable: bool = True,
    ) -> None:
        super().__init__(max_threads=max_threads, parallelizable=parallelizable)
        if system is not None and system.getNumParticles() != atoms.n_atoms:
            raise MDGenError(
                f"the System has {system.getNumParticles()} particles, the selection {atoms.n_atoms} atoms; give the "
                "System of these atoms, in their order"
            )
        self._indices = atoms.indices.copy()
        self._minimizer = (
            structure_minimizer(
                atomgroup_to_structure(atoms), max_iterations=max_iterations, restraint=restraint, platform=platform
            )
            if system is None
            else Minimizer(system, max_iterations, restraint, platform)
        )

    def _transform(self, ts: Timestep) -> Timestep:
        ts.positions[self._indices] = self._minimizer.minimized(ts.positions[self._indices])
        return ts


def _peptide(atoms: AtomGroup, reference: np.ndarray | None) -> tuple[Peptide, np.ndarray]:
    structure = atomgroup_to_structure(atoms)
    if reference is None:
        reference = structure.positions
    reference = np.array(reference, dtype=np.float64)
    if reference.shape != structure.positions.shape or not np.isfinite(reference).all():
        raise MDGenError(
            f"reference of shape {reference.shape} must hold {atoms.n_atoms} finite positions, one per selected atom"
        )
    return Peptide.from_structure(replace(structure, positions=reference)), reference


def _internal(peptide: Peptide) -> InternalCoordinates:
    return InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)


def _chi_slot(peptide: Peptide, internal: InternalCoordinates, slot: tuple[int, int]) -> tuple[int, int]:
    """Row and column of (residue, chi) among the internal coordinates."""
    residue, number = slot
    types = peptide.residue_types
    column = INTERNAL.index(f"chi{number}") if f"chi{number}" in INTERNAL else -1
    if not 0 <= residue < len(types) or column < 0 or not internal.exists[residue, column]:
        name = types[residue] if 0 <= residue < len(types) else "absent"
        raise MDGenError(
            f"chi{number} of residue {residue} ({name}) does not exist; residues count from 0, chi from 1 to 4"
        )
    return residue, column

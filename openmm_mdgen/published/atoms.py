"""The user's atoms to the published heavy-atom slots and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.bridges import Bridges
from openmm_mdgen.geometry.internal import INTERNAL, TORSIONS, InternalCoordinates
from openmm_mdgen.geometry.runs import BackboneRuns
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.peptide.naming import CAPS
from openmm_mdgen.peptide.peptide import Peptide, Structure
from openmm_mdgen.published.atom14 import atom14_to_rigids
from openmm_mdgen.published.residues import N_SLOTS, sequence_to_residue_indices, slot_names, tables
from openmm_mdgen.published.rigids import Rigids

_ORIGIN = 15.0  # Å, where the first CA is put along each axis; about where it was in the boxes of the training data
_LONGEST_CHAIN = 8  # residues that are rebuilt as one chain; beyond, errors of torsions would add up along it
_PULL = 0.5  # of a long chain's backbone to the decoded rigids
_AT_ONCE = 64  # frames of a long chain, which bounds memory


class PublishedAtoms:
    """Which atom is which slot, and how all atoms follow from the slots.

    Torsions are read off the decoded slots; bond lengths, angles and hydrogens come from the reference structure.
    Peptides of up to 8 residues are rebuilt as one chain, so that no peptide bond is stretched, and laid on the decoded
    heavy atoms. Backbones of longer ones are built in overlapping runs of 8 residues, pulled to the decoded rigids,
    which hold the fold, with their bonds and angles kept (`BackboneRuns`); disulphide bonds are closed by turning their
    sulphurs (`Bridges`).

    Parameters
    ----------
    structure : Structure
    reference : numpy.ndarray, optional
        (N, 3) positions in Å that supply bond lengths and angles; default: those of the structure.

    Raises
    ------
    MDGenError
        For caps, which the published networks have no residue for.

    Attributes
    ----------
    residues : Tensor (L,)
        Residue indices.
    slot_mask : Tensor (L, 14)
        bool, which slots exist.
    """

    def __init__(self, structure: Structure, reference: np.ndarray | None = None) -> None:
        if reference is not None:
            structure = replace(structure, positions=np.asarray(reference, dtype=np.float64))
        is_long = len(set(structure.residues.tolist())) > _LONGEST_CHAIN
        peptide = Peptide.from_structure(structure, disulphides=is_long)
        caps = [name for name in peptide.residue_types if name in CAPS]
        if caps:
            raise MDGenError(
                f"the peptide has the caps {', '.join(caps)}, published checkpoints know none; "
                "remove the caps or choose a bundled model"
            )
        self.n_atoms = peptide.n_atoms
        self.residues = torch.from_numpy(sequence_to_residue_indices(peptide.sequence))
        self.slot_mask = torch.from_numpy(tables().slot_mask)[self.residues]
        self._slots, self._atoms = _slots(peptide)
        self._internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
        self._geometry = self._internal.geometry(torch.as_tensor(structure.positions, dtype=torch.float64))
        self._runs = BackboneRuns(self._internal, _LONGEST_CHAIN)
        self._bridges = Bridges(peptide.residue_types, peptide.heavy, structure.positions)

    @property
    def n_residues(self) -> int:
        """Number of residues."""
        return len(self.residues)

    def to_atom14(self, positions: Tensor) -> Tensor:
        """Positions (F, N, 3) to slots (F, L, 14, 3), Å."""
        out = positions.new_zeros(len(positions), self.n_residues * N_SLOTS, 3)
        out[:, self._slots] = positions[:, self._atoms]
        found: Tensor = out.unflatten(1, (self.n_residues, N_SLOTS))
        return found

    def from_atom14(self, atom14: Tensor) -> Tensor:
        """Slots (F, L, 14, 3) to positions (F, N, 3) of all atoms, Å."""
        if self.n_residues <= _LONGEST_CHAIN or len(atom14) <= _AT_ONCE:
            return self._from_atom14(atom14)
        return torch.cat([self._from_atom14(part) for part in atom14.split(_AT_ONCE)])

    def _from_atom14(self, atom14: Tensor) -> Tensor:
        heavy = atom14.new_zeros(len(atom14), self.n_atoms, 3)
        heavy[:, self._atoms] = atom14.flatten(1, 2)[:, self._slots]
        values = self._geometry.internal.to(atom14).repeat(len(atom14), 1, 1)
        torsions = slice(0, len(TORSIONS))
        values[..., torsions] = self._internal.encode(heavy)[..., torsions]
        if self.n_residues > _LONGEST_CHAIN:
            backbone = self._runs.backbone(values, heavy[:, self._runs.atoms], _PULL)
            return self._bridges.close(self._internal.decode_around(backbone, values, self._geometry))
        rebuilt = self._internal.decode(values.reshape(len(atom14), -1, len(INTERNAL)), self._geometry)
        return superpose(rebuilt[:, self._atoms], heavy[:, self._atoms], rebuilt)


def canonical_pose(atom14: Tensor) -> Rigids:
    """The motion (B) that takes structures (B, L, 14, 3) back from the pose in which the network sees them.

    The published tokens of the first residue depend on where the origin of coordinates is. Put the first residue into a
    fixed place, and they depend on nothing but the structure.
    """
    first = atom14_to_rigids(atom14)[:, 0]
    shift = Rigids(torch.eye(3).to(atom14), torch.full((3,), _ORIGIN).to(atom14))
    return first @ shift.inverse()


def _slots(peptide: Peptide) -> tuple[Tensor, Tensor]:
    """Flat slot numbers, and the user's atom in each."""
    slots, atoms = [], []
    for residue, name in enumerate(peptide.residue_types):
        for slot, atom_name in enumerate(slot_names(name)):
            slots.append(residue * N_SLOTS + slot)
            atoms.append(peptide.heavy[residue, atom_name])
    return torch.tensor(slots), torch.tensor(atoms)

"""Where the residues of one molecule are: what torsions alone say of a fold only through long lever arms.

A place is the deviation of a residue's C-alpha from a reference structure, in the reference's axes, after the frame was
laid on the reference. Weights of the superposition are by how little a residue moves, so that floppy ends do not turn
the rest. The reference never changes, so places do not drift, and windows can be chained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_mdgen.geometry.sidechains import TYPES
from openmm_mdgen.geometry.superpose import superpose

N_PLACE = 3
_UNCERTAIN, _SURE = 0.25, 0.15  # of the spread, and Å: by how much a generated place is taken to be wrong
_SOFTENED = 0.1  # Å², added to mean squares before they are inverted
_ROUNDS = 8


@dataclass(frozen=True)
class Places:
    """Reference structure of one molecule, one atom for each residue, saved with the weights.

    Attributes
    ----------
    reference : Tensor (L, 3)
        Å, the mean over the training set.
    spread : Tensor (L,)
        Å, by which deviations are divided.
    weight : Tensor (L,)
        Of the superposition.
    sequence : Tensor (L,) of int
        Indices into ``TYPES``: the molecule that this is of.
    """

    reference: Tensor
    spread: Tensor
    weight: Tensor
    sequence: Tensor

    @property
    def residue_types(self) -> tuple[str, ...]:
        """Canonical three-letter names, caps included."""
        return tuple(TYPES[int(k)] for k in self.sequence)

    @property
    def uncertainty(self) -> Tensor:
        """Å (L,), by how much generated places are taken to be wrong, for `geometry.pull`."""
        return (_UNCERTAIN * self.spread).clamp_min(_SURE)

    def to_tokens(self, atoms: Tensor) -> Tensor:
        """Channels (..., L, 3) of atoms (..., L, 3) in Å, anywhere in space."""
        reference, spread, weight = (x.to(atoms) for x in (self.reference, self.spread, self.weight))
        laid = superpose(atoms, reference.expand_as(atoms), weights=weight)
        out: Tensor = (laid - reference) / spread.unsqueeze(-1)
        return out

    def to_atoms(self, tokens: Tensor) -> Tensor:
        """Å (..., L, 3), in the reference's axes, of channels (..., L, 3)."""
        return self.reference.to(tokens) + self.spread.to(tokens).unsqueeze(-1) * tokens


def measure_places(atoms: Tensor, sequence: Tensor) -> Places:
    """The mean structure of frames (F, L, 3) in Å of a molecule with this sequence (L,), and how residues spread.

    Mean and weights follow from each other, so they are found in turn. The spread is the geometric mean of standard
    and median deviation: where few frames are unfolded, the fold is still resolved.
    """
    reference, weight = atoms[0], torch.ones(len(sequence)).to(atoms)
    laid = atoms
    for _ in range(_ROUNDS):
        laid = superpose(atoms, reference.expand_as(atoms), weights=weight)
        reference = laid.mean(0)
        weight = 1 / ((laid - reference).square().mean((0, 2)) + _SOFTENED)
    away = (laid - reference).square().mean(-1)
    spread = (away.mean(0) * away.median(0).values).pow(0.25).clamp_min(0.1)
    return Places(reference.float(), spread.float(), (weight / weight.mean()).float(), sequence)

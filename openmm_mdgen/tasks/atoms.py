"""One peptide's atoms as tokens and back, with the geometry of the user's own structure."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.geometry.pull import pull_chain
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.clashes import ClashRepair, Settle
from openmm_mdgen.tasks.model import PeptideModel
from openmm_mdgen.tokens.places import N_PLACE, Places
from openmm_mdgen.tokens.tokens import (
    N_CHANNELS,
    N_TORSIONS,
    UNKNOWN,
    Conditioning,
    Normalization,
    internal_to_channels,
    internal_to_tokens,
    sequence_to_indices,
    tokens_to_internal,
)

SPREAD_KELVIN = 370.0
"""K at whose equipartition the lengths and angles of networks that learned many temperatures spread, whichever is asked
for: they are forgotten within 0.1 ps and weigh little in the loss, so that such networks draw the mean of the training
set's spreads (measured on `val`; docs/lab_book/training/second_model.md)."""


def spread_as_at(internal: Tensor, temperature: float) -> Tensor:
    """Internal coordinates (B, T, L, 16) whose lengths and angles spread about their means over T as in MD at K.

    Harmonic coordinates have a mean square of kT over their stiffness, so the spread goes as the square root of T.
    """
    torsions, rest = internal[..., :N_TORSIONS], internal[..., N_TORSIONS:]
    mean = rest.mean(1, keepdim=True)
    return torch.cat((torsions, mean + (temperature / SPREAD_KELVIN) ** 0.5 * (rest - mean)), -1)


class PeptideAtoms:
    """The atoms of one peptide.

    Parameters
    ----------
    peptide : Peptide
    reference : ndarray (N, 3)
        Å; where bond lengths, angles and hydrogen positions are taken from.
    normalization : Normalization
        Of the tokens.
    thorough : bool
        As for `ClashRepair`.
    places : Places, optional
        Of the molecule, where tokens have them: chains are pulled there, see `geometry.pull`.

    Attributes
    ----------
    internal : InternalCoordinates
    sequence : Tensor (L,)
    exists : Tensor (L, C) of bool
    """

    def __init__(
        self,
        peptide: Peptide,
        reference: np.ndarray,
        normalization: Normalization,
        *,
        thorough: bool = False,
        places: Places | None = None,
    ) -> None:
        self.peptide, self.normalization, self.places = peptide, normalization, places
        self.internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
        self.geometry = self.internal.geometry(torch.as_tensor(np.array(reference), dtype=torch.float64))
        self.sequence = sequence_to_indices(peptide.residue_types)
        self.exists = internal_to_channels(self.internal.exists)
        if places is not None:
            self.exists = torch.cat((self.exists, torch.ones(len(self.sequence), N_PLACE, dtype=torch.bool)), -1)
        self.repair = ClashRepair(self.internal, self.decode_internal, thorough=thorough)

    @property
    def heavy(self) -> Tensor:
        """Indices of the heavy atoms."""
        return self.internal.heavy_atoms

    def encode(self, positions: Tensor) -> Tensor:
        """Tokens (..., L, C) of positions (..., N, 3) in Å, float64."""
        internal = self.internal_of(positions)
        tokens = self.normalized(internal)
        if self.places is None:
            return tokens
        backbone = self.internal.decode_backbone(internal.reshape(-1, *internal.shape[-2:]))  # the same however turned
        places = self.places.to_tokens(backbone[:, self.internal.anchors])
        return torch.cat((tokens, places.reshape(*tokens.shape[:-1], N_PLACE)), -1)

    def internal_of(self, positions: Tensor) -> Tensor:
        """Internal coordinates (..., L, 16), rounded, of positions (..., N, 3) in Å, float64."""
        return self.internal.encode_rounded(positions)

    def normalized(self, internal: Tensor) -> Tensor:
        """Tokens (..., L, C) of internal coordinates (..., L, 16)."""
        return internal_to_tokens(internal, self.internal.exists, self.normalization)

    def decode_internal(self, internal: Tensor) -> Tensor:
        """Positions (F, N, 3) in Å, not yet placed, of internal coordinates (F, L, 16)."""
        return self.internal.decode(internal, self.geometry)

    def decode(self, tokens: Tensor, seeds: list[int], temperature: float | None = None) -> Tensor:
        """Positions (B, T, N, 3) in Å of tokens (B, T, L, C), overlaps repaired, not yet placed.

        With a temperature in K, lengths and angles spread as at that temperature, see `spread_as_at`.
        """
        internal = tokens_to_internal(tokens[..., :N_CHANNELS].double(), self.normalization)
        if temperature is not None:
            internal = spread_as_at(internal, temperature)
        settle = None if self.places is None else self._settle(self.places, tokens)
        if settle is not None:
            internal = settle(internal.flatten(0, 1)[None], torch.arange(internal[..., 0, 0].numel()))[0]
            internal = internal.unflatten(0, tokens.shape[:2])
        frames = self.decode_internal(internal.flatten(0, 1)).unflatten(0, tokens.shape[:2])
        return self.repair.blocks(internal, frames, seeds, settle)[1]

    def _settle(self, places: Places, tokens: Tensor) -> Settle:
        """What pulls chains to the places of tokens (B, T, L, C)."""
        where = places.to_atoms(tokens[..., N_CHANNELS:].double()).flatten(0, 1)

        def settle(candidates: Tensor, frame: Tensor) -> Tensor:
            wanted = where[frame].expand(len(candidates), -1, -1, -1).flatten(0, 1)
            pulled = pull_chain(candidates.flatten(0, 1), self.internal, wanted, places.uncertainty)
            out: Tensor = pulled.unflatten(0, candidates.shape[:2])
            return out

        return settle

    def conditioning(
        self, given: Tensor, values: Tensor, interval: float, span: Tensor | None = None, *, identities: bool = True
    ) -> Conditioning:
        """What a network is told of windows with given (B, T, L) tokens of values (B, T, L, C)."""
        n = len(given)
        sequence = self.sequence if identities else torch.full_like(self.sequence, UNKNOWN)
        return Conditioning(
            sequence=sequence.expand(n, -1),
            exists=self.exists.expand(n, -1, -1),
            given=given,
            values=values.float(),
            interval=torch.full((n,), interval),
            span=span,
        )

    def empty(self, n_windows: int, n_frames: int) -> tuple[Tensor, Tensor]:
        """A mask (B, T, L) and tokens (B, T, L, C) of nothing given."""
        shape = (n_windows, n_frames, len(self.sequence))
        return torch.zeros(shape, dtype=torch.bool), torch.zeros(*shape, self.exists.shape[-1])


def task_atoms(task: PeptideModel, peptide: Peptide, reference: np.ndarray) -> PeptideAtoms:
    """The atoms of a peptide as a task's network has them; the reference (N, 3) is in Å."""
    thorough = task.network.config.tempered
    return PeptideAtoms(peptide, reference, task.normalization, thorough=thorough, places=task.places)

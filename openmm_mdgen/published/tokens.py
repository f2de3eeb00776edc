"""The tokens of the published networks: offsets to the first (and last) frame, torsions, and what is given.

Channels of a token: offset to the first frame (unit quaternion with real part >= 0, translation in Å: 7), with two key
frames the offset to the last (7), then sin, cos of the seven torsions (14). Design adds 20 for the simplex over residue
types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.published.atom14 import atom14_to_rigids, atom14_to_torsions, torsions_to_atom14
from openmm_mdgen.published.residues import UNKNOWN_RESIDUE
from openmm_mdgen.published.rigids import Rigids, quaternion_to_rotation, rotation_to_quaternion

N_OFFSET = 7
N_TORSION = 14
N_IDENTITY = 20


@dataclass(frozen=True)
class PublishedTokens:
    """What the tokens of one published setting hold and what is given; saved with the weights.

    Attributes
    ----------
    key_frames : {'first', 'ends'}
        Offsets to the first frame, or to the first and the last.
    given : {'first', 'ends', 'residues'}
        The first frame; the first and last; or every frame of ``given_residues``.
    given_every : int
        Also every n-th frame; 0 for none.
    given_residues, designed_residues : tuple of int
        Residues whose trajectory is given, and whose identity is generated (none: no design).
    torsions_seen : bool
        False writes 0 into the torsion channels, so that the torsions of given residues stay unseen.

    Examples
    --------
    >>> tokens = PublishedTokens()
    >>> encoded = tokens.encode(atom14, residues)
    >>> atom14 = tokens.decode(encoded.values, encoded.conditioning.first, residues)
    """

    key_frames: Literal["first", "ends"] = "first"
    given: Literal["first", "ends", "residues"] = "first"
    given_every: int = 0
    given_residues: tuple[int, ...] = ()
    designed_residues: tuple[int, ...] = ()
    torsions_seen: bool = True

    @property
    def n_offsets(self) -> int:
        """Channels of all offsets."""
        return N_OFFSET * (2 if self.key_frames == "ends" else 1)

    @property
    def n_given(self) -> int:
        """Channels that can be given: all but the simplex."""
        return self.n_offsets + N_TORSION

    @property
    def n_channels(self) -> int:
        """All channels."""
        return self.n_given + (N_IDENTITY if self.designed_residues else 0)

    def encode(self, atom14: Tensor, residues: Tensor, mask: Tensor | None = None) -> EncodedTokens:
        """Tokens, conditioning and loss mask of a trajectory that is superposed on its first frame.

        Parameters
        ----------
        atom14 : Tensor (B, T, L, 14, 3)
            Å; frames that are not given may hold anything finite.
        residues : Tensor (B, L)
            Residue indices.
        mask : Tensor (B, L), optional
            False marks padding.
        """
        n_batch, n_frames, n_residues = atom14.shape[:3]
        self._check_residues(n_residues)
        if mask is None:
            mask = torch.ones(n_batch, n_residues, dtype=torch.bool, device=atom14.device)
        rigids = atom14_to_rigids(atom14)
        torsions = atom14_to_torsions(atom14, residues.unsqueeze(1))
        values = torch.cat((self._offsets(rigids), torsions.sin_cos.flatten(-2) * float(self.torsions_seen)), -1)
        given = self._given(n_frames, n_residues, atom14.device).expand(n_batch, -1, -1)
        hidden = torch.zeros(n_residues, dtype=torch.bool, device=atom14.device)
        hidden[list(self.designed_residues)] = True
        conditioning = PublishedConditioning(
            values=values * given.unsqueeze(-1),
            given=given,
            first=rigids[:, 0],
            last=rigids[:, -1],
            residues=residues.masked_fill(hidden, UNKNOWN_RESIDUE),
            mask=mask.bool(),
        )
        offsets_count = mask.bool()[:, None, :, None].expand(-1, n_frames, -1, self.n_offsets)
        counts = torch.cat((offsets_count, torsions.mask.repeat_interleave(2, dim=-1)), -1)
        return EncodedTokens(values, counts, conditioning)

    def _check_residues(self, n_residues: int) -> None:
        needed = max((*self.given_residues, *self.designed_residues), default=-1) + 1
        if n_residues < needed:
            raise MDGenError(
                f"the peptide has {n_residues} residues, this checkpoint gives or designs residue {needed}; "
                f"choose a peptide of {needed} residues"
            )

    def _offsets(self, rigids: Rigids) -> Tensor:
        keys = (0, -1) if self.key_frames == "ends" else (0,)
        return torch.cat([_rigids_to_offset(rigids[:, key, None].inverse() @ rigids) for key in keys], -1)

    def _given(self, n_frames: int, n_residues: int, device: torch.device) -> Tensor:
        """(T, L) bool."""
        given = torch.zeros(n_frames, n_residues, dtype=torch.bool, device=device)
        if self.given == "residues":
            given[:, list(self.given_residues)] = True
        else:
            given[0] = True
        if self.given == "ends":
            given[-1] = True
        if self.given_every:
            given[:: self.given_every] = True
        return given

    def decode(self, values: Tensor, first: Rigids, residues: Tensor) -> Tensor:
        """Heavy atoms from tokens, from the offset to the first frame.

        Parameters
        ----------
        values : Tensor (B, T, L, C)
            Quaternions and sin, cos pairs of any length > 0.
        first : Rigids (B, L)
            The first frame.
        residues : Tensor (B, L)
            Residue indices.

        Returns
        -------
        Tensor (B, T, L, 14, 3)
            Å.
        """
        offset = Rigids(quaternion_to_rotation(values[..., :4]), values[..., 4:N_OFFSET])
        sin_cos = values[..., self.n_offsets : self.n_given].unflatten(-1, (7, 2))
        sin_cos = sin_cos / sin_cos.norm(dim=-1, keepdim=True)
        return torsions_to_atom14(first[:, None] @ offset, sin_cos, residues.unsqueeze(1))


@dataclass(frozen=True)
class PublishedConditioning:
    """What the network is told.

    Attributes
    ----------
    values : Tensor (B, T, L, C)
        Tokens where given, 0 elsewhere; no simplex channels.
    given : Tensor (B, T, L)
        bool.
    first, last : Rigids (B, L)
        Key frames.
    residues : Tensor (B, L)
        Residue indices, 20 where unknown.
    mask : Tensor (B, L)
        bool, False at padding.
    """

    values: Tensor
    given: Tensor
    first: Rigids
    last: Rigids
    residues: Tensor
    mask: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> PublishedConditioning:
        """A copy on a device, floating-point tensors in a dtype."""
        return PublishedConditioning(
            values=self.values.to(device, dtype),
            given=self.given.to(device),
            first=self.first.to(device, dtype),
            last=self.last.to(device, dtype),
            residues=self.residues.to(device),
            mask=self.mask.to(device),
        )


@dataclass(frozen=True)
class EncodedTokens:
    """Tokens (B, T, L, C) without simplex, which of them count in the loss (bool, same shape), and the conditioning."""

    values: Tensor
    counts: Tensor
    conditioning: PublishedConditioning


def _rigids_to_offset(rigids: Rigids) -> Tensor:
    """(..., 7): quaternion with real part >= 0, translation."""
    return torch.cat((rotation_to_quaternion(rigids.rotation), rigids.translation), -1)

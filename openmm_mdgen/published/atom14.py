"""Heavy-atom coordinates in atom14 slots to rigids and torsions, and back (ideal bond lengths and angles)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from openmm_mdgen.published.residues import N_GROUPS, tables
from openmm_mdgen.published.rigids import Rigids, points_to_rigids

TORSION_NAMES = ("omega", "phi", "psi", "chi1", "chi2", "chi3", "chi4")
_N, _CA, _C, _O = range(4)


@dataclass(frozen=True)
class Torsions:
    """Torsions and which of them exist.

    Attributes
    ----------
    sin_cos : Tensor (..., L, 7, 2)
        sin, cos of omega, phi, psi, chi1-4. psi is taken from O, which lies opposite the next residue's N, so that it
        is the common psi. Chi that do not exist are (0, 0).
    mask : Tensor (..., L, 7)
        bool. omega and phi of the first residue do not exist; their values come from a previous residue at the origin
        of coordinates, as in the published code, and mean nothing.
    """

    sin_cos: Tensor
    mask: Tensor


def atom14_to_rigids(atom14: Tensor) -> Rigids:
    """The published frame of each residue: origin at CA, x towards C, N in the xy plane.

    Parameters
    ----------
    atom14 : Tensor (..., L, 14, 3)
        Å.

    Returns
    -------
    Rigids (..., L)
    """
    rigids = points_to_rigids(atom14[..., _C, :], atom14[..., _CA, :], atom14[..., _N, :])
    return Rigids(rigids.rotation * rigids.rotation.new_tensor([-1.0, 1.0, -1.0]), rigids.translation)


def atom14_to_torsions(atom14: Tensor, residues: Tensor) -> Torsions:
    """The seven torsions of each residue.

    Parameters
    ----------
    atom14 : Tensor (..., L, 14, 3)
        Å; slots that do not exist must be 0.
    residues : Tensor (..., L)
        Residue indices, broadcast against the leading axes of `atom14`.
    """
    residues = residues.expand(atom14.shape[:-2])
    previous = functional.pad(atom14[..., :-1, :, :], (0, 0, 0, 0, 1, 0))
    backbone = torch.stack(
        (
            torch.stack((previous[..., _CA, :], previous[..., _C, :], atom14[..., _N, :], atom14[..., _CA, :]), -2),
            torch.stack((previous[..., _C, :], atom14[..., _N, :], atom14[..., _CA, :], atom14[..., _C, :]), -2),
            atom14[..., :4, :],
        ),
        -3,
    )  # (..., L, 3, 4, 3)
    slots = _constants(atom14.device).chi_slots[residues].flatten(-2)  # (..., L, 16)
    chis = atom14.gather(-2, slots.unsqueeze(-1).expand(*slots.shape, 3)).unflatten(-2, (4, 4))
    sin_cos = _sin_cos(torch.cat((backbone, chis), -3))
    sin_cos = sin_cos * sin_cos.new_tensor([1, 1, -1, 1, 1, 1, 1]).unsqueeze(-1)
    chi_mask = _constants(atom14.device).chi_mask[residues]
    follows = torch.ones_like(residues, dtype=torch.bool)
    follows[..., 0] = False
    mask = torch.cat((torch.stack((follows, follows, torch.ones_like(follows)), -1), chi_mask), -1)
    sin_cos = torch.cat((sin_cos[..., :3, :], sin_cos[..., 3:, :] * chi_mask.unsqueeze(-1)), -2)
    return Torsions(sin_cos, mask)


def _sin_cos(points: Tensor) -> Tensor:
    """sin, cos (..., 2) of the torsion of four points (..., 4, 3)."""
    a, b, c, d = points.unbind(-2)
    local = points_to_rigids(b, c, a).apply_inverse(d)
    pair = torch.stack((local[..., 2], local[..., 1]), -1)
    return pair / (pair.square().sum(-1, keepdim=True) + 1e-8).sqrt()


def torsions_to_atom14(rigids: Rigids, sin_cos: Tensor, residues: Tensor) -> Tensor:
    """Heavy atoms from rigids and torsions by ideal geometry (Jumper et al. 2021, supplement, algorithm 24).

    Parameters
    ----------
    rigids : Rigids (..., L)
    sin_cos : Tensor (..., L, 7, 2)
        Unit pairs.
    residues : Tensor (..., L)
        Residue indices, broadcast against the leading axes.

    Returns
    -------
    Tensor (..., L, 14, 3)
        Å; 0 in slots that do not exist.
    """
    constants = _constants(sin_cos.device, sin_cos.dtype)
    residues = residues.expand(sin_cos.shape[:-2])
    ideal = Rigids(constants.group_rotation[residues], constants.group_origin[residues])  # (..., L, 8)
    turned = Rigids(ideal.rotation @ _turn_about_x(sin_cos), ideal.translation)
    groups = [turned[..., group] for group in range(N_GROUPS)]
    for group in range(5, N_GROUPS):
        groups[group] = groups[group - 1] @ groups[group]
    placed = [rigids @ group for group in groups]
    every = Rigids(
        torch.stack([group.rotation for group in placed], -3), torch.stack([group.translation for group in placed], -2)
    )
    which = constants.slot_group[residues]  # (..., L, 14)
    of_slot = Rigids(
        every.rotation.gather(-3, which[..., None, None].expand(*which.shape, 3, 3)),
        every.translation.gather(-2, which[..., None].expand(*which.shape, 3)),
    )
    return of_slot.apply(constants.slot_position[residues]) * constants.slot_mask[residues].unsqueeze(-1)


def _turn_about_x(sin_cos: Tensor) -> Tensor:
    """(..., 7, 2) -> rotations (..., 8, 3, 3); the backbone group is not turned."""
    still = sin_cos.new_tensor([0.0, 1.0]).expand(*sin_cos.shape[:-2], 1, 2)
    sin, cos = torch.cat((still, sin_cos), -2).unbind(-1)
    zero, one = torch.zeros_like(sin), torch.ones_like(sin)
    rows = ((one, zero, zero), (zero, cos, -sin), (zero, sin, cos))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


@dataclass(frozen=True)
class _Constants:
    slot_mask: Tensor
    slot_group: Tensor
    slot_position: Tensor
    group_rotation: Tensor
    group_origin: Tensor
    chi_slots: Tensor
    chi_mask: Tensor


@cache
def _constants(device: torch.device, dtype: torch.dtype = torch.float32) -> _Constants:
    """The residue tables as tensors."""
    source = vars(tables())
    tensors = {name: torch.as_tensor(array, device=device) for name, array in source.items()}
    return _Constants(**{name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()})

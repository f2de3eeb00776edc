"""A chain bent a little until one atom of each residue lies near where it should.

Errors of a few degrees in every torsion add up along a chain; where the residues are is known better by their places.
Damped Gauss-Newton on the torsions of the backbone, all frames at once: lengths, angles and side chains stay.
"""

from __future__ import annotations

import torch
from torch import Tensor

from openmm_mdgen.geometry.frames import unit
from openmm_mdgen.geometry.internal import INTERNAL, OMEGA, InternalCoordinates
from openmm_mdgen.geometry.superpose import superpose

SOFT, STIFF = 0.17, 0.05  # radians, by how much phi and psi, and omega, are taken to be wrong
_STEPS = 10
_LONGEST = 0.3  # radians, of a step in one torsion
_SETTLED = 1e-3  # radians


def pull_chain(internal: Tensor, chain: InternalCoordinates, places: Tensor, spread: Tensor) -> Tensor:
    """Internal coordinates whose backbone goes through given places, near those that are given.

    The sum over residues of (distance / spread)² and over torsions of (change / `SOFT`)² is made small; the chain as a
    whole may lie anywhere.

    Parameters
    ----------
    internal : Tensor (F, L, 16), float64
    chain : InternalCoordinates
        Of L residues; its ``anchors`` are the atoms that have a place.
    places : Tensor (F, L, 3)
        Å, in any frame of reference.
    spread : Tensor (L,)
        Å, by how much places are taken to be wrong.

    Returns
    -------
    Tensor (F, L, 16)
        Changed in omega, phi and psi alone; a frame does not depend on the others.
    """
    if len(chain.anchors) < 3:
        return internal
    rows, columns, moved = _variables(chain)
    stiffness = torch.tensor([STIFF if c == OMEGA else SOFT for c in columns]).to(internal).pow(-2)
    weight = spread.to(internal).pow(-2)
    given, internal = internal, internal.clone()
    anchors = torch.tensor(chain.anchors)
    moving = torch.ones(len(internal), 1, dtype=torch.bool)
    for _ in range(_STEPS):
        backbone = chain.decode_backbone(internal)
        now = backbone[:, anchors]
        wrong = superpose(places, now, weights=weight) - now
        slope = _slopes(backbone, anchors, moved)  # (F, V + 6, L, 3)
        pulled = slope * weight[:, None]
        held = torch.cat((stiffness, torch.full((6,), 1e-6).to(stiffness)))
        change = internal[:, rows, columns] - given[:, rows, columns]
        force = (pulled * wrong.unsqueeze(1)).sum((-2, -1))
        force[:, : len(rows)] -= stiffness * change
        step = torch.linalg.solve(pulled.flatten(2) @ slope.flatten(2).mT + held.diag(), force)[:, : len(rows)]
        longest = step.abs().amax(-1, keepdim=True)
        internal[:, rows, columns] += step * (_LONGEST / longest.clamp_min(_LONGEST)) * moving
        moving = moving & (longest > _SETTLED)
        if not bool(moving.any()):
            break
    return internal


def _variables(chain: InternalCoordinates) -> tuple[list[int], list[int], Tensor]:
    """Residues and columns of the torsions that turn the backbone, and the first backbone atom that each one moves."""
    found = [(slots[2], k) for k, slots in enumerate(chain.chain_slots, start=1) if slots[2] is not None]
    rows, columns = ([slot[n] for slot, _ in found if slot is not None] for n in (0, 1))
    assert all(column < len(INTERNAL) for column in columns)
    return rows, columns, torch.tensor([k for _, k in found])


def _slopes(backbone: Tensor, anchors: Tensor, moved: Tensor) -> Tensor:
    """Derivatives (F, V + 6, L, 3) of the anchors by each torsion, then by turns and shifts of the whole."""
    points = backbone[:, anchors].unsqueeze(1)
    axes = unit(backbone[:, moved - 1] - backbone[:, moved - 2])
    turned = torch.linalg.cross(axes.unsqueeze(2), points - backbone[:, moved - 1].unsqueeze(2))
    turned = turned * (anchors >= moved[:, None]).unsqueeze(-1)
    basis = torch.eye(3).to(backbone)
    whole = torch.linalg.cross(basis[None, :, None], points - points.mean(2, keepdim=True))
    shift = basis[None, :, None].expand(len(backbone), 3, len(anchors), 3)
    return torch.cat((turned, whole.expand(len(backbone), -1, -1, -1), shift), 1)

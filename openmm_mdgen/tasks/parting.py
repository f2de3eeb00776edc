"""Torsions are turned downhill until no two atoms overlap: what is left to do where bending at random has not helped.

In a chain of ten residues a tenth of all frames keep an overlap after dozens of candidates, since a torsion near one
end moves the other by far. The gradient of the overlap says which torsions to turn, and how.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 40
RATE = 0.06  # radians a step, about
MARGIN = 1.04  # of the limit: how far apart pairs are pushed
_INERTIA, _MEMORY = 0.8, 0.9  # of the direction and of its size
_FRAMES = 64  # whose distances are taken at once


def part_atoms(
    internal: Tensor, decode: Callable[[Tensor], Tensor], pairs: Tensor, scale: Tensor, turns: Tensor
) -> Tensor:
    """Turn torsions of frames until their atoms have room, each frame as if it were alone.

    Parameters
    ----------
    internal : Tensor (B, L, 16)
    decode : callable
        Internal coordinates (F, L, 16) to positions (F, N, 3) in Å.
    pairs : Tensor (2, P)
        Atoms that must keep apart.
    scale : Tensor (P, 1)
        One over the square of the least distance of each pair.
    turns : Tensor (L, 16) of bool
        Which internal coordinates may be changed.

    Returns
    -------
    Tensor (B, L, 16)
        The first that has room; where there is none, the last that was tried.
    """
    change, direction, size = torch.zeros(3, *internal.shape, dtype=internal.dtype)
    active = torch.arange(len(internal))
    for _ in range(STEPS):
        gradient, whole = _gradient(internal[active], change[active], decode, pairs, scale)
        active, gradient = active[~whole], gradient[~whole] * turns
        if not len(active):
            break
        direction[active] = _INERTIA * direction[active] + (1 - _INERTIA) * gradient
        size[active] = _MEMORY * size[active] + (1 - _MEMORY) * gradient.square()
        change[active] -= RATE * direction[active] / (size[active].sqrt() + 1e-3)
    out: Tensor = internal + change
    return out


def _gradient(
    internal: Tensor, change: Tensor, decode: Callable[[Tensor], Tensor], pairs: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """Of the squared overlaps, by the change (B, L, 16); and which frames (B,) have none."""
    with torch.enable_grad():
        turned = change.clone().requires_grad_(True)
        atoms = decode(internal + turned)  # (B, N, 3)
        found = [_near(some, pairs, scale) for some in atoms.detach().split(_FRAMES)]
        frame = torch.cat([k * _FRAMES + f for k, (f, _, _) in enumerate(found)])
        which = torch.cat([p for _, p, _ in found])
        apart = atoms[frame, pairs[0, which]] - atoms[frame, pairs[1, which]]
        share = (apart.square().sum(-1) * scale[which, 0] + 1e-12).sqrt()
        (gradient,) = torch.autograd.grad((MARGIN - share).square().sum(), turned)
    return gradient, torch.cat([whole for _, _, whole in found])


def _near(atoms: Tensor, pairs: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Frames and pairs (K,) that are nearer than they are pushed apart; which frames (F,) of (F, N, 3) have room."""
    columns = atoms.permute(1, 2, 0).float().contiguous()
    apart = columns.index_select(0, pairs[0]).sub_(columns.index_select(0, pairs[1])).square_().sum(1).mul_(scale)
    which, frame = (apart < MARGIN**2).nonzero().unbind(1)
    return frame, which, apart.amin(0) >= 1

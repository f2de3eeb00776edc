"""Angles, local frames and superposition of points; every function is vectorised over leading axes."""

from __future__ import annotations

import torch
from torch import Tensor


def unit(v: Tensor) -> Tensor:
    """v (..., 3) scaled to length 1."""
    return v / v.square().sum(-1, keepdim=True).clamp_min(1e-24).sqrt()


def bond_length(a: Tensor, b: Tensor) -> Tensor:
    """|b - a| of points (..., 3)."""
    return (b - a).square().sum(-1).sqrt()


def bond_angle(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Angle at b in radians (...) of points (..., 3)."""
    u, v = a - b, c - b
    return torch.atan2(torch.linalg.cross(u, v).square().sum(-1).sqrt(), (u * v).sum(-1))


def dihedral(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Torsion about b-c in radians in (-pi, pi], IUPAC sign, of points (..., 3)."""
    u, v, w = b - a, c - b, d - c
    n_1, n_2 = torch.linalg.cross(u, v), torch.linalg.cross(v, w)
    return torch.atan2((unit(v) * torch.linalg.cross(n_1, n_2)).sum(-1), (n_1 * n_2).sum(-1))


def place_atom(a: Tensor, b: Tensor, c: Tensor, length: Tensor, angle: Tensor, torsion: Tensor) -> Tensor:
    """The point d with |cd| = length, angle b-c-d and torsion a-b-c-d.

    Parameters
    ----------
    a, b, c : Tensor (..., 3)
        Å.
    length, angle, torsion : Tensor (...)
        Å and radians.

    Returns
    -------
    Tensor (..., 3)
    """
    axis = unit(c - b)
    normal = unit(torch.linalg.cross(b - a, axis))
    side = torch.linalg.cross(normal, axis)
    along, across = -length * torch.cos(angle), length * torch.sin(angle)
    return (
        c
        + along.unsqueeze(-1) * axis
        + (across * torch.cos(torsion)).unsqueeze(-1) * side
        + (across * torch.sin(torsion)).unsqueeze(-1) * normal
    )


def bisector_frame(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Axes (..., 3, 3), as columns, of the frame at b whose first axis halves a-b-c; symmetric in a, c up to sign."""
    u, v = unit(a - b), unit(c - b)
    x = unit(u + v)
    z = unit(torch.linalg.cross(u, v))
    return torch.stack((x, torch.linalg.cross(z, x), z), -1)


def superposition(mobile: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Least-squares rotation of mobile onto target (Kabsch 1976).

    Parameters
    ----------
    mobile, target : Tensor (..., N, 3)

    Returns
    -------
    rotation (..., 3, 3), mobile centre (..., 1, 3), target centre (..., 1, 3)
        ``(mobile - centre) @ rotation + target centre`` lies on target.
    """
    m, t = mobile.mean(-2, keepdim=True), target.mean(-2, keepdim=True)
    u, _, vh = torch.linalg.svd((mobile - m).mT @ (target - t))
    sign = torch.ones_like(u[..., 0])
    sign[..., 2] = torch.linalg.det(u @ vh).sign()
    return (u * sign.unsqueeze(-2)) @ vh, m, t


def superpose(mobile: Tensor, target: Tensor, moved: Tensor | None = None) -> Tensor:
    """``moved`` (default: mobile) carried along as mobile (..., N, 3) is laid on target (..., N, 3)."""
    rotation, m, t = superposition(mobile, target)
    return ((mobile if moved is None else moved) - m) @ rotation + t

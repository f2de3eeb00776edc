"""Rigid transforms and unit quaternions (real part first); every function is vectorised over leading axes."""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType
from typing import TypeAlias

import torch
from torch import Tensor

_EPS = 1e-8  # Å², added under square roots as in the published code


One: TypeAlias = "int | slice | Tensor | EllipsisType | None"
Index: TypeAlias = "One | tuple[One, ...]"


@dataclass(frozen=True)
class Rigids:
    """Rotations followed by translations: ``x -> rotation @ x + translation``.

    Attributes
    ----------
    rotation : Tensor (..., 3, 3)
    translation : Tensor (..., 3)
        Å.

    Examples
    --------
    >>> offset = key.inverse() @ rigids          # rigids as seen from the key frame
    >>> points = rigids.apply(local)
    """

    rotation: Tensor
    translation: Tensor

    def __matmul__(self, other: Rigids) -> Rigids:
        """The transform that applies `other` first."""
        return Rigids(rotation_product(self.rotation, other.rotation), self.apply(other.translation))

    def __getitem__(self, index: Index) -> Rigids:
        """Index the leading axes."""
        index = index if isinstance(index, tuple) else (index,)
        return Rigids(self.rotation[(*index, slice(None), slice(None))], self.translation[(*index, slice(None))])

    def apply(self, points: Tensor) -> Tensor:
        """Points (..., 3) from local to global axes."""
        return rotate_points(self.rotation, points) + self.translation

    def apply_inverse(self, points: Tensor) -> Tensor:
        """Points (..., 3) from global to local axes."""
        return rotate_points(self.rotation.mT, points - self.translation)

    def to(self, device: torch.device, dtype: torch.dtype) -> Rigids:
        """A copy on a device and in a dtype."""
        return Rigids(self.rotation.to(device, dtype), self.translation.to(device, dtype))

    def inverse(self) -> Rigids:
        """The transform that undoes this one."""
        rotation = self.rotation.mT
        return Rigids(rotation, -rotate_points(rotation, self.translation))


def rotate_points(rotation: Tensor, points: Tensor) -> Tensor:
    """Rotation (..., 3, 3) times points (..., 3)."""
    x, y, z = (p.unsqueeze(-1) for p in points.unbind(-1))
    return rotation[..., 0] * x + rotation[..., 1] * y + rotation[..., 2] * z


def rotation_product(first: Tensor, second: Tensor) -> Tensor:
    """``first @ second`` of (..., 3, 3); written out, it is faster than a batch of tiny matrix products."""
    x, y, z = (first[..., :, i, None] * second[..., i, None, :] for i in range(3))
    return x + y + z


def points_to_rigids(on_negative_x: Tensor, origin: Tensor, in_xy_plane: Tensor) -> Rigids:
    """The frame at `origin` whose x axis points away from one point and whose xy plane holds another (+y side).

    Parameters
    ----------
    on_negative_x, origin, in_xy_plane : Tensor (..., 3)
        Å; where they coincide the rotation is 0, not NaN.

    Notes
    -----
    Jumper et al. 2021, supplement, algorithm 21.
    """
    x = _soft_unit(origin - on_negative_x)
    y = in_xy_plane - origin
    y = _soft_unit(y - x * _dot(x, y))
    return Rigids(torch.stack((x, y, _cross(x, y)), dim=-1), origin)


def _cross(u: Tensor, v: Tensor) -> Tensor:
    """Without fused multiply-add, so that it repeats to the last bit on other processors."""
    (a, b, c), (d, e, f) = u.unbind(-1), v.unbind(-1)
    return torch.stack((b * f - c * e, c * d - a * f, a * e - b * d), -1)


def _dot(u: Tensor, v: Tensor) -> Tensor:
    """(..., 1); summed from left to right, so that it repeats to the last bit."""
    x, y, z = (u * v).split(1, -1)
    out: Tensor = x + y + z
    return out


def _soft_unit(v: Tensor) -> Tensor:
    return v / (_dot(v, v) + _EPS).sqrt()


def quaternion_to_rotation(quaternion: Tensor) -> Tensor:
    """Quaternion (..., 4) of any length > 0 to a rotation matrix (..., 3, 3)."""
    w, x, y, z = (quaternion / quaternion.norm(dim=-1, keepdim=True)).unbind(-1)
    return torch.stack(
        (
            torch.stack((w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)), -1),
            torch.stack((2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)), -1),
            torch.stack((2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z), -1),
        ),
        -2,
    )


def rotation_to_quaternion(rotation: Tensor) -> Tensor:
    """Rotation matrix (..., 3, 3) to the unit quaternion (..., 4) with real part >= 0.

    The eigenvector of the largest eigenvalue of Bar-Itzhack's symmetric matrix (J. Guid. Control Dyn. 23, 1085, 2000),
    which also serves matrices that are only nearly orthogonal.
    """
    quaternion = rotation_to_eigenvector(rotation)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def rotation_to_eigenvector(rotation: Tensor) -> Tensor:
    """As `rotation_to_quaternion`, with whatever sign the eigensolver returns, as in the published conditioning."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in rotation.unbind(-2))
    rows = (
        (xx + yy + zz, zy - yz, xz - zx, yx - xy),
        (zy - yz, xx - yy - zz, xy + yx, xz + zx),
        (xz - zx, xy + yx, yy - xx - zz, yz + zy),
        (yx - xy, xz + zx, yz + zy, zz - xx - yy),
    )
    matrix = torch.stack([torch.stack(row, -1) for row in rows], -2) * (1 / 3)
    out: Tensor = torch.linalg.eigh(matrix).eigenvectors[..., -1]
    return out

"""Lengths, angles, torsions and local frames of points; arrays or tensors, vectorised over leading axes."""

from __future__ import annotations

from openmm_mdgen.geometry.arrays import Array, cross, library


def unit(v: Array) -> Array:
    """v (..., 3) scaled to length 1."""
    xp = library(v)
    out: Array = v / xp.sqrt(xp.clip((v * v).sum(-1), 1e-24, None))[..., None]
    return out


def bond_length(a: Array, b: Array) -> Array:
    """|b - a| of points (..., 3)."""
    return _norm(b - a)


def bond_angle(a: Array, b: Array, c: Array) -> Array:
    """Angle at b in radians (...) of points (..., 3)."""
    u, v = a - b, c - b
    angle: Array = library(u).arctan2(_norm(cross(u, v)), (u * v).sum(-1))
    return angle


def dihedral(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Torsion about b-c in radians in (-pi, pi], IUPAC sign, of points (..., 3)."""
    u, v, w = b - a, c - b, d - c
    n_1, n_2 = cross(u, v), cross(v, w)
    torsion: Array = library(u).arctan2((unit(v) * cross(n_1, n_2)).sum(-1), (n_1 * n_2).sum(-1))
    return torsion


def place_atom(a: Array, b: Array, c: Array, length: Array, angle: Array, torsion: Array) -> Array:
    """The point d with |cd| = length, angle b-c-d and torsion a-b-c-d.

    Parameters
    ----------
    a, b, c : (..., 3)
        Å.
    length, angle, torsion : (...)
        Å and radians.

    Returns
    -------
    (..., 3)
    """
    xp = library(a)
    axis = unit(c - b)
    normal = unit(cross(b - a, axis))
    side = cross(normal, axis)
    along, across = -length * xp.cos(angle), length * xp.sin(angle)
    out: Array = (
        c
        + along[..., None] * axis
        + (across * xp.cos(torsion))[..., None] * side
        + (across * xp.sin(torsion))[..., None] * normal
    )
    return out


def bisector_frame(a: Array, b: Array, c: Array) -> Array:
    """Axes (..., 3, 3), as columns, of the frame at b whose first axis halves a-b-c; symmetric in a, c up to sign."""
    u, v = unit(a - b), unit(c - b)
    x = unit(u + v)
    z = unit(cross(u, v))
    frame: Array = library(a).stack((x, cross(z, x), z), -1)
    return frame


def _norm(v: Array) -> Array:
    norm: Array = library(v).sqrt((v * v).sum(-1))
    return norm

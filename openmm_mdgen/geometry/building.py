"""Building a chain: backbone first, then layers of atoms that can be placed at once.

Tensors here have coordinates first and frames last, (3, K, F), so that every operation runs along frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TORSION, BETA, BISECTOR = "torsion", "beta", "bisector"
_WIDEST = -0.5  # cosine of proline's angle N-CD-CG at its widest, 120 degrees; 116 in MD


@dataclass(frozen=True)
class Layer:
    """Atoms that can be placed at once, each by three that are there: (a, b, c) of shape (3, K).

    Attributes
    ----------
    kind : str
        ``"torsion"``: by its bond to c, the angle at it and the torsion about b-c. ``"beta"``: on b, by its angles to a
        and to c. ``"bisector"``: in the frame at b that halves the angle a-b-c.
    atoms : Tensor (K,)
    abc : Tensor (3, K)
    slots : Tensor (2, K)
        Into the values: of the torsion and the angle, or of both angles; -1 for none.
    """

    kind: str
    atoms: Tensor
    abc: Tensor
    slots: Tensor


@dataclass(frozen=True)
class Geometry:
    """What decoding takes from a structure: per layer (K, 3) of length, angle, torsion or local coordinates."""

    layers: tuple[Tensor, ...]
    rings: Tensor  # (n_proline, 2) CD-N, CD-CG
    internal: Tensor  # (L, 16)


class ChainBuilder:
    """Positions of values (V, F).

    Parameters
    ----------
    n_atoms : int
    backbone : sequence of int
        Atoms along the chain.
    chain_slots : sequence of (int, int, int)
        Per backbone atom after the first, the values that are its length, angle and torsion; -1 for none.
    layers : sequence of Layer
        Of all other atoms, in the order in which they can be placed.
    rings : sequence of (int, int, int, int, int)
        N, CA, CB, CG and CD of every proline.
    """

    def __init__(
        self,
        n_atoms: int,
        backbone: Sequence[int],
        chain_slots: Sequence[tuple[int, int, int]],
        layers: Sequence[Layer],
        rings: Sequence[tuple[int, int, int, int, int]],
    ) -> None:
        self._n_atoms, self._layers, self._rings = n_atoms, layers, rings
        self._backbone = torch.tensor(backbone)
        slots = torch.tensor(chain_slots).reshape(-1, 3)
        self._lengths, self._angles, self._torsions = slots[:, 0], slots[1:, 1], slots[2:, 2]
        self._turning = [layer for layer in layers if layer.kind == TORSION]
        placed = [set(layer.atoms.tolist()) for layer in layers]
        self._opened, self._closed = (
            [[k for k, ring in enumerate(rings) if ring[end] in atoms] for atoms in placed] for end in (3, 4)
        )

    def backbone(self, values: Tensor) -> Tensor:
        """Backbone (3, n, F) from its first atom, along the first axis and in the plane of the first two."""
        angle = values.index_select(0, self._angles)
        torsion = torch.cat((torch.zeros_like(angle[:1]), values.index_select(0, self._torsions)))
        turns = _turns(angle, torsion)
        frame = torch.eye(3, dtype=values.dtype, device=values.device).expand(values.shape[1], 3, 3)
        along = [frame[..., 0]]
        for turn in turns:
            frame = frame @ turn
            along.append(frame[..., 0])
        steps = torch.stack(along[: len(self._lengths)]) * values.index_select(0, self._lengths).unsqueeze(-1)
        return torch.cat((torch.zeros_like(steps[:1]), steps.cumsum(0))).permute(2, 0, 1)

    def atoms(self, backbone: Tensor, values: Tensor, geometry: Geometry) -> Tensor:
        """All atoms (3, N, F) about a backbone (3, n, F)."""
        x = values.new_full((3, self._n_atoms, values.shape[1]), math.nan)
        x.index_copy_(1, self._backbone, backbone.contiguous())
        local = self._local(values, geometry)
        for number, (layer, constants) in enumerate(zip(self._layers, geometry.layers, strict=True)):
            a, b, c = x.index_select(1, layer.abc.flatten()).unflatten(1, (3, -1)).unbind(1)
            constants = constants.to(x)
            if layer.kind == BISECTOR:
                placed = _on_bisector(a, b, c, constants)
            elif layer.kind == BETA:
                placed = _beta(a, b, c, values[layer.slots[0]], values[layer.slots[1]], constants)
            else:
                placed = _at_end(a, b, c, local.pop(0))
            x.index_copy_(1, layer.atoms, placed)
            for ring in self._opened[number]:
                self._bring_within_reach(x, ring, geometry.rings)
            for ring in self._closed[number]:
                self._close_ring(x, ring, geometry.rings)
        return x

    def _local(self, values: Tensor, geometry: Geometry) -> list[Tensor]:
        """Coordinates (3, K, F) or (3, K, 1) of the atoms of each torsion layer, along the last bond and across it."""
        told = [c for c, layer in zip(geometry.layers, self._layers, strict=True) if layer.kind == TORSION]
        if not told:
            return []
        length, angle, torsion = torch.cat(told).to(values).T.unsqueeze(-1)  # (K, 1) each
        slots = torch.cat([layer.slots for layer in self._turning], 1)
        moving = (slots >= 0).any(0)
        local = _along_and_across(length, angle, torsion).expand(-1, -1, values.shape[1]).contiguous()
        turn, bend = slots[:, moving]
        free = torsion[moving] + values.index_select(0, turn.clamp_min(0)) * (turn >= 0).unsqueeze(-1)
        bent = torch.where((bend >= 0).unsqueeze(-1), values.index_select(0, bend.clamp_min(0)), angle[moving])
        local[:, moving] = _along_and_across(length[moving], bent, free)
        return list(local.split([len(layer.atoms) for layer in self._turning], 1))

    def _bring_within_reach(self, x: Tensor, ring: int, lengths: Tensor) -> None:
        """Turn proline's CG about CA-CB, no further than needed, until N and CG leave room for CD between them."""
        n, a, b, g, _ = self._rings[ring]
        to_n, to_g = lengths[ring].to(x)
        reach = to_n.square() + to_g.square() - 2 * _WIDEST * to_n * to_g  # squared
        axis = _unit(x[:, b] - x[:, a])
        arm, goal = x[:, g] - x[:, b], x[:, n] - x[:, b]
        height, goal_height = ((v * axis).sum(0) for v in (arm, goal))
        arm, goal = arm - height * axis, goal - goal_height * axis
        length, goal_length = (v.square().sum(0).sqrt().clamp_min(1e-6) for v in (arm, goal))
        goal = goal / goal_length
        least = (height - goal_height).square() + length.square() + goal_length.square() - reach
        least = (least / (2 * length * goal_length)).clamp(-1, 1)  # cosine of the angle between the two arms
        aside = arm - (arm * goal).sum(0) * goal
        turned = length * (least * goal + (1 - least.square()).sqrt() * _unit(aside))
        far = (arm * goal).sum(0) < least * length
        x[:, g] = torch.where(far, x[:, b] + height * axis + turned, x[:, g])

    def _close_ring(self, x: Tensor, ring: int, lengths: Tensor) -> None:
        """Move proline's CD to the nearest point that has the reference's bond lengths to N and to CG.

        Where bent angles leave CG too far away for both, the one to N is kept, and CD stays off the line so that its
        hydrogens have a direction.
        """
        n, _, _, g, d = self._rings[ring]
        to_n, to_g = lengths[ring].to(x)
        axis = x[:, g] - x[:, n]
        span = axis.square().sum(0).sqrt().clamp_min(1e-6)
        along = ((span.square() + to_n**2 - to_g**2) / (2 * span)).clamp(-0.995 * to_n, 0.995 * to_n)
        axis = axis / span
        out = x[:, d] - x[:, n]
        out = out - (out * axis).sum(0) * axis
        out = out / out.square().sum(0).sqrt().clamp_min(1e-6)
        x[:, d] = x[:, n] + along * axis + (to_n**2 - along.square()).clamp_min(0).sqrt() * out


def _turns(angle: Tensor, torsion: Tensor) -> Tensor:
    """Rotations (n, F, 3, 3) from the frame at one atom to that at the next, for angles and torsions (n, F).

    A frame's columns are the direction of the last bond, the direction across it in the plane of the last two, and the
    normal of that plane.
    """
    p, q, c, s = angle.cos(), angle.sin(), torsion.cos(), torsion.sin()
    rows = (-p, -q, torch.zeros_like(p), q * c, -p * c, -s, q * s, -p * s, c)
    out: Tensor = torch.stack(rows, -1).unflatten(-1, (3, 3))
    return out


def _along_and_across(length: Tensor, angle: Tensor, torsion: Tensor) -> Tensor:
    across = length * angle.sin()
    return torch.stack((-length * angle.cos(), across * torsion.cos(), across * torsion.sin()))


def _unit(v: Tensor) -> Tensor:
    """v (3, ...) scaled to length 1."""
    return v * v.square().sum(0).clamp_min(1e-24).rsqrt()


def _cross(a: Tensor, b: Tensor) -> Tensor:
    out: Tensor = torch.linalg.cross(a, b, dim=0)
    return out


def _beyond(origin: Tensor, local: Tensor, axis: Tensor, normal: Tensor) -> Tensor:
    """Points at local coordinates (3, K, ...) along an axis, across it and along a normal, (3, K, F) each."""
    along, side, up = local
    return torch.addcmul(origin, along, axis).addcmul_(side, _cross(normal, axis)).addcmul_(up, normal)


def _at_end(a: Tensor, b: Tensor, c: Tensor, local: Tensor) -> Tensor:
    """c, and beyond it the local coordinates (3, K, ...) in the frame of a, b and c (3, K, F)."""
    axis = _unit(c - b)
    normal = _unit(_cross(b - a, axis))
    return _beyond(c, local, axis, normal)


def _on_bisector(a: Tensor, b: Tensor, c: Tensor, local: Tensor) -> Tensor:
    """b, and beyond it the local coordinates (K, 3) in the frame that halves a-b-c."""
    u, v = _unit(a - b), _unit(c - b)
    first, normal = _unit(u + v), _unit(_cross(u, v))
    return _beyond(b, local.T.unsqueeze(-1), first, normal)


def _beta(a: Tensor, b: Tensor, c: Tensor, angle_a: Tensor, angle_c: Tensor, constants: Tensor) -> Tensor:
    """On b, at the given angles (K, F) to a and to c; constants (K, 3): length, side (1 or -1), nothing."""
    length, side, _ = constants.T.unsqueeze(-1)
    u, v = _unit(a - b), _unit(c - b)
    dot, p, q = (u * v).sum(0), angle_a.cos(), angle_c.cos()
    within = 1 - dot.square()
    in_plane = ((p - q * dot) / within) * u + ((q - p * dot) / within) * v
    height = (1 - in_plane.square().sum(0)).clamp_min(0.01).sqrt() * side
    out: Tensor = b + length * _unit(in_plane + height * _unit(_cross(u, v)))
    return out

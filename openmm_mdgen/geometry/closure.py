"""Run of a chain bent as little as possible, until it ends where the rest of the chain begins (loop closure).

Damped Gauss-Newton on the internal coordinates between two residues, all frames at once. The smallest weighted change
is taken in each step, so that soft torsions move and bond lengths hardly do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from openmm_mdgen.geometry.frames import place_atom, unit
from openmm_mdgen.geometry.internal import INTERNAL, OMEGA, PHI, PSI

N_CA, CA_C, C_N = (INTERNAL.index(name) for name in ("N-CA", "CA-C", "C-N"))
N_CA_C, CA_C_N, C_N_CA = (INTERNAL.index(name) for name in ("N-CA-C", "CA-C-N", "C-N-CA"))
SPREAD = {PSI: 0.2, PHI: 0.2, OMEGA: 0.07, N_CA_C: 0.04, CA_C_N: 0.03, C_N_CA: 0.03, N_CA: 0.01, CA_C: 0.01, C_N: 0.01}
_LONGEST = 0.3  # of a step in one coordinate, radians or Å
CLOSED = 1e-5  # Å


def build_run(internal: Tensor, before: int, after: int) -> Tensor:
    """Backbone atoms (..., 3 * (after - before + 1), 3) in Å from N of residue ``before`` to C of ``after``.

    ``internal`` is (..., L, 16). N lies on the negative x axis, CA in the origin, C in the xy plane.
    """
    v = internal[..., before, :]
    zero = torch.zeros_like(v[..., 0])
    n = torch.stack((-v[..., N_CA], zero, zero), -1)
    theta = v[..., N_CA_C]
    c = v[..., CA_C, None] * torch.stack((-theta.cos(), theta.sin(), zero), -1)
    atoms = [n, torch.zeros_like(n), c]
    for k in range(before + 1, after + 1):
        v, left = internal[..., k, :], internal[..., k - 1, :]
        for length, angle, torsion in (
            (v[..., C_N], v[..., CA_C_N], left[..., PSI]),
            (v[..., N_CA], v[..., C_N_CA], v[..., OMEGA]),
            (v[..., CA_C], v[..., N_CA_C], v[..., PHI]),
        ):
            a, b, c = atoms[-3:]
            atoms.append(place_atom(a, b, c, length, angle, torsion))
    return torch.stack(atoms, -2)


def close_run(
    internal: Tensor,
    before: int,
    after: int,
    target: Tensor,
    max_steps: int = 60,
    tolerance: float = 1e-5,
    damping: float = 1e-9,
) -> tuple[Tensor, Tensor]:
    """Change what lies between two residues so that the second one lies where it should.

    Parameters
    ----------
    internal : Tensor (F, L, 16), float64
    before, after : int
        The residues on either side, at least two apart, whose own N, CA and C keep their shape.
    target : Tensor (F, 3, 3)
        Å; N, CA, C of ``after`` in the frame of `build_run`.
    max_steps, tolerance
        When to stop: after so many steps, or with every frame this near (Å).
    damping : float
        Å²; against how little a run's end can be moved in some direction. More of it makes smaller, smoother steps.

    Returns
    -------
    internal : Tensor (F, L, 16)
        Changed in `SPREAD`'s coordinates between the two.
    miss : Tensor (F,)
        Å; the largest distance of an atom from its target: below `CLOSED` where the run is closed.
    """
    internal = internal.clone()
    rows, columns, atoms = _variables(before, after)
    spread = torch.tensor([SPREAD[c] for c in columns], dtype=internal.dtype).square()
    place = torch.tensor(columns) < N_CA  # torsions
    bend = torch.tensor([c in (N_CA_C, CA_C_N, C_N_CA) for c in columns])
    miss = internal.new_zeros(len(internal))
    for _ in range(max_steps):
        built = build_run(internal, before, after)
        wrong = target - built[:, -3:]
        miss = wrong.square().sum(-1).sqrt().amax(-1)
        if bool((miss < tolerance).all()):
            break
        slope = _slopes(built, atoms, place, bend)  # (F, V, 3, 3)
        j = slope.flatten(2).mT  # (F, 9, V)
        weighted = j * spread
        damped = weighted @ j.mT + damping * torch.eye(9, dtype=j.dtype)
        step = (weighted.mT @ torch.linalg.solve(damped, wrong.flatten(1).unsqueeze(-1))).squeeze(-1)
        step = step * (_LONGEST / step.abs().amax(-1, keepdim=True).clamp_min(_LONGEST))
        internal[:, rows, columns] += step * (miss >= tolerance).unsqueeze(-1)  # a frame does not depend on the others
    return internal, miss


def _variables(before: int, after: int) -> tuple[list[int], list[int], Tensor]:
    """Rows and columns of what may change, and the atom of `build_run` (0 is N of ``before``) that each one places."""
    rows, columns, atoms = [], [], []
    for k in range(before + 1, after + 1):
        first = 3 * (k - before)
        entries = [(k - 1, PSI, first), (k, CA_C_N, first), (k, C_N, first), (k, OMEGA, first + 1)]
        entries += [(k, C_N_CA, first + 1), (k, PHI, first + 2)]
        if k < after:
            entries += [(k, N_CA, first + 1), (k, N_CA_C, first + 2), (k, CA_C, first + 2)]
        for row, column, atom in entries:
            rows.append(row)
            columns.append(column)
            atoms.append(atom)
    return rows, columns, torch.tensor(atoms)


def _slopes(built: Tensor, atoms: Tensor, torsions: Tensor, bends: Tensor) -> Tensor:
    """Derivatives (F, V, 3, 3) of the last three atoms by each variable, which places atom d beyond a, b, c."""
    b, c, d = (built[:, atoms - k] for k in (2, 1, 0))
    along = unit(c - b)
    normal = unit(torch.linalg.cross(b - c, d - c))
    axis = torch.where(torsions[:, None], along, normal).unsqueeze(2)
    last = built[:, -3:].unsqueeze(1)  # (F, 1, 3, 3)
    turned = torch.linalg.cross(axis.expand(-1, -1, 3, -1), last - c.unsqueeze(2))
    stretched = unit(d - c).unsqueeze(2).expand_as(turned)
    slope = torch.where((torsions | bends)[:, None, None], turned, stretched)
    moves = torch.arange(built.shape[1] - 3, built.shape[1]) >= atoms[:, None]  # atoms from d on
    return slope * moves.unsqueeze(-1)

"""What given residues say of the ones between them: where each run of the chain begins and where it must end.

Tokens hold torsions, lengths and angles, so the tokens of two given residues do not say how the one lies to the other.
A span does: for every run of residues that are not given, the frame (N, CA, C) of the residue after the run, seen from
that of the residue before it. Where a run reaches the end of the chain there is no span, and the channels are zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from openmm_mdgen.geometry.closure import C_N, C_N_CA, CA_C_N, build_run
from openmm_mdgen.geometry.frames import unit
from openmm_mdgen.geometry.internal import INTERNAL, OMEGA, PHI, PSI
from openmm_mdgen.tokens.tokens import N_TORSIONS

N_SPAN = 9  # translation, then the first two columns of the rotation
_REACH = 5.0  # Å, what translations are divided by
BOND_BEFORE = (OMEGA, PHI, C_N, CA_C_N, C_N_CA)  # of a residue: what the one before it decides too


def runs(free: Tensor) -> list[tuple[int, int]]:
    """First and last residue of every run of residues that are not given, from free (L,) of bool."""
    edges = torch.diff(free.int(), prepend=torch.zeros(1, dtype=torch.int), append=torch.zeros(1, dtype=torch.int))
    begins, ends = (edges == 1).nonzero().flatten(), (edges == -1).nonzero().flatten() - 1
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


def released(free: Tensor) -> Tensor:
    """Internal coordinates (L, 16) of bool that are to be generated, when the residues free (L,) are.

    All of the free residues', psi of a residue before a run, and of a residue after one what the bond to it decides.
    """
    out = free.unsqueeze(-1).repeat(1, len(INTERNAL))
    out[:-1, PSI] |= free[1:]
    out[1:, list(BOND_BEFORE)] |= free[:-1].unsqueeze(-1)
    return out


def released_channels(free: Tensor) -> Tensor:
    """Channels (L, 23) of tokens that hold released internal coordinates."""
    internal = released(free)
    return torch.cat((internal[:, :N_TORSIONS].repeat_interleave(2, -1), internal[:, N_TORSIONS:]), -1)


def residue_frame(atoms: Tensor) -> Tensor:
    """Axes (..., 3, 3), as columns, of N, CA, C in atoms (..., 3, 3): the x axis leads from N to CA."""
    n, ca, c = atoms.unbind(-2)
    x = unit(ca - n)
    z = unit(torch.linalg.cross(x, c - ca))
    return torch.stack((x, torch.linalg.cross(z, x), z), -1)


def spans(internal: Tensor, free: Tensor, whole: Tensor) -> Tensor:
    """Span channels (..., L, 9) of internal coordinates (..., L, 16).

    Parameters
    ----------
    internal : Tensor (..., L, 16)
        Of which only the relation of the given residues is used.
    free, whole : Tensor (L,) of bool
        Residues that are generated; residues that have N, CA and C, as caps have not.
    """
    out = internal.new_zeros(*internal.shape[:-1], N_SPAN)
    for first, last in bridged_runs(free, whole):
        atoms = build_run(internal, first - 1, last + 1)
        axes = residue_frame(atoms[..., -3:, :])
        span = torch.cat((atoms[..., -2, :] / _REACH, axes[..., 0], axes[..., 1]), -1)
        out[..., first : last + 1, :] = span.unsqueeze(-2)
    return out


def bridged_runs(free: Tensor, whole: Tensor) -> list[tuple[int, int]]:
    """The runs that have a whole given residue on either side."""
    last = len(free) - 1
    return [(a, b) for a, b in runs(free) if a > 0 and b < last and bool(whole[a - 1]) and bool(whole[b + 1])]

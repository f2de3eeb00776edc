"""Backbones of long chains from internal coordinates, without lever arms: short runs, laid on a target and blended."""

from __future__ import annotations

import torch
from torch import Tensor

from openmm_mdgen.geometry.frames import place_atom
from openmm_mdgen.geometry.internal import INTERNAL, InternalCoordinates
from openmm_mdgen.geometry.superpose import superpose


class BackboneRuns:
    """Overlapping runs of a chain's backbone, all built in one pass.

    A chain that is built from its torsions swings at its far end by the errors of all of them. A run of a few residues
    does not, and where runs overlap by half they are averaged, each with a weight that falls towards its ends.

    Parameters
    ----------
    internal : InternalCoordinates
    n_residues : int
        Residues of a run.

    Examples
    --------
    >>> backbone = BackboneRuns(internal).backbone(values, target)       # target: where the backbone lies about
    """

    def __init__(self, internal: InternalCoordinates, n_residues: int = 8) -> None:
        self.atoms = torch.tensor(internal.backbone)
        n_atoms = len(self.atoms)
        size = min(3 * n_residues, n_atoms)
        n_runs = 1 + -(-(n_atoms - size) // max(1, size // 2))
        starts = torch.linspace(0, n_atoms - size, n_runs, dtype=torch.float64).round().long()
        self.places = starts[:, None] + torch.arange(size)  # (W, n) into the backbone
        slots = torch.tensor(
            [[-1 if s is None else s[0] * len(INTERNAL) + s[1] for s in row] for row in _slots(internal)]
        )
        self._bonds, self._bends = slots[1:, 0], slots[2:, 1]
        self._slots = slots[self.places]  # (W, n, 3)
        self._weights = self._tents(starts, size, n_atoms)
        total = torch.zeros(n_atoms, dtype=torch.float64).index_add_(0, self.places.flatten(), self._weights.flatten())
        self._shares = self._weights / total[self.places]

    @staticmethod
    def _tents(starts: Tensor, size: int, n_atoms: int) -> Tensor:
        """(W, n) weights that fall to either end of a run, but not to an end of the chain."""
        rise = torch.arange(1, size + 1, dtype=torch.float64).expand(len(starts), -1)
        left = torch.where((starts == 0)[:, None], float(size), rise)
        right = torch.where((starts == n_atoms - size)[:, None], float(size), rise.flip(1))
        return torch.minimum(left, right)

    def backbone(self, internal: Tensor, target: Tensor, pull: float = 0.0) -> Tensor:
        """Backbone of frames.

        Parameters
        ----------
        internal : Tensor (F, L, 16)
        target : Tensor (F, n, 3)
            Å; where the backbone lies about.
        pull : float
            Share of the way to the target that every atom is moved; lengths and angles stay.

        Returns
        -------
        Tensor (F, n, 3)
            Å, along the chain.
        """
        runs = self._build(internal.flatten(1))  # (W, n, F, 3)
        laid = superpose(runs.transpose(1, 2), target[:, self.places].transpose(0, 1))  # (W, F, n, 3)
        shares = self._shares.to(laid)[:, None, :, None]
        blended = torch.zeros_like(target)
        blended.index_add_(1, self.places.flatten(), (laid * shares).transpose(0, 1).flatten(1, 2))
        return self._restore(torch.lerp(blended, target, pull), internal.flatten(1))

    def _restore(self, backbone: Tensor, values: Tensor, n_rounds: int = 15) -> Tensor:
        """Bond lengths and angles, which averaging has changed, brought back: (F, n, 3), each pair of atoms in turn."""
        bond = values[:, self._bonds]  # (F, n - 1)
        one, other, angle = bond[:, :-1], bond[:, 1:], values[:, self._bends]
        span = (one.square() + other.square() - 2 * one * other * torch.cos(angle)).sqrt()  # (F, n - 2)
        for _ in range(n_rounds):
            for apart, wanted in ((2, span), (1, bond)):
                for first in range(2 * apart):
                    _set_distances(backbone, wanted, apart, first)
        return backbone

    def _build(self, values: Tensor) -> Tensor:
        """Runs (W, n, F, 3), each from its own first atom on."""
        table = values.T.contiguous()  # (L * 16, F)
        length, angle, torsion = (table[slots.clamp_min(0)] for slots in self._slots.unbind(-1))  # (W, n, F)
        zero = torch.zeros_like(length[:, 0])
        atoms = [torch.stack((zero, zero, zero), -1), torch.stack((length[:, 1], zero, zero), -1)]
        r, theta = length[:, 2], angle[:, 2]
        atoms.append(atoms[1] + torch.stack((-r * torch.cos(theta), r * torch.sin(theta), zero), -1))
        for k in range(3, self.places.shape[1]):
            atoms.append(place_atom(atoms[k - 3], atoms[k - 2], atoms[k - 1], length[:, k], angle[:, k], torsion[:, k]))
        return torch.stack(atoms, 1)


def _slots(internal: InternalCoordinates) -> list[tuple[tuple[int, int] | None, ...]]:
    """Per backbone atom the slots of its length, angle and torsion."""
    return [(None, None, None), *internal.chain_slots]


def _set_distances(x: Tensor, wanted: Tensor, apart: int, first: int) -> None:
    """Bring atoms k and k + apart of x (F, n, 3) to their distance, k = first, first + 2 * apart, ..., in place."""
    left = x[:, first : x.shape[1] - apart : 2 * apart]
    right = x[:, first + apart :: 2 * apart][:, : left.shape[1]]
    across = right - left
    length = across.square().sum(-1, keepdim=True).sqrt().clamp_min(1e-6)
    shift = across * ((length - wanted[:, first :: 2 * apart, None]) / (2 * length))
    left += shift
    right -= shift

"""Disulphide bridges of a chain that is rebuilt residue by residue: sulphurs turned until the bridge is closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.geometry.frames import unit

_LONGEST = 2.5  # Å, SG to SG in the reference
_ROUNDS = 30


class Bridges:
    """The bridges that a reference structure has.

    A chain is built from torsions, one residue not knowing of another, so that the sulphurs of a bridge come to lie
    apart by the errors of all that is between. Here either sulphur turns about its own bond from C-alpha to C-beta, by
    little, until they are as far apart as in the reference: lengths and angles within residues stay. Where the two
    C-betas are too far apart or too close for that, they end as near to it as they come.

    Parameters
    ----------
    residue_types : sequence of str
    heavy : mapping
        (index of the residue, heavy-atom name) -> index of the atom.
    reference : numpy.ndarray (N, 3)
        Å.

    Attributes
    ----------
    atoms : Tensor (K, 2, 3)
        CA, CB and SG of both residues of each bridge.

    Examples
    --------
    >>> bridges = Bridges(peptide.residue_types, peptide.heavy, structure.positions)
    >>> bridges.close(frames)                                                   # (F, N, 3), in place
    """

    def __init__(
        self, residue_types: Sequence[str], heavy: Mapping[tuple[int, str], int], reference: np.ndarray
    ) -> None:
        cysteines = [k for k, name in enumerate(residue_types) if name == "CYS"]
        rows, lengths = [], []
        for pair in combinations(cysteines, 2):
            first, second = (reference[heavy[k, "SG"]] for k in pair)
            apart = float(np.linalg.norm(first - second))
            if apart < _LONGEST:
                rows.append([[heavy[k, name] for name in ("CA", "CB", "SG")] for k in pair])
                lengths.append(apart)
        self.atoms = torch.tensor(rows, dtype=torch.long).reshape(-1, 2, 3)
        self.lengths = torch.tensor(lengths, dtype=torch.float64)

    def close(self, frames: Tensor) -> Tensor:
        """Turn the sulphurs of frames (F, N, 3) in Å, in place; the frames themselves."""
        if not len(self.atoms):
            return frames
        alpha, beta, sulphur = (frames[:, self.atoms[..., k]] for k in range(3))  # (F, K, 2, 3)
        axis = unit(beta - alpha)
        centre = beta + ((sulphur - beta) * axis).sum(-1, keepdim=True) * axis
        radius = (sulphur - centre).square().sum(-1, keepdim=True).sqrt()
        wanted = self.lengths.to(frames)[:, None]
        for _ in range(_ROUNDS):
            across = sulphur[:, :, 1] - sulphur[:, :, 0]
            length = across.square().sum(-1, keepdim=True).sqrt().clamp_min(1e-6)
            shift = across * ((length - wanted) / (2 * length))
            moved = torch.stack((sulphur[:, :, 0] + shift, sulphur[:, :, 1] - shift), 2) - centre
            sulphur = centre + radius * unit(moved - (moved * axis).sum(-1, keepdim=True) * axis)
        frames[:, self.atoms[..., 2]] = sulphur
        return frames

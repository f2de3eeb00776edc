"""Blocks of several peptides in shared calls of one network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from openmm_mdgen.tasks.propagator import Propagator, next_blocks
from openmm_mdgen.tasks.simulate import SimulatePropagator
from openmm_mdgen.tokens.tokens import Conditioning


def next_blocks_together(
    propagators: Sequence[Propagator], starts: Sequence[np.ndarray], seeds: Sequence[Sequence[int]]
) -> list[np.ndarray]:
    """One block for each replica of several peptides.

    Peptides of equal length that the same network simulates at the same interval share its calls; any other propagator
    is called by itself.

    Parameters
    ----------
    propagators
        One for each peptide (P).
    starts
        For each peptide (B, N, 3) positions in Å; N may differ.
    seeds
        For each peptide B seeds.

    Returns
    -------
    list of ndarray
        For each peptide (B, n_frames, N, 3) positions in Å, float64.

    Examples
    --------
    >>> first, second = next_blocks_together([task.bind(a), task.bind(b)], [x_a[None], x_b[None]], [[1], [2]])
    """
    bound = [p for p in propagators if isinstance(p, SimulatePropagator)]
    if len(bound) < len(propagators) or len({_network_call(p) for p in bound}) > 1:
        return [next_blocks(p, x, s) for p, x, s in zip(propagators, starts, seeds, strict=True)]
    told = [p.conditioning(x) for p, x in zip(bound, starts, strict=True)]
    tokens = bound[0].task.sample(_joined(told), [seed for some in seeds for seed in some])
    pieces = tokens.split([len(some) for some in seeds])
    return [p.placed(t, x, s) for p, t, x, s in zip(bound, pieces, starts, seeds, strict=True)]


def _network_call(propagator: SimulatePropagator) -> tuple[int, float, int]:
    """What must agree for two peptides to share a call."""
    return id(propagator.task), propagator.interval, len(propagator.atoms.sequence)


def _joined(parts: list[Conditioning]) -> Conditioning:
    """All windows in one."""
    columns = zip(*parts, strict=True)
    return Conditioning(*(None if column[0] is None else torch.cat(column) for column in columns))  # type: ignore[arg-type]

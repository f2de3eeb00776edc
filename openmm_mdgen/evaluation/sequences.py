"""Sequence recovery of designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_mdgen.errors import MDGenError

_RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


@dataclass(frozen=True)
class Recovery:
    """Share of designed residues that are the native ones: over all positions, and per position (L,).

    `chance` is what drawing residues at random with the designs' own composition would recover.
    """

    overall: float
    per_position: np.ndarray
    chance: float


def sequence_recovery(designed: Sequence[str], native: str, residues: Sequence[int] | None = None) -> Recovery:
    """Compare designed sequences with the native one, letter by letter.

    Parameters
    ----------
    designed : sequence of str
        One-letter codes, as long as `native`.
    native : str
    residues : sequence of int, optional
        Positions that were designed, from 0; all by default.

    Raises
    ------
    MDGenError
        For no design, another length, or a letter that is no standard residue.
    """
    if not designed:
        raise MDGenError("0 designed sequences were given; give at least one")
    for sequence in (*designed, native):
        if len(sequence) != len(native) or set(sequence.upper()) - set(_RESIDUES):
            raise MDGenError(
                f"sequence {sequence!r} does not fit {native!r}; give {len(native)} letters out of {_RESIDUES}"
            )
    where = np.arange(len(native)) if residues is None else np.asarray(residues, int)
    letters = np.array([list(s.upper()) for s in designed])[:, where]
    target = np.array(list(native.upper()))[where]
    same = letters == target
    composition = np.array([(letters == t).mean() for t in target])
    return Recovery(float(same.mean()), same.mean(0), float(composition.mean()))

"""What a model holds fixed in generated frames, hydrogens above all: moving or quiet."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.thermal_motion import ThermalMotion
from openmm_mdgen.peptide.peptide import Peptide

KINDS = ("moving", "quiet")
ROOM = 300.0
"""K, where a model says of no temperature."""


def checked_hydrogens(hydrogens: str) -> str:
    """``"moving"`` or ``"quiet"``.

    Raises
    ------
    MDGenError
        For anything else.
    """
    if hydrogens not in KINDS:
        raise MDGenError(f"hydrogens {hydrogens!r} is not known; choose one of {', '.join(KINDS)}")
    return hydrogens


def peptide_motion(
    peptide: Peptide, bonds: Iterable[tuple[int, int]], reference: np.ndarray, temperature: float
) -> ThermalMotion:
    """What moves the hydrogens, side chains and carbonyls of a peptide at a temperature in K; bonds are those between
    its heavy atoms."""
    return ThermalMotion(peptide.residue_types, peptide.heavy, peptide.hydrogens, bonds, reference, temperature)

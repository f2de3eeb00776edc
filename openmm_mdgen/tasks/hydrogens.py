"""What a model holds fixed: bond lengths and hydrogens, which move or are quiet, and angles, which may move too."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.bonds_and_hydrogens import BondsAndHydrogens
from openmm_mdgen.geometry.hydrogen_motion import HydrogenMotion
from openmm_mdgen.geometry.skeleton import Skeleton
from openmm_mdgen.geometry.thermal_motion import ThermalMotion
from openmm_mdgen.peptide.peptide import Peptide

KINDS = ("moving", "thermal", "quiet")
_FIRST = "moving-1"
"""Hydrogens alone, which do not choose: what "moving" was in the first recipes that said so."""
_IN_FILES = {"moving": "moving-2", _FIRST: "moving"}
ROOM = 300.0
"""K, where a model says of no temperature."""


def checked_hydrogens(hydrogens: str) -> str:
    """``"moving"``, ``"thermal"`` or ``"quiet"``; or ``"moving-1"``, as "moving" was before bond lengths moved too.

    Raises
    ------
    MDGenError
        For anything else.
    """
    if hydrogens not in (*KINDS, _FIRST):
        raise MDGenError(f"hydrogens {hydrogens!r} is not known; choose one of {', '.join(KINDS)}")
    return hydrogens


def in_file(hydrogens: str) -> str:
    """How files say it, in which "moving" keeps its first meaning."""
    return _IN_FILES.get(hydrogens, hydrogens)


def from_file(word: str) -> str:
    """What a file says, see `in_file`."""
    return {written: name for name, written in _IN_FILES.items()}.get(word, word)


def motion_of(
    hydrogens: str, peptide: Peptide, bonds: Iterable[tuple[int, int]], reference: np.ndarray, temperature: float
) -> BondsAndHydrogens | HydrogenMotion | ThermalMotion | None:
    """What moves, by a name that `checked_hydrogens` takes, at a temperature in K; bonds are those between heavy
    atoms."""
    skeleton = skeleton_of(peptide, bonds)
    if hydrogens == "moving":
        return BondsAndHydrogens(skeleton, reference, temperature)
    if hydrogens == _FIRST:
        return HydrogenMotion(skeleton, reference, temperature)
    if hydrogens == "thermal":
        return ThermalMotion(skeleton, reference, temperature)
    return None


def skeleton_of(peptide: Peptide, bonds: Iterable[tuple[int, int]]) -> Skeleton:
    """What moves a peptide needs of its atoms; bonds are those between heavy atoms."""
    return Skeleton(peptide.residue_types, peptide.heavy, peptide.hydrogens, list(bonds), peptide.n_atoms)

"""Residue tables in the published convention: atom14 slots, torsions, and the ideal geometry of rigid groups.

The figures are those of AlphaFold (Jumper et al., Nature 2021, supplement 1.8) that the published MDGen networks were
trained with: every atom belongs to one of eight rigid groups (0 backbone, 1 omega, 2 phi, 3 psi, 4-7 chi1-4) and is
given in the axes of its group: x along the rotation axis, the atom that defines the torsion in the xy plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from openmm_mdgen.geometry.sidechains import RESIDUES, chi_atoms
from openmm_mdgen.peptide.residues import ONE_LETTER

RESIDUE_NAMES = RESIDUES
RESIDUE_LETTERS = "".join(ONE_LETTER[name] for name in RESIDUE_NAMES)
UNKNOWN_RESIDUE = 20
"""Residue index that stands for an unknown identity."""
N_SLOTS = 14
N_GROUPS = 8
N_TORSIONS = 7

# residue -> atoms in atom14 order: name, rigid group, x, y, z in Å
_ATOMS = {
    "ALA": "N 0 -0.525 1.363 0, CA 0 0 0 0, C 0 1.526 0 0, O 3 0.627 1.062 0, CB 0 -0.529 -0.774 -1.205",
    "ARG": "N 0 -0.524 1.362 0, CA 0 0 0 0, C 0 1.525 0 0, O 3 0.626 1.062 0, CB 0 -0.524 -0.778 -1.209, "
    "CG 4 0.616 1.390 0, CD 5 0.564 1.414 0, NE 6 0.539 1.357 0, CZ 7 0.758 1.093 0, NH1 7 0.206 2.301 0, "
    "NH2 7 2.078 0.978 0",
    "ASN": "N 0 -0.536 1.357 0, CA 0 0 0 0, C 0 1.526 0 0, O 3 0.625 1.062 0, CB 0 -0.531 -0.787 -1.200, "
    "CG 4 0.584 1.399 0, OD1 5 0.633 1.059 0, ND2 5 0.593 -1.188 0.001",
    "ASP": "N 0 -0.525 1.362 0, CA 0 0 0 0, C 0 1.527 0 0, O 3 0.626 1.062 0, CB 0 -0.526 -0.778 -1.208, "
    "CG 4 0.593 1.398 0, OD1 5 0.610 1.091 0, OD2 5 0.592 -1.101 -0.003",
    "CYS": "N 0 -0.522 1.362 0, CA 0 0 0 0, C 0 1.524 0 0, O 3 0.625 1.062 0, CB 0 -0.519 -0.773 -1.212, "
    "SG 4 0.728 1.653 0",
    "GLN": "N 0 -0.526 1.361 0, CA 0 0 0 0, C 0 1.526 0 0, O 3 0.626 1.062 0, CB 0 -0.525 -0.779 -1.207, "
    "CG 4 0.615 1.393 0, CD 5 0.587 1.399 0, OE1 6 0.634 1.060 0, NE2 6 0.593 -1.189 -0.001",
    "GLU": "N 0 -0.528 1.361 0, CA 0 0 0 0, C 0 1.526 0 0, O 3 0.626 1.062 0, CB 0 -0.526 -0.781 -1.207, "
    "CG 4 0.615 1.392 0, CD 5 0.600 1.397 0, OE1 6 0.607 1.095 0, OE2 6 0.589 -1.104 -0.001",
    "GLY": "N 0 -0.572 1.337 0, CA 0 0 0 0, C 0 1.517 0 0, O 3 0.626 1.062 0",
    "HIS": "N 0 -0.527 1.360 0, CA 0 0 0 0, C 0 1.525 0 0, O 3 0.625 1.063 0, CB 0 -0.525 -0.778 -1.208, "
    "CG 4 0.600 1.370 0, ND1 5 0.744 1.160 0, CD2 5 0.889 -1.021 0.003, CE1 5 2.030 0.851 0.002, "
    "NE2 5 2.145 -0.466 0.004",
    "ILE": "N 0 -0.493 1.373 0, CA 0 0 0 0, C 0 1.527 0 0, O 3 0.627 1.062 0, CB 0 -0.536 -0.793 -1.213, "
    "CG1 4 0.534 1.437 0, CG2 4 0.540 -0.785 -1.199, CD1 5 0.619 1.391 0",
    "LEU": "N 0 -0.520 1.363 0, CA 0 0 0 0, C 0 1.525 0 0, O 3 0.625 1.063 0, CB 0 -0.522 -0.773 -1.214, "
    "CG 4 0.678 1.371 0, CD1 5 0.530 1.430 0, CD2 5 0.535 -0.774 1.200",
    "LYS": "N 0 -0.526 1.362 0, CA 0 0 0 0, C 0 1.526 0 0, O 3 0.626 1.062 0, CB 0 -0.524 -0.778 -1.208, "
    "CG 4 0.619 1.390 0, CD 5 0.559 1.417 0, CE 6 0.560 1.416 0, NZ 7 0.554 1.387 0",
    "MET": "N 0 -0.521 1.364 0, CA 0 0 0 0, C 0 1.525 0 0, O 3 0.625 1.062 0, CB 0 -0.523 -0.776 -1.210, "
    "CG 4 0.613 1.391 0, SD 5 0.703 1.695 0, CE 6 0.320 1.786 0",
    "PHE": "N 0 -0.518 1.363 0, CA 0 0 0 0, C 0 1.524 0 0, O 3 0.626 1.062 0, CB 0 -0.525 -0.776 -1.212, "
    "CG 4 0.607 1.377 0, CD1 5 0.709 1.195 0, CD2 5 0.706 -1.196 0, CE1 5 2.102 1.198 0, CE2 5 2.098 -1.201 0, "
    "CZ 5 2.794 -0.003 -0.001",
    "PRO": "N 0 -0.566 1.351 0, CA 0 0 0 0, C 0 1.527 0 0, O 3 0.621 1.066 0, CB 0 -0.546 -0.611 -1.293, "
    "CG 4 0.382 1.445 0, CD 5 0.477 1.424 0",
    "SER": "N 0 -0.529 1.360 0, CA 0 0 0 0, C 0 1.525 0 0, O 3 0.626 1.062 0, CB 0 -0.518 -0.777 -1.211, "
    "OG 4 0.503 1.325 0",
    "THR": "N 0 -0.517 1.364 0, CA 0 0 0 0, C 0 1.526 0 0, O 3 0.626 1.062 0, CB 0 -0.516 -0.793 -1.215, "
    "OG1 4 0.472 1.353 0, CG2 4 0.550 -0.718 -1.228",
    "TRP": "N 0 -0.521 1.363 0, CA 0 0 0 0, C 0 1.525 0 0, O 3 0.627 1.062 0, CB 0 -0.523 -0.776 -1.212, "
    "CG 4 0.609 1.370 0, CD1 5 0.824 1.091 0, CD2 5 0.854 -1.148 -0.005, NE1 5 2.140 0.690 -0.004, "
    "CE2 5 2.186 -0.678 -0.007, CE3 5 0.622 -2.530 -0.007, CZ2 5 3.283 -1.543 -0.011, CZ3 5 1.715 -3.389 -0.011, "
    "CH2 5 3.028 -2.890 -0.013",
    "TYR": "N 0 -0.522 1.362 0, CA 0 0 0 0, C 0 1.524 0 0, O 3 0.627 1.062 0, CB 0 -0.522 -0.776 -1.213, "
    "CG 4 0.607 1.382 0, CD1 5 0.716 1.195 0, CD2 5 0.713 -1.194 -0.001, CE1 5 2.107 1.200 -0.002, "
    "CE2 5 2.104 -1.201 -0.003, CZ 5 2.791 -0.001 -0.003, OH 5 4.168 -0.002 -0.005",
    "VAL": "N 0 -0.494 1.373 0, CA 0 0 0 0, C 0 1.527 0 0, O 3 0.627 1.062 0, CB 0 -0.533 -0.795 -1.213, "
    "CG1 4 0.540 1.429 0, CG2 4 0.533 -0.776 1.203",
}


@dataclass(frozen=True)
class ResidueTables:
    """Arrays over the 20 residue types and, in the last row, the unknown one.

    Attributes
    ----------
    slot_mask : numpy.ndarray
        (21, 14) bool, which atom14 slots exist.
    slot_group : numpy.ndarray
        (21, 14) rigid group of each slot.
    slot_position : numpy.ndarray
        (21, 14, 3) ideal position in the axes of the group, Å.
    group_rotation, group_origin : numpy.ndarray
        (21, 8, 3, 3) and (21, 8, 3): axes of each group at torsion 0, relative to the backbone (groups 0-4) or to the
        group before it (5-7).
    chi_slots : numpy.ndarray
        (21, 4, 4) slots of the four atoms of each chi; all 0 where there is none.
    chi_mask : numpy.ndarray
        (21, 4) bool, which chi exist.
    """

    slot_mask: np.ndarray
    slot_group: np.ndarray
    slot_position: np.ndarray
    group_rotation: np.ndarray
    group_origin: np.ndarray
    chi_slots: np.ndarray
    chi_mask: np.ndarray


def slot_names(residue: str) -> tuple[str, ...]:
    """Heavy-atom names of a residue (three letters) in atom14 order; OXT has no slot.

    Examples
    --------
    >>> slot_names("ALA")
    ('N', 'CA', 'C', 'O', 'CB')
    """
    return tuple(entry.split()[0] for entry in _ATOMS[residue].split(","))


def sequence_to_residue_indices(sequence: str) -> np.ndarray:
    """(L,) residue indices of a one-letter sequence; letters outside the 20 raise KeyError."""
    index = {letter: i for i, letter in enumerate(RESIDUE_LETTERS)}
    return np.array([index[letter] for letter in sequence], dtype=np.int64)


@cache
def tables() -> ResidueTables:
    """The tables, float64, made once."""
    out = ResidueTables(
        slot_mask=np.zeros((21, N_SLOTS), dtype=bool),
        slot_group=np.zeros((21, N_SLOTS), dtype=np.int64),
        slot_position=np.zeros((21, N_SLOTS, 3)),
        group_rotation=np.tile(np.eye(3), (21, N_GROUPS, 1, 1)),
        group_origin=np.zeros((21, N_GROUPS, 3)),
        chi_slots=np.zeros((21, 4, 4), dtype=np.int64),
        chi_mask=np.zeros((21, 4), dtype=bool),
    )
    for index, residue in enumerate(RESIDUE_NAMES):
        _fill_slots(out, index, residue)
        _fill_groups(out, index, residue)
    return out


def _fill_slots(out: ResidueTables, index: int, residue: str) -> None:
    for slot, entry in enumerate(_ATOMS[residue].split(",")):
        _, group, *xyz = entry.split()
        out.slot_mask[index, slot] = True
        out.slot_group[index, slot] = int(group)
        out.slot_position[index, slot] = [float(value) for value in xyz]


def _fill_groups(out: ResidueTables, index: int, residue: str) -> None:
    names = slot_names(residue)
    position = dict(zip(names, out.slot_position[index], strict=False))
    n, ca, c = position["N"], position["CA"], position["C"]
    _set_axes(out, index, 2, n - ca, np.array([1.0, 0.0, 0.0]), n)
    _set_axes(out, index, 3, c - ca, ca - n, c)
    for chi, atoms in enumerate(chi_atoms(residue)):
        out.chi_mask[index, chi] = True
        out.chi_slots[index, chi] = [names.index(name) for name in atoms]
        end = position[atoms[2]]
        if chi == 0:
            _set_axes(out, index, 4, end - ca, n - ca, end)
        else:
            _set_axes(out, index, 4 + chi, end, np.array([-1.0, 0.0, 0.0]), end)


def _set_axes(out: ResidueTables, index: int, group: int, along: np.ndarray, plane: np.ndarray, at: np.ndarray) -> None:
    """x along the rotation axis, y towards `plane`."""
    x = along / np.linalg.norm(along)
    y = plane - (plane @ x) * x
    y /= np.linalg.norm(y)
    out.group_rotation[index, group] = np.stack([x, y, np.cross(x, y)], axis=-1)
    out.group_origin[index, group] = at

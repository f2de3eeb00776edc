"""What may be wrong with a peptide's residues: missing atoms, cross-links, handedness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide import naming
from openmm_mdgen.peptide.chain import Residue
from openmm_mdgen.peptide.structure import Structure

_DISULPHIDE_LIMIT = 2.5  # Å, SG to SG
_LISTED_LIMIT = 3.0  # Å, beyond which a listed bond is not believed
_ADD_ATOMS = "add it, for example by PDBFixer's addMissingAtoms, or include the cap in the selection"

_ADD_END = (
    f"{_ADD_ATOMS}; where the chain goes on, model the residues that are missing, or replace the non-standard one that "
    "follows"
)


def check_atoms(residue: Residue) -> None:
    """Raise for a heavy atom that is missing or that does not belong."""
    needed = naming.HEAVY_ATOMS[residue.type]
    for name in needed:
        if name not in residue.atoms:
            is_backbone = name in naming.BACKBONE
            kind = "cap" if residue.type in naming.CAPS else "backbone" if is_backbone else "side-chain"
            raise MDGenError(f"{residue} misses its {kind} atom {name}; all heavy atoms are needed; {_ADD_ATOMS}")
    unknown = sorted(set(residue.atoms) - {*needed, "OXT"})
    if unknown:
        raise MDGenError(
            f"{residue} has an atom {unknown[0]} that standard {residue.type} has not; only unmodified residues "
            "are known; remove or rename it"
        )


def check_ends(residues: Sequence[Residue]) -> None:
    """Raise for a C terminus without OXT, or an OXT elsewhere."""
    for index, residue in enumerate(residues):
        needs_oxt = index == len(residues) - 1 and residue.type not in naming.CAPS
        if needs_oxt and "OXT" not in residue.atoms:
            raise MDGenError(f"{residue} misses its C-terminal atom OXT; all heavy atoms are needed; {_ADD_END}")
        if not needs_oxt and "OXT" in residue.atoms:
            raise MDGenError(f"{residue} has an atom OXT but is not the C terminus; remove the atom or what follows it")


def check_cross_links(structure: Structure, residues: list[Residue], disulphides: bool = False) -> None:
    """Raise for disulphide bonds and for any other bond between residues that is listed and short enough to be one.

    Disulphide bonds may be allowed.
    """
    cysteines = [residue for residue in residues if residue.type == "CYS"]
    owner = {atom: (place, name) for place, residue in enumerate(residues) for name, atom in residue.atoms.items()}
    for first, second in structure.bonds:
        if first not in owner or second not in owner or not _close(structure, first, second):
            continue
        (place_1, name_1), (place_2, name_2) = sorted((owner[first], owner[second]))
        if name_1 == name_2 == "SG" and disulphides:
            continue
        if name_1 == name_2 == "SG":
            _refuse_disulphide(residues[place_1], residues[place_2])
        if place_1 != place_2 and (place_2 - place_1, name_1, name_2) != (1, "C", "N"):
            raise MDGenError(
                f"{residues[place_1]} and {residues[place_2]} are linked by a bond {name_1}-{name_2}; only linear "
                "peptides without cross-links can be generated; remove the bond"
            )
    for place, one in enumerate(() if disulphides else cysteines):
        for other in cysteines[place + 1 :]:
            sulphurs = structure.positions[[one.atoms["SG"], other.atoms["SG"]]]
            if np.linalg.norm(sulphurs[0] - sulphurs[1]) < _DISULPHIDE_LIMIT:
                _refuse_disulphide(one, other)


def _close(structure: Structure, first: int, second: int) -> bool:
    """Whether a listed bond is short enough to be one."""
    return float(np.linalg.norm(structure.positions[first] - structure.positions[second])) < _LISTED_LIMIT


def _refuse_disulphide(one: Residue, other: Residue) -> None:
    raise MDGenError(
        f"{one} and {other} form a disulphide bond (listed, or SG-SG below {_DISULPHIDE_LIMIT} Å); only free cysteines "
        "are known; reduce it, or mutate one of the two"
    )


def check_handedness(residue: Residue, positions: np.ndarray) -> Residue:
    """Raise for a D-residue or an allo side chain; swap methyls of VAL and LEU that are named the wrong way."""
    atoms = residue.atoms

    def volume(*names: str) -> float:
        center, *others = positions[[atoms[name] for name in names]]
        return float(np.linalg.det(np.stack(others) - center))

    if residue.type not in ("GLY", *naming.CAPS) and volume("CA", "N", "C", "CB") < 0:
        raise MDGenError(
            f"{residue} is a D-amino acid by its C-alpha; only L-residues can be generated; mirror or rebuild it"
        )
    if (residue.type == "THR" and volume("CB", "CA", "OG1", "CG2") < 0) or (
        residue.type == "ILE" and volume("CB", "CA", "CG1", "CG2") < 0
    ):
        raise MDGenError(
            f"{residue} has the inverted C-beta of allo-{residue.type}; only the natural form is known; rebuild it"
        )
    swap = {"VAL": ("CB", "CA", "CG1", "CG2"), "LEU": ("CG", "CB", "CD1", "CD2")}.get(residue.type)
    if swap is None or volume(*swap) < 0:
        return residue
    first, second = swap[2:]
    return Residue(residue.type, residue.label, atoms | {first: atoms[second], second: atoms[first]})

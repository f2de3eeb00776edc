"""Names of atoms in Amber, CHARMM, GROMACS and other files, brought to one (Amber) convention."""

from __future__ import annotations

from collections.abc import Collection

from openmm_mdgen.peptide.residues import (
    BACKBONE,
    CAPS,
    HEAVY_ATOMS,
    IONS,
    ONE_LETTER,
    THREE_LETTER,
    WATERS,
    residue_to_canonical,
)

__all__ = [
    "BACKBONE",
    "CAPS",
    "CHARMM_PATCH_ATOMS",
    "HEAVY_ATOMS",
    "IONS",
    "ONE_LETTER",
    "THREE_LETTER",
    "WATERS",
    "atom_to_element",
    "heavy_to_canonical",
    "hydrogen_to_heavy",
    "residue_to_canonical",
]

_C_TERMINAL_OXYGENS = (("OT1", "OT2"), ("OC1", "OC2"), ("O1", "O2"), ("OCT1", "OCT2"), ("O'", "O''"), ("OT", "O"))
_CAP_ATOM_ALIASES = {
    "ACE": {"CAY": "CH3", "CA": "CH3", "CH3": "CH3", "CY": "C", "C": "C", "OY": "O", "O": "O"},
    "NME": {"NT": "N", "N": "N", "CAT": "CH3", "CA": "CH3", "C": "CH3", "CH3": "CH3"},
    "NH2": {"NT": "N", "N": "N"},
}
CHARMM_PATCH_ATOMS = {"CAY": "ACE", "CY": "ACE", "OY": "ACE", "NT": "NME", "CAT": "NME"}


def atom_to_element(name: str, element: str = "") -> str:
    """Element of a peptide's atom: the given one where it is plausible, else the first letter of the name."""
    if element.upper() in ("H", "C", "N", "O", "S"):
        return element.upper()
    letter = name.lstrip("0123456789'\"*")[:1].upper()
    return "H" if letter == "D" else letter


def heavy_to_canonical(residue: str, names: Collection[str]) -> dict[str, str]:
    """Amber name of every heavy atom of one residue.

    Parameters
    ----------
    residue
        Canonical residue name.
    names
        The heavy-atom names as the file has them.

    Returns
    -------
    dict
        File name -> canonical name; a name that is not known keeps itself.
    """
    if residue in CAPS:
        return {name: _CAP_ATOM_ALIASES[residue].get(name, name) for name in names}
    renamed = {name: name for name in names}
    if residue == "ILE" and "CD" in renamed and "CD1" not in renamed:
        renamed["CD"] = "CD1"
    for first, second in _C_TERMINAL_OXYGENS:
        if first in renamed and second in renamed:
            return renamed | {first: "O", second: "OXT"}
    return renamed


def hydrogen_to_heavy(name: str, heavy_names: Collection[str]) -> str | None:
    """Name of the heavy atom that a hydrogen is bonded to, by their shared locant (``"HG11"`` -> ``"CG1"``)."""
    locant = name.strip("'\"*").lstrip("0123456789")[1:]
    if locant in ("XT", "O", "OT", "C"):
        return next((oxygen for oxygen in ("OXT", "OT2", "OC2", "O2") if oxygen in heavy_names), None)
    matches = [heavy for heavy in heavy_names if len(heavy) > 1 and locant.startswith(heavy[1:])]
    if matches:
        return max(matches, key=len)
    for backbone in ("CH3", "N") if "N" not in heavy_names else ("N",):
        if backbone in heavy_names:
            return backbone
    return None

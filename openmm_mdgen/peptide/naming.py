"""Names of residues and atoms in Amber, CHARMM and GROMACS files, brought to one (Amber) convention."""

from __future__ import annotations

from collections.abc import Collection

BACKBONE = ("N", "CA", "C", "O")

_SIDE_CHAINS = {
    "ALA": "CB",
    "ARG": "CB CG CD NE CZ NH1 NH2",
    "ASN": "CB CG OD1 ND2",
    "ASP": "CB CG OD1 OD2",
    "CYS": "CB SG",
    "GLN": "CB CG CD OE1 NE2",
    "GLU": "CB CG CD OE1 OE2",
    "GLY": "",
    "HIS": "CB CG ND1 CD2 CE1 NE2",
    "ILE": "CB CG1 CG2 CD1",
    "LEU": "CB CG CD1 CD2",
    "LYS": "CB CG CD CE NZ",
    "MET": "CB CG SD CE",
    "PHE": "CB CG CD1 CD2 CE1 CE2 CZ",
    "PRO": "CB CG CD",
    "SER": "CB OG",
    "THR": "CB OG1 CG2",
    "TRP": "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2",
    "TYR": "CB CG CD1 CD2 CE1 CE2 CZ OH",
    "VAL": "CB CG1 CG2",
}
CAPS = {"ACE": ("CH3", "C", "O"), "NME": ("N", "CH3"), "NH2": ("N",)}
HEAVY_ATOMS: dict[str, tuple[str, ...]] = {
    **{name: (*BACKBONE, *atoms.split()) for name, atoms in _SIDE_CHAINS.items()},
    **CAPS,
}
ONE_LETTER = dict(zip(_SIDE_CHAINS, "ARNDCQEGHILKMFPSTWYV", strict=True))
THREE_LETTER = {letter: name for name, letter in ONE_LETTER.items()}

_RESIDUE_ALIASES = {
    alias: name
    for name, aliases in {
        "HIS": "HID HIE HIP HSD HSE HSP HISA HISB HISD HISE HISH HIS1 HIS2 HIN",
        "ASP": "ASH ASPH ASPP ASP1",
        "GLU": "GLH GLUH GLUP GLU1",
        "LYS": "LYN LYP LYSH LSN LYS1",
        "ARG": "ARGN ARN ARG1",
        "CYS": "CYX CYM CYN CYSH CYS1 CYS2 CYSN",
        "ACE": "ACP AC1",
        "NME": "NAC NMA CT3",
        "NH2": "NHE NHH NH3 CT2",
    }.items()
    for alias in aliases.split()
}

WATERS = frozenset("HOH WAT SOL TIP TIP2 TIP3 TIP4 TIP5 TP3 TP4 T3P T4P TIP3P TIP4P H2O SPC SPCE DOD OPC OPC3".split())
IONS = frozenset(
    "NA CL K MG CA ZN LI RB CS BR F I NA+ CL- K+ MG2 MG2+ CA2+ ZN2 SOD CLA POT CAL CES LIT RUB BAR CIP CIM IB".split()
)

_C_TERMINAL_OXYGENS = (("OT1", "OT2"), ("OC1", "OC2"), ("O1", "O2"), ("OCT1", "OCT2"), ("O'", "O''"), ("OT", "O"))
_CAP_ATOM_ALIASES = {
    "ACE": {"CAY": "CH3", "CA": "CH3", "CH3": "CH3", "CY": "C", "C": "C", "OY": "O", "O": "O"},
    "NME": {"NT": "N", "N": "N", "CAT": "CH3", "CA": "CH3", "C": "CH3", "CH3": "CH3"},
    "NH2": {"NT": "N", "N": "N"},
}
CHARMM_PATCH_ATOMS = {"CAY": "ACE", "CY": "ACE", "OY": "ACE", "NT": "NME", "CAT": "NME"}


def residue_to_canonical(name: str) -> str | None:
    """Three-letter name of a standard residue or cap (``"HSD"`` -> ``"HIS"``, ``"NALA"`` -> ``"ALA"``), else None."""
    name = name.strip().upper()
    for candidate in (name, name[1:] if len(name) == 4 and name[0] in "NC" else ""):
        canonical = _RESIDUE_ALIASES.get(candidate, candidate)
        if canonical in HEAVY_ATOMS:
            return canonical
    return None


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

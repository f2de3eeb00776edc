"""The one table of residues: heavy atoms and letters, every name that files give them, caps, waters and ions.

Which atoms a residue has, and how they are bonded, is told in `geometry.sidechains`; the names come from the force
fields and programs that write them (Amber, CHARMM, GROMACS, OPLS, GROMOS, PyMOL, the PDB).
"""

from __future__ import annotations

from collections.abc import Iterable

from openmm_mdgen.geometry.sidechains import BACKBONE, CAPS, HEAVY_ATOMS, RESIDUES

__all__ = [
    "BACKBONE",
    "CAPS",
    "HEAVY_ATOMS",
    "IONS",
    "ONE_LETTER",
    "RESIDUES",
    "THREE_LETTER",
    "WATERS",
    "peptide_selection",
    "residue_to_canonical",
]

ONE_LETTER = dict(zip(RESIDUES, "ARNDCQEGHILKMFPSTWYV", strict=True))
THREE_LETTER = {letter: name for name, letter in ONE_LETTER.items()}

_ALIASES = {
    alias: name
    for name, aliases in {
        "HIS": "HID HIE HIP HSD HSE HSP HISA HISB HISD HISE HISH HISP HIS1 HIS2 HIN",
        "ASN": "ASN1",
        "ASP": "ASH ASPH ASPP ASP1",
        "GLN": "QLN",
        "GLU": "GLH GLUH GLUP GLU1",
        "LYS": "LYN LYP LYSH LYSN LSN LYS1",
        "ARG": "ARGN ARGP ARN ARG1",
        "CYS": "CYX CYM CYN CYSH CYS1 CYS2 CYSN",
        "ACE": "ACP AC1",
        "NME": "NAC NMA CT3",
        "NH2": "NHE NHH NH3 CT2",
    }.items()
    for alias in aliases.split()
}

WATERS = frozenset(
    "HOH WAT SOL H2O DOD TIP TIP2 TIP3 TIP4 TIP5 TIP3P TIP4P TIP5P TP3 TP4 TP5 T3P T4P T3H T4E T4H T4I "
    "SPC SPCE OPC OPC3".split()
)
IONS = frozenset(
    "NA CL K MG CA ZN LI RB CS BR F I NA+ CL- K+ LI+ MG2 MG2+ CA2+ ZN2 ZN2+ SOD CLA POT CAL CES LIT RUB BAR CIP CIM "
    "IB".split()
)


def residue_to_canonical(name: str) -> str | None:
    """Three-letter name of a standard residue or cap (``"HSD"`` -> ``"HIS"``, ``"NALA"`` -> ``"ALA"``), else None."""
    name = name.strip().upper()
    for candidate in (name, name[1:] if len(name) == 4 and name[0] in "NC" else ""):
        canonical = _ALIASES.get(candidate, candidate)
        if canonical in HEAVY_ATOMS:
            return canonical
    return None


def peptide_selection(resnames: Iterable[str]) -> str:
    """MDAnalysis selection of what is peptide among residues of these names, as a user may paste it.

    >>> peptide_selection(["ACE", "ALA", "hise", "WAT"])
    'protein or resname ACE hise'
    """
    special = [name for name in dict.fromkeys(resnames) if name not in RESIDUES and residue_to_canonical(name)]
    return " ".join(["protein", *(["or resname", *special] if special else [])])

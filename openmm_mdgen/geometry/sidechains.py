"""How each residue's heavy atoms hang together: the tree along which a chain is rebuilt from its torsions.

Source: the chemical structures of the amino acids with PDB atom names; chi angles as in IUPAC-IUB 1970.
"""

from __future__ import annotations

from typing import NamedTuple

CAPS = ("ACE", "NME", "NH2")
RESIDUES = (
    *("ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE"),
    *("LEU", "LYS", "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR", "VAL"),
)
TYPES = (*RESIDUES, *CAPS)
N_CHI = 4
BACKBONE = ("N", "CA", "C", "O")


class Branch(NamedTuple):
    """An atom placed from three others; ``chi`` (1 to 4) turns it about b-c, 0 keeps the torsion of the reference."""

    atom: str
    a: str
    b: str
    c: str
    chi: int


def _branches(text: str) -> tuple[Branch, ...]:
    rows = (line.split() for line in text.split(";"))
    return tuple(Branch(r[0], r[1], r[2], r[3], int(r[4])) for r in rows)


_BETA = "CG N CA CB 1"
_RING = f"{_BETA}; CD1 CA CB CG 2; CD2 CA CB CG 2; CE1 CB CG CD1 0; CE2 CB CG CD2 0; CZ CG CD1 CE1 0"
SIDE_CHAINS: dict[str, tuple[Branch, ...]] = {
    "ALA": (),
    "GLY": (),
    "ARG": _branches(f"{_BETA}; CD CA CB CG 2; NE CB CG CD 3; CZ CG CD NE 4; NH1 CD NE CZ 0; NH2 CD NE CZ 0"),
    "ASN": _branches(f"{_BETA}; OD1 CA CB CG 2; ND2 CA CB CG 2"),
    "ASP": _branches(f"{_BETA}; OD1 CA CB CG 2; OD2 CA CB CG 2"),
    "CYS": _branches("SG N CA CB 1"),
    "GLN": _branches(f"{_BETA}; CD CA CB CG 2; OE1 CB CG CD 3; NE2 CB CG CD 3"),
    "GLU": _branches(f"{_BETA}; CD CA CB CG 2; OE1 CB CG CD 3; OE2 CB CG CD 3"),
    "HIS": _branches(f"{_BETA}; ND1 CA CB CG 2; CD2 CA CB CG 2; CE1 CB CG ND1 0; NE2 CB CG CD2 0"),
    "ILE": _branches("CG1 N CA CB 1; CG2 N CA CB 1; CD1 CA CB CG1 2"),
    "LEU": _branches(f"{_BETA}; CD1 CA CB CG 2; CD2 CA CB CG 2"),
    "LYS": _branches(f"{_BETA}; CD CA CB CG 2; CE CB CG CD 3; NZ CG CD CE 4"),
    "MET": _branches(f"{_BETA}; SD CA CB CG 2; CE CB CG SD 3"),
    "PHE": _branches(_RING),
    "PRO": _branches(f"{_BETA}; CD CA CB CG 2"),
    "SER": _branches("OG N CA CB 1"),
    "THR": _branches("OG1 N CA CB 1; CG2 N CA CB 1"),
    "TRP": _branches(
        f"{_BETA}; CD1 CA CB CG 2; CD2 CA CB CG 2; NE1 CB CG CD1 0; CE2 CB CG CD2 0; CE3 CB CG CD2 0;"
        " CZ2 CG CD2 CE2 0; CZ3 CG CD2 CE3 0; CH2 CD2 CE2 CZ2 0"
    ),
    "TYR": _branches(f"{_RING}; OH CD1 CE1 CZ 0"),
    "VAL": _branches("CG1 N CA CB 1; CG2 N CA CB 1"),
}

HEAVY_ATOMS: dict[str, tuple[str, ...]] = {
    **{
        name: (*BACKBONE, *(() if name == "GLY" else ("CB",)), *(branch.atom for branch in SIDE_CHAINS[name]))
        for name in RESIDUES
    },
    **{"ACE": ("CH3", "C", "O"), "NME": ("N", "CH3"), "NH2": ("N",)},
}
"""Heavy atoms of each residue type and cap, OXT left out."""

RING_CLOSURES: dict[str, tuple[tuple[str, str], ...]] = {
    "PRO": (("CD", "N"),),
    "PHE": (("CE2", "CZ"),),
    "TYR": (("CE2", "CZ"),),
    "HIS": (("CE1", "NE2"),),
    "TRP": (("NE1", "CE2"), ("CZ3", "CH2")),
}


def chi_atoms(residue_type: str) -> tuple[tuple[str, str, str, str], ...]:
    """The four atoms of each chi angle of a residue type, chi1 first.

    >>> chi_atoms("SER")
    (('N', 'CA', 'CB', 'OG'),)
    """
    first: dict[int, tuple[str, str, str, str]] = {}
    for branch in SIDE_CHAINS.get(residue_type, ()):
        if branch.chi and branch.chi not in first:
            first[branch.chi] = (branch.a, branch.b, branch.c, branch.atom)
    return tuple(first[k] for k in sorted(first))


def heavy_bonds(residue_type: str) -> tuple[tuple[str, str], ...]:
    """Bonds between heavy atoms inside a residue (OXT left out).

    >>> heavy_bonds("ALA")
    (('N', 'CA'), ('CA', 'C'), ('C', 'O'), ('CA', 'CB'))
    """
    if residue_type in CAPS:
        return {"ACE": (("CH3", "C"), ("C", "O")), "NME": (("N", "CH3"),), "NH2": ()}[residue_type]
    bonds = [("N", "CA"), ("CA", "C"), ("C", "O")]
    if residue_type != "GLY":
        bonds.append(("CA", "CB"))
    bonds += [(b.c, b.atom) for b in SIDE_CHAINS[residue_type]]
    return (*bonds, *RING_CLOSURES.get(residue_type, ()))

"""MDAnalysis selections in which ``protein`` means every residue that the one table of residues knows."""

from __future__ import annotations

import re

import numpy as np
from MDAnalysis import AtomGroup, Universe

from openmm_mdgen.convert.attributes import has
from openmm_mdgen.peptide.residues import residue_to_canonical

_PROTEIN = re.compile(r"(?<![\w-])protein(?![\w-])")


def peptide_atoms(atoms: Universe | AtomGroup) -> AtomGroup:
    """The atoms of amino acids and caps, whatever force field named them."""
    group = atoms.atoms
    if not has(group, "resnames"):
        return group[[]]
    names = group.resnames
    known = {name for name in set(names) if residue_to_canonical(str(name)) is not None}
    return group[np.array([name in known for name in names], dtype=bool)]


def select_known(atoms: Universe | AtomGroup, selection: str) -> AtomGroup:
    """As MDAnalysis' ``select_atoms``, but ``protein`` includes the caps and every residue name that is known here.

    Raises
    ------
    MDAnalysis.exceptions.SelectionError
        As MDAnalysis raises it.

    Examples
    --------
    >>> select_known(mda.Universe("charmm.psf", "charmm.dcd"), "protein and not name H*")
    """
    if not _PROTEIN.search(selection):
        return atoms.select_atoms(selection)
    wider = _PROTEIN.sub("(protein or group known_peptide)", selection)
    return atoms.select_atoms(wider, known_peptide=peptide_atoms(atoms))

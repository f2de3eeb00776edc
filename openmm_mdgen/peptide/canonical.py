"""A peptide in canonical order and names: what is computed over atoms then knows no convention but this one."""

from __future__ import annotations

from collections import Counter

import numpy as np

from openmm_mdgen.peptide.hydrogens import heavy_bond_pairs
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure


def canonical_structure(structure: Structure) -> tuple[np.ndarray, Structure]:
    """The user's atoms in the order of slots, and their structure in Amber names, with all bonds.

    Returns
    -------
    tuple
        (N,) the user's index of each atom, residue by residue: heavy atoms, then hydrogens; and the structure. A
        hydrogen is called after its heavy atom, numbered where there are several.

    Raises
    ------
    MDGenError
        If the structure is no complete peptide.

    Examples
    --------
    >>> order, canonical = canonical_structure(load_structure("charmm.pdb"))
    >>> canonical.positions is structure.positions[order]
    """
    peptide = Peptide.from_structure(structure)
    slot_of = {atom: slot for slot, atom in peptide.heavy.items()}
    residue = {atom: index for atom, (index, _) in slot_of.items()}
    residue |= {hydrogen: residue[parent] for hydrogen, parent in peptide.hydrogens.items()}
    order = np.array(sorted(peptide.order.tolist(), key=residue.__getitem__))
    place = {int(atom): row for row, atom in enumerate(order)}
    names = {atom: name for atom, (_, name) in slot_of.items()} | _hydrogen_names(peptide, slot_of)
    pairs = [*heavy_bond_pairs(peptide.residue_types, peptide.heavy), *peptide.hydrogens.items()]
    index = np.array([residue[int(atom)] for atom in order])
    return order, Structure(
        names=tuple(names[int(atom)] for atom in order),
        resnames=tuple(peptide.residue_types[k] for k in index),
        residues=index,
        chains=np.zeros(len(order), dtype=int),
        elements=tuple(names[int(atom)][0] for atom in order),
        bonds=tuple(sorted((min(place[i], place[j]), max(place[i], place[j])) for i, j in pairs)),
        positions=structure.positions[order],
    )


def _hydrogen_names(peptide: Peptide, slot_of: dict[int, tuple[int, str]]) -> dict[int, str]:
    """Names of hydrogens: ``H`` on nitrogen, ``HA``, ``HB1`` ... elsewhere."""
    counts, seen = Counter(peptide.hydrogens.values()), Counter[int]()
    names = {}
    for hydrogen, parent in peptide.hydrogens.items():
        seen[parent] += 1
        number = str(seen[parent]) if counts[parent] > 1 else ""
        names[hydrogen] = f"H{slot_of[parent][1][1:]}{number}"
    return names

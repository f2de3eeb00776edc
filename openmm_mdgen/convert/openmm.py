"""A peptide's structure as an OpenMM Topology that force fields recognise, whatever its atoms were called."""

from __future__ import annotations

import numpy as np
from openmm.app import Element, Topology
from openmm.app.element import hydrogen

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.naming import atom_to_element
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure

_OPENMM_NAMES = {("NME", "CH3"): "C"}  # where OpenMM's table of standard bonds says otherwise than Amber


def structure_to_topology(structure: Structure) -> Topology:
    """OpenMM topology of one peptide, in the structure's atom order, with all bonds and Amber names of heavy atoms.

    Raises
    ------
    MDGenError
        If the structure is not one complete peptide, or the atoms of a residue do not follow one another, as an OpenMM
        topology's must; `residue_order` says how they would.

    Examples
    --------
    >>> system = build_system(structure_to_topology(load_structure("pep.pdb")))
    """
    peptide = Peptide.from_structure(structure)
    slots = {atom: slot for slot, atom in peptide.heavy.items()}
    if (np.diff(_residue_of_atom(peptide)) < 0).any():
        raise MDGenError(
            "the atoms of a residue do not follow one another; put them in order, by structure.take(residue_order(...))"
        )
    topology = Topology()
    chain = topology.addChain()
    residue, current = None, None
    for atom, name in enumerate(structure.names):
        index, slot_name = slots.get(peptide.hydrogens.get(atom, atom), (0, name))
        if index != current:
            residue, current = topology.addResidue(peptide.residue_types[index], chain), index
        if atom in peptide.hydrogens:  # in small letters, so that none is bonded by its name
            topology.addAtom(name.lower(), hydrogen, residue)
        else:
            heavy_name = _OPENMM_NAMES.get((peptide.residue_types[index], slot_name), slot_name)
            topology.addAtom(heavy_name, Element.getBySymbol(atom_to_element(slot_name)), residue)
    topology.createStandardBonds()
    atoms = list(topology.atoms())
    for atom, parent in peptide.hydrogens.items():
        topology.addBond(atoms[atom], atoms[parent])
    return topology


def residue_order(structure: Structure) -> np.ndarray:
    """(N,) the structure's atoms residue by residue along the chain, otherwise in its order."""
    return np.argsort(_residue_of_atom(Peptide.from_structure(structure)), kind="stable")


def _residue_of_atom(peptide: Peptide) -> np.ndarray:
    """(N,) place along the chain of each atom's residue."""
    residue = {atom: index for (index, _), atom in peptide.heavy.items()}
    return np.array([residue[peptide.hydrogens.get(atom, atom)] for atom in range(peptide.n_atoms)])

"""Which atom of the user's topology is which slot of a peptide. Knows no file format."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from openmm_mdgen.peptide import naming
from openmm_mdgen.peptide.chain import group_residues, order_residues
from openmm_mdgen.peptide.checks import check_atoms, check_cross_links, check_ends, check_handedness
from openmm_mdgen.peptide.hydrogens import hydrogen_parents, in_order
from openmm_mdgen.peptide.structure import Structure

__all__ = ["Peptide", "Structure"]


@dataclass(frozen=True)
class Peptide:
    """One standard L-peptide: the slot of every atom.

    Attributes
    ----------
    residue_types
        Canonical three-letter names along the chain; caps are residues of their own ("ACE", "NME", "NH2").
    heavy
        (index into ``residue_types``, Amber heavy-atom name) -> index of the user's atom. Where the two methyls of VAL
        or LEU are named the wrong way round, the slots hold the atoms by handedness.
    hydrogens
        Index of the user's hydrogen -> index of the user's heavy atom that it is bonded to. Where it lies decides, not
        its name; the order is that of slots, then about the heavy atom.
    n_atoms
        Number of the user's atoms.
    charged_n_terminus, charged_c_terminus
        Whether the ends are charged; taken as charged where the structure has no hydrogens and no cap.

    Examples
    --------
    >>> peptide = Peptide.from_structure(load_structure("pep.pdb"))
    >>> peptide.sequence, peptide.heavy[0, "CA"]
    """

    residue_types: tuple[str, ...]
    heavy: dict[tuple[int, str], int]
    hydrogens: dict[int, int]
    n_atoms: int
    charged_n_terminus: bool
    charged_c_terminus: bool

    @property
    def sequence(self) -> str:
        """One-letter sequence, caps left out."""
        return "".join(naming.ONE_LETTER[name] for name in self.residue_types if name not in naming.CAPS)

    @property
    def n_residues(self) -> int:
        """Number of residues, caps left out."""
        return len(self.sequence)

    @property
    def order(self) -> np.ndarray:
        """(N,) the user's atoms in the order of slots: heavy atoms, then hydrogens; the same in every file of it."""
        return np.array([*self.heavy.values(), *self.hydrogens], dtype=int)

    @classmethod
    def from_structure(cls, structure: Structure, *, disulphides: bool = False) -> Peptide:
        """Find the slot of every atom.

        Parameters
        ----------
        structure
            The atoms.
        disulphides
            Take chains with disulphide bonds, which say nothing of any slot.

        Raises
        ------
        MDGenError
            If the structure is not one complete, linear peptide of standard L-residues: it names the residue or atom,
            the limit and the remedy.
        """
        residues = group_residues(structure)
        for residue in residues:
            check_atoms(residue)
        residues = order_residues(structure, residues)
        check_ends(residues)
        check_cross_links(structure, residues, disulphides)
        residues = [check_handedness(residue, structure.positions) for residue in residues]
        types = tuple(residue.type for residue in residues)
        heavy = {(index, name): atom for index, residue in enumerate(residues) for name, atom in residue.ordered()}
        parents = hydrogen_parents(structure, heavy)
        hydrogens = in_order(parents, heavy, types, structure.positions)
        counts = Counter(hydrogens.values())
        n_ammonium = 2 if types[0] == "PRO" else 3
        last = len(types) - 1
        return cls(
            residue_types=types,
            heavy=heavy,
            hydrogens=hydrogens,
            n_atoms=len(structure.names),
            charged_n_terminus=types[0] != "ACE" and (not hydrogens or counts[heavy[0, "N"]] == n_ammonium),
            charged_c_terminus=(last, "OXT") in heavy and counts[heavy[last, "OXT"]] + counts[heavy[last, "O"]] == 0,
        )

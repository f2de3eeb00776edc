"""Which atom of the user's topology is which slot of a peptide. Knows no file format."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from scipy.spatial import cKDTree

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide import naming
from openmm_mdgen.peptide.chain import Residue, Structure, group_residues, order_residues
from openmm_mdgen.peptide.checks import check_atoms, check_cross_links, check_ends, check_handedness

__all__ = ["Peptide", "Structure"]

_HYDROGEN_LIMIT = 1.5  # Å, hydrogen to its heavy atom


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
        Index of the user's hydrogen -> index of the user's heavy atom that it is bonded to.
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

    @classmethod
    def from_structure(cls, structure: Structure) -> Peptide:
        """Find the slot of every atom.

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
        check_cross_links(structure, residues)
        residues = [check_handedness(residue, structure.positions) for residue in residues]
        types = tuple(residue.type for residue in residues)
        heavy = {(index, name): atom for index, residue in enumerate(residues) for name, atom in residue.ordered()}
        hydrogens = _hydrogen_parents(structure, residues)
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


def _hydrogen_parents(structure: Structure, residues: list[Residue]) -> dict[int, int]:
    """Heavy atom of every hydrogen: from the bonds, else the nearest within reach, else by name."""
    heavy = sorted(atom for residue in residues for atom in residue.atoms.values())
    is_heavy = set(heavy)
    bonded: dict[int, int] = {}
    for pair in structure.bonds:
        for hydrogen, parent in (pair, pair[::-1]):
            if hydrogen not in is_heavy and parent in is_heavy:
                bonded[hydrogen] = parent
    hydrogens = [atom for atom in range(len(structure.names)) if atom not in is_heavy]
    if not hydrogens:
        return {}
    distances, nearest = cKDTree(structure.positions[heavy]).query(structure.positions[hydrogens])
    parents = {}
    for hydrogen, distance, place in zip(hydrogens, distances, nearest, strict=True):
        if hydrogen in bonded:
            parents[hydrogen] = bonded[hydrogen]
        elif distance <= _HYDROGEN_LIMIT:
            parents[hydrogen] = heavy[place]
        else:
            parents[hydrogen] = _parent_by_name(structure, hydrogen, heavy)
    return parents


def _parent_by_name(structure: Structure, hydrogen: int, heavy: list[int]) -> int:
    """Heavy atom of the same residue that shares the hydrogen's locant."""
    residue = structure.residues[hydrogen]
    by_name = {structure.names[atom].strip().upper(): atom for atom in heavy if structure.residues[atom] == residue}
    parent = naming.hydrogen_to_heavy(structure.names[hydrogen].strip().upper(), by_name)
    if parent is None:
        raise MDGenError(
            f"atom {hydrogen} ({structure.names[hydrogen]}) has no heavy atom within {_HYDROGEN_LIMIT} Å; move it, or "
            "strip the hydrogens"
        )
    return by_name[parent]

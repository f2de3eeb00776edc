"""Atoms as the user gave them, grouped into residues and ordered along one chain by peptide bonds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide import naming
from openmm_mdgen.peptide.residues import peptide_selection
from openmm_mdgen.peptide.structure import Structure

_PEPTIDE_BOND_LIMIT = 2.0  # Å, C to N of the next residue
_LISTED_BOND_LIMIT = 3.0  # Å, the same where the topology lists the bond
_APART = (0.8, 2.5)  # Å, from a heavy atom to the nearest other one


@dataclass(frozen=True)
class Residue:
    """One amino acid or cap: canonical heavy-atom names and the user's indices."""

    type: str
    label: str  # number and insertion code as the user has them, for messages
    atoms: dict[str, int]

    def __str__(self) -> str:
        return f"residue {self.label} ({self.type})"

    def ordered(self) -> list[tuple[str, int]]:
        names = (*naming.HEAVY_ATOMS[self.type], "OXT")
        return [(name, self.atoms[name]) for name in names if name in self.atoms]


def is_hydrogen(structure: Structure) -> np.ndarray:
    """(N,) which atoms are hydrogens, by their elements or else their names."""
    pairs = zip(structure.names, structure.elements, strict=True)
    return np.array([naming.atom_to_element(name, element) == "H" for name, element in pairs], dtype=bool)


def group_residues(structure: Structure) -> list[Residue]:
    """Group the heavy atoms into amino acids and caps, in file order; refuse whatever is neither."""
    if not structure.names:
        raise MDGenError("the structure has no atoms, at least one residue is needed; check the file or the selection")
    n_bad = int(np.count_nonzero(~np.isfinite(structure.positions).all(axis=-1)))
    if n_bad:
        raise MDGenError(
            f"{n_bad} of {len(structure.names)} atoms have NaN or infinite positions; set all positions first"
        )
    members: dict[int, list[int]] = defaultdict(list)
    for atom, residue in enumerate(structure.residues.tolist()):
        members[residue].append(atom)
    groups = [members[key] for key in sorted(members)]
    _refuse_others(structure, groups)
    _check_unit(structure.positions[~is_hydrogen(structure)])
    residues = name_residues(structure)
    if all(residue.type in naming.CAPS for residue in residues):
        raise MDGenError(
            "the structure has no amino-acid residues, at least one is needed; check the file or the selection"
        )
    return residues


def name_residues(structure: Structure) -> list[Residue]:
    """Amino acids and caps of a structure, in file order, with canonical names of the heavy atoms that there are.

    Raises
    ------
    MDGenError
        If a residue has two heavy atoms of one name.
    """
    hydrogen = is_hydrogen(structure)
    members: dict[int, list[int]] = defaultdict(list)
    for atom in np.flatnonzero(~hydrogen).tolist():
        members[int(structure.residues[atom])].append(atom)
    return [part for key in sorted(members) for part in _split_caps(structure, members[key])]


def _check_unit(positions: np.ndarray) -> None:
    """Raise where heavy atoms lie as far apart as nm taken for Å, or Å taken for nm, would have them."""
    if len(positions) < 4:
        return
    shortest, longest = np.percentile(cKDTree(positions).query(positions, k=2)[0][:, 1], [5, 95])
    for factor, unit in ((0.1, "nm"), (10.0, "Å taken for nm")):
        if _APART[0] * factor < shortest and longest < _APART[1] * factor:
            raise MDGenError(
                f"heavy atoms are {shortest:.3g} to {longest:.3g} Å from the nearest one, where {_APART[0]:g} to "
                f"{_APART[1]:g} Å are usual: positions in {unit}? Give Å in a Universe, and a Quantity, or nm, with a "
                "Topology"
            )


def _refuse_others(structure: Structure, groups: list[list[int]]) -> None:
    """Raise for residues that are not amino acids or caps, naming them by kind."""
    others: dict[str, Counter[str]] = defaultdict(Counter)
    for atoms in groups:
        name = structure.resnames[atoms[0]].strip()
        if naming.residue_to_canonical(name) is not None:
            continue
        if {"N", "CA", "C"} <= {structure.names[atom].strip().upper() for atom in atoms}:
            raise MDGenError(
                f"residue {structure.label(atoms[0])} ({name}) is not a standard residue; only the 20 L-amino acids "
                "and the caps ACE, NME, NH2 are known; replace it, for example by PDBFixer's "
                "replaceNonstandardResidues"
            )
        is_water = name.upper() in naming.WATERS
        is_ion = name.upper() in naming.IONS or len(atoms) == 1
        others["waters" if is_water else "ions" if is_ion else "ligands or other molecules"][name] += 1
    if others:
        found = ", ".join(
            f"{sum(count.values())} {kind} ({', '.join(list(count)[:5])})" for kind, count in others.items()
        )
        raise MDGenError(
            f"the structure has {found}; only one peptide and nothing else can be generated; keep the peptide alone, "
            f"by select_atoms({peptide_selection(structure.resnames)!r}) in MDAnalysis, --select protein on the "
            "command line or Modeller in OpenMM"
        )


def _split_caps(structure: Structure, atoms: Sequence[int]) -> list[Residue]:
    """The residue of one group of heavy atoms, and the caps that CHARMM patches put into the same group."""
    residue_type, label = naming.residue_to_canonical(structure.resnames[atoms[0]]), structure.label(atoms[0])
    assert residue_type is not None
    heavy: dict[str, int] = {}
    for atom in atoms:
        name = structure.names[atom].strip().upper()
        if name in heavy:
            raise MDGenError(
                f"residue {label} ({residue_type}) has two atoms named {name}; keep one alternate location of each, or "
                "give them names of their own"
            )
        heavy[name] = atom
    parts: dict[str, dict[str, int]] = {"ACE": {}, residue_type: {}, "NME": {}}
    for name, atom in heavy.items():
        patch = naming.CHARMM_PATCH_ATOMS.get(name, residue_type) if residue_type not in naming.CAPS else residue_type
        parts[patch][name] = atom
    if set(parts["NME"]) == {"NT"}:
        parts["NH2"] = parts.pop("NME")
    return [
        Residue(kind, label, {naming.heavy_to_canonical(kind, part)[name]: atom for name, atom in part.items()})
        for kind, part in parts.items()
        if part
    ]


def order_residues(structure: Structure, residues: list[Residue]) -> list[Residue]:
    """Residues from the N to the C terminus, by peptide bonds."""
    following = _following(structure, residues)
    starts = sorted(set(range(len(residues))) - set(following.values()))
    if not starts:
        raise MDGenError(
            f"the peptide is cyclic ({len(residues)} residues); only linear peptides can be generated; open the ring"
        )
    if len(starts) > 1:
        labels = len({int(structure.chains[next(iter(residue.atoms.values()))]) for residue in residues})
        raise MDGenError(
            f"the structure has {len(starts)} chains or chain breaks ({labels} chain labels; {residues[starts[1]]} has "
            f"no C within {_PEPTIDE_BOND_LIMIT} Å of its N), at most 1 chain can be generated; select one chain, make "
            "the molecule whole across the periodic box, model missing residues, or replace non-standard ones that a "
            "selection leaves out (PDBFixer does both)"
        )
    order = starts
    while order[-1] in following:
        order.append(following[order[-1]])
    if len(order) < len(residues):
        raise MDGenError(
            f"{len(residues) - len(order)} residues form a ring apart from the chain; select one linear chain"
        )
    return [residues[index] for index in order]


def _following(structure: Structure, residues: list[Residue]) -> dict[int, int]:
    """Index of each residue -> index of the residue whose N its C is bonded to."""
    from_c = [index for index, residue in enumerate(residues) if "C" in residue.atoms]
    to_n = [index for index, residue in enumerate(residues) if "N" in residue.atoms]
    if not from_c or not to_n:
        return {}
    carbons = [residues[index].atoms["C"] for index in from_c]
    nitrogens = [residues[index].atoms["N"] for index in to_n]
    distance = cdist(structure.positions[carbons], structure.positions[nitrogens])
    limit = np.full_like(distance, _PEPTIDE_BOND_LIMIT)
    row, column = ({atom: place for place, atom in enumerate(atoms)} for atoms in (carbons, nitrogens))
    for pair in structure.bonds:
        for carbon, nitrogen in (pair, pair[::-1]):
            if carbon in row and nitrogen in column:
                limit[row[carbon], column[nitrogen]] = _LISTED_BOND_LIMIT
    distance[(distance > limit) | np.equal.outer(from_c, to_n)] = np.inf
    nearest = distance.argmin(axis=1)
    return {from_c[c]: to_n[n] for c, n in enumerate(nearest) if np.isfinite(distance[c, n])}

"""The same molecule in two sources: atom by atom, by slot and by geometry, whatever either calls its atoms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import permutations

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.hydrogens import around, heavy_neighbours
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure


def match_atoms(reference: Structure, other: Structure, what: str, remedy: str) -> np.ndarray:
    """(N,) indices that put the atoms of `other` into the order of `reference`.

    Heavy atoms go by slot. Hydrogens on a heavy atom with two heavy neighbours go by the side on which they lie. Those
    on the end of a bond keep their names where both sources use the same (but for one), else their order in the file,
    unless that would turn their group inside out; then the nearest torsions decide.

    Parameters
    ----------
    reference, other
        Two structures.
    what
        Of `other`, for messages: ``"the structure at 300 ps"``.
    remedy
        What to do where they differ.

    Raises
    ------
    MDGenError
        If either is no complete peptide, or they are not the same molecule.
    """
    if same_atoms(reference, other) and not _is_peptide(reference):
        return np.arange(len(reference.names))
    first, second = Peptide.from_structure(reference), Peptide.from_structure(other)
    if first.residue_types != second.residue_types:
        sequences = ("-".join(peptide.residue_types) for peptide in (second, first))
        raise MDGenError(f"{what} is {next(sequences)}, the first one {next(sequences)}; {remedy}")
    if set(first.heavy) != set(second.heavy):
        index, name = min(set(first.heavy) ^ set(second.heavy))
        raise MDGenError(
            f"{what} and the first one differ in atom {name} of residue {index + 1} ({first.residue_types[index]}); "
            f"{remedy}"
        )
    order = np.full(len(reference.names), -1)
    for slot, atom in first.heavy.items():
        order[atom] = second.heavy[slot]
    mine, theirs = _by_parent(first), _by_parent(second)
    near = heavy_neighbours(first.residue_types, first.heavy), heavy_neighbours(second.residue_types, second.heavy)
    for slot, parent in first.heavy.items():
        ours, others = mine[parent], theirs[second.heavy[slot]]
        if len(ours) != len(others):
            raise MDGenError(
                f"{what} has {len(others)} hydrogens on {slot[1]} of residue {slot[0] + 1} "
                f"({first.residue_types[slot[0]]}), the first one {len(ours)}; {remedy}"
            )
        order[ours] = _hydrogens((reference, ours, parent, near[0]), (other, others, second.heavy[slot], near[1]))
    return order


def match_hydrogens(
    reference: Structure, other: Structure, first: Peptide, second: Peptide, slots: Iterable[tuple[int, str]]
) -> dict[int, int]:
    """The other's hydrogen for each of the reference's on these heavy atoms, where both have as many.

    They go by name where both sources use the same ones, else by their order in the file: for positions that are taken
    over as they are.

    Parameters
    ----------
    reference, other
        Two structures, of other residues elsewhere maybe.
    first, second
        Their atoms by slot.
    slots
        Heavy atoms that both have.
    """
    mine, theirs = _by_parent(first), _by_parent(second)
    found: dict[int, int] = {}
    for slot in slots:
        ours, others = sorted(mine[first.heavy[slot]]), sorted(theirs[second.heavy[slot]])
        if len(ours) == len(others):
            names = {_name(other, atom): atom for atom in others}
            wanted = [_name(reference, atom) for atom in ours]
            known = set(names) == set(wanted) and len(names) == len(ours)
            found |= dict(zip(ours, [names[name] for name in wanted] if known else others, strict=True))
    return found


def same_atoms(first: Structure, second: Structure) -> bool:
    """Whether two structures call the same atoms the same, in the same order."""
    return _names(first) == _names(second)


def _names(structure: Structure) -> list[tuple[str, str]]:
    return [(r.strip().upper(), n.strip().upper()) for r, n in zip(structure.resnames, structure.names, strict=True)]


def _is_peptide(structure: Structure) -> bool:
    try:
        Peptide.from_structure(structure)
    except MDGenError:
        return False
    return True


def _by_parent(peptide: Peptide) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for hydrogen, parent in peptide.hydrogens.items():
        groups[parent].append(hydrogen)
    return groups


_Group = tuple[
    Structure, list[int], int, dict[int, list[int]]
]  # structure, hydrogens in order about, heavy atom, bonds


def _hydrogens(mine: _Group, theirs: _Group) -> list[int]:
    """Their hydrogen for each of ours."""
    (reference, ours, parent, near), (other, others, _, _) = mine, theirs
    if len(ours) < 2:
        return others
    if len(near[parent]) > 1:
        return others  # both lie in the order of their sides
    by_name = _by_name([_name(reference, atom) for atom in ours], {_name(other, atom): atom for atom in others})
    by_place = dict(zip(sorted(ours), sorted(others), strict=True))
    by_file = [by_place[atom] for atom in ours]
    for candidate in (by_name, by_file):
        if -1 not in candidate and len(set(candidate)) == len(ours) and _turns_as(mine, theirs, candidate):
            return candidate
    return min(map(list, permutations(others)), key=lambda order: _twist(mine, theirs, order))


def _name(structure: Structure, atom: int) -> str:
    """A hydrogen's name with a leading digit last: ``1HB`` is ``HB1``."""
    name = structure.names[atom].strip().upper()
    rest = name.lstrip("0123456789")
    return rest + name[: len(name) - len(rest)]


def _by_name(names: list[str], theirs: dict[str, int]) -> list[int]:
    """Their atom of each name; the one that is left for a name that is not among theirs; -1 for more of these."""
    found = [theirs.get(name, -1) for name in names]
    left = [atom for atom in theirs.values() if atom not in found]
    if found.count(-1) == len(left) == 1:
        found[found.index(-1)] = left[0]
    return found


def _turns_as(mine: _Group, theirs: _Group, order: list[int]) -> bool:
    """Whether three hydrogens taken in this order go round the bond the same way; two always do."""
    if len(order) != 3:
        return True
    steps = [np.diff(_angles(group, atoms)) for group, atoms in ((mine, mine[1]), (theirs, order))]
    turns = [np.sign((step + np.pi) % (2 * np.pi) - np.pi) for step in steps]
    return bool((turns[0] == turns[1]).all())


def _twist(mine: _Group, theirs: _Group, order: list[int]) -> float:
    """How far torsions differ in all."""
    apart = _angles(theirs, order) - _angles(mine, mine[1])
    return float(np.abs((apart + np.pi) % (2 * np.pi) - np.pi).sum())


def _angles(group: _Group, atoms: list[int]) -> np.ndarray:
    structure, _, parent, near = group
    return around(atoms, parent, near, structure.positions)

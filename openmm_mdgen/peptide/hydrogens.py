"""Hydrogens by where they are: their heavy atoms, and an order that no naming convention changes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial import cKDTree

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.frames import dihedral
from openmm_mdgen.geometry.sidechains import heavy_bonds
from openmm_mdgen.peptide import naming
from openmm_mdgen.peptide.structure import Structure

_REACH = 1.5  # Å, hydrogen to its heavy atom
_AWAY = math.pi / 6  # where torsions are cut, off the staggered and the planar ones


def hydrogen_parents(structure: Structure, heavy: Mapping[tuple[int, str], int]) -> dict[int, int]:
    """Index of the heavy atom of every hydrogen, which are all atoms that have no slot.

    A listed bond counts where it is as short as one; else the nearest heavy atom within reach; else the listed bond
    after all, or the name.

    Raises
    ------
    MDGenError
        If none of these finds one.
    """
    slots = sorted(heavy.values())
    is_heavy = set(slots)
    hydrogens = [atom for atom in range(len(structure.names)) if atom not in is_heavy]
    if not hydrogens:
        return {}
    listed: dict[int, list[int]] = defaultdict(list)
    for pair in structure.bonds:
        for hydrogen, parent in (pair, pair[::-1]):
            if hydrogen not in is_heavy and parent in is_heavy:
                listed[hydrogen].append(parent)
    x = structure.positions
    distances, nearest = cKDTree(x[slots]).query(x[hydrogens])
    parents = {}
    for hydrogen, distance, place in zip(hydrogens, distances, nearest, strict=True):
        near = sorted((float(np.linalg.norm(x[hydrogen] - x[parent])), parent) for parent in listed[hydrogen])
        if near and near[0][0] <= _REACH:
            parents[hydrogen] = near[0][1]
        elif distance <= _REACH:
            parents[hydrogen] = slots[place]
        else:
            parents[hydrogen] = near[0][1] if near else _parent_by_name(structure, hydrogen, slots)
    return parents


def _parent_by_name(structure: Structure, hydrogen: int, heavy: list[int]) -> int:
    """Heavy atom of the same residue that shares the hydrogen's locant."""
    residue = structure.residues[hydrogen]
    by_name = {structure.names[atom].strip().upper(): atom for atom in heavy if structure.residues[atom] == residue}
    parent = naming.hydrogen_to_heavy(structure.names[hydrogen].strip().upper(), by_name)
    if parent is None:
        raise MDGenError(
            f"atom {hydrogen} ({structure.names[hydrogen]}) has no heavy atom within {_REACH} Å; move it, or strip the "
            "hydrogens"
        )
    return by_name[parent]


def heavy_neighbours(types: Sequence[str], heavy: Mapping[tuple[int, str], int]) -> dict[int, list[int]]:
    """The user's index of each heavy atom -> those of its heavy neighbours, in the order of slots."""
    rank = {atom: place for place, atom in enumerate(heavy.values())}
    near: dict[int, list[int]] = {atom: [] for atom in rank}
    for one, other in heavy_bond_pairs(types, heavy):
        near[one].append(other)
        near[other].append(one)
    return {atom: sorted(others, key=rank.__getitem__) for atom, others in near.items()}


def heavy_bond_pairs(types: Sequence[str], heavy: Mapping[tuple[int, str], int]) -> list[tuple[int, int]]:
    """Bonds between the heavy atoms of a chain, as the user's indices."""
    pairs = [
        (heavy[index, one], heavy[index, other])
        for index, kind in enumerate(types)
        for one, other in (*heavy_bonds(kind), ("C", "OXT"))
        if (index, one) in heavy and (index, other) in heavy
    ]
    return pairs + [(heavy[index, "C"], heavy[index + 1, "N"]) for index in range(len(types) - 1)]


def in_order(
    parents: Mapping[int, int], heavy: Mapping[tuple[int, str], int], types: Sequence[str], positions: np.ndarray
) -> dict[int, int]:
    """The same mapping in an order that geometry decides: by slot of the heavy atom, then about it.

    Two hydrogens beside two heavy neighbours go by the side of their plane on which they lie; on the end of a bond
    they go by torsion.
    """
    near = heavy_neighbours(types, heavy)
    groups: dict[int, list[int]] = defaultdict(list)
    for hydrogen, parent in parents.items():
        groups[parent].append(hydrogen)
    ordered: dict[int, int] = {}
    for parent in heavy.values():
        members = groups.get(parent, [])
        if len(members) > 1:
            angles = around(members, parent, near, positions)
            members = [members[place] for place in np.argsort(angles, kind="stable")]
        ordered |= dict.fromkeys(members, parent)
    return ordered


def around(hydrogens: Sequence[int], parent: int, near: Mapping[int, list[int]], positions: np.ndarray) -> np.ndarray:
    """(H,) where hydrogens lie about their heavy atom: torsions in [0, 2 pi), whatever they are called."""
    neighbours = near[parent]
    if not neighbours:
        return np.arange(len(hydrogens), dtype=float)
    if len(neighbours) > 1:
        a, b = neighbours[1], neighbours[0]
    else:
        b = neighbours[0]
        a = next((atom for atom in near[b] if atom != parent), parent)
    x = np.asarray(positions, dtype=np.float64)
    angles: np.ndarray = dihedral(x[a], x[b], x[parent], x[list(hydrogens)])
    turned: np.ndarray = (angles + _AWAY) % (2 * math.pi)
    return turned

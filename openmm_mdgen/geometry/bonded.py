"""Bonds, angles, planes and torsions of side chains and carbonyls, as stiff as in Amber force fields.

Atoms beyond CA are placed from three others; those of a side chain share a quadratic energy about a reference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from openmm_mdgen.geometry.frames import bond_angle, bond_length, dihedral, unit
from openmm_mdgen.geometry.hydrogen_motion import ROTOR, SCISSOR
from openmm_mdgen.geometry.sidechains import SIDE_CHAINS, heavy_bonds
from openmm_mdgen.geometry.skeleton import Skeleton

_BOLTZMANN = 8.314462618e-3  # kJ/mol/K
_PLANAR = 0.2  # height over the neighbours' plane, as a share of the bond, below which an atom is planar
_PLANE, _PLANE_AMIDE, _PLANE_WEAK = 240.0, 370.0, 25.0  # kJ/mol/rad²: carboxylate, amide, ring or nitrogen
_RING_TORSION = 60.0  # kJ/mol/rad²
_TWISTED = {"ARG": ("NE-CZ", "CZ-NH1", "CZ-NH2"), "ASN": ("CG-ND2",), "GLN": ("CD-NE2",)}  # planar though in no ring
_TWIST = 42.0  # kJ/mol/rad² of each of their torsions
_STRETCH = {  # elements: (Å up to which a bond is short, kJ/mol/Å² of short ones, and of long ones)
    "CC": (1.45, 3900.0, 2600.0),
    "CN": (1.41, 3900.0, 2950.0),
    "CO": (1.30, 5100.0, 2900.0),
    "CS": (0.00, 1950.0, 1950.0),
}
_LENGTHS = {  # Å
    "CC": (1.36, 1.40, 1.44, 1.527),
    "CN": (1.325, 1.390, 1.475),
    "CO": (1.235, 1.25, 1.364, 1.415),
    "CS": (1.81,),
}
_ROOM, _STRAINED = 300.0, 0.3  # K, and the strain of minimised structures at most
_BEND_SP3 = {"CC": 335.0, "CN": 600.0, "CO": 418.0, "CS": 418.0}  # kJ/mol/rad², the outer two; others as the planar
_BEND_SULPHUR, _BEND_PLANAR, _BEND_CARBOXYL, _BEND_TO_PLANAR = 519.0, 560.0, 650.0, 527.0
_BEND_HYDROGEN = {"C": 418.4, "N": 418.4, "O": 460.2, "S": 359.8}  # the centre


@dataclass
class Placement:
    """An atom from three others; which of length, angle and torsion are drawn."""

    atom: int
    abc: tuple[int, int, int]
    free: tuple[bool, bool, bool]


@dataclass
class Group:
    """Atoms that share an energy, in the order in which they are placed, and bonds that hold them together."""

    placements: list[Placement]
    bonds: list[tuple[int, int]]
    twisted: list[tuple[int, int]] = field(default_factory=list)
    rotors: list[tuple[int, int]] = field(default_factory=list)  # an atom with hydrogens alone beyond a bond, and that


def share_at_rest(skeleton: Skeleton, reference: np.ndarray) -> float:
    """How far a structure (N, 3) is from a snapshot of MD at room temperature, by its side chains' bond lengths.

    1 where they are those of a minimised structure, 0 where they differ as in MD: then a draw about them would count
    thermal motion twice.
    """
    found = []
    elements = skeleton.elements
    for group in groups_of(replace(skeleton, hydrogens={})):
        for a, b in group.bonds:
            length = float(bond_length(reference[a], reference[b]))
            pair = "".join(sorted(elements[a] + elements[b]))
            ideal = min(_LENGTHS.get(pair, (length,)), key=lambda x: abs(x - length))
            found.append((length - ideal) ** 2 * stretch(pair, length) / (_BOLTZMANN * _ROOM))
    strain = float(np.mean(found)) if found else 0.0
    return 1.0 if strain < _STRAINED else max(0.0, 1.0 - strain)


# which atoms are drawn -----------------------------------------------------------------------------------------------


def groups_of(skeleton: Skeleton) -> list[Group]:
    """A group per carbonyl or carboxylate, and one per side chain."""
    out = []
    for residue, kind in enumerate(skeleton.residue_types):
        atoms = {("CA" if name == "CH3" else name): i for (r, name), i in skeleton.heavy.items() if r == residue}
        if "C" in atoms and "O" in atoms:
            out.append(_carbonyl(atoms, skeleton.heavy.get((residue + 1, "N"))))
        if "CB" in atoms and kind != "PRO":
            out.append(_side_chain(kind, atoms, skeleton.hydrogens))
    return out


def _carbonyl(atoms: Mapping[str, int], following: int | None) -> Group:
    """Oxygens on C; at the end of a chain the torsion of the first of them is psi, which stays."""
    before = atoms["N"] if following is None else following
    bonds = [(atoms["CA"], atoms["C"]), (atoms["C"], atoms["O"])]
    placements = [Placement(atoms["O"], (before, atoms["CA"], atoms["C"]), (True, True, following is not None))]
    if following is not None:
        bonds.append((atoms["C"], following))
    if "OXT" in atoms:
        placements.append(Placement(atoms["OXT"], (before, atoms["CA"], atoms["C"]), (True, True, True)))
        bonds.append((atoms["C"], atoms["OXT"]))
    return Group(placements, bonds)


def _side_chain(kind: str, atoms: Mapping[str, int], hydrogens: Mapping[int, int]) -> Group:
    """CB's bond, and all that lies beyond; the first atom of each chi keeps its torsion, the first of all its angle."""
    placements = [Placement(atoms["CB"], (atoms["C"], atoms["N"], atoms["CA"]), (True, False, False))]
    seen: set[int] = set()
    for branch in SIDE_CHAINS[kind]:
        turns = branch.chi > 0 and branch.chi not in seen
        seen.add(branch.chi)
        abc = atoms[branch.a], atoms[branch.b], atoms[branch.c]
        placements.append(Placement(atoms[branch.atom], abc, (True, len(placements) > 1, not turns)))
    references = {p.atom: p.abc for p in placements}
    bonds = [(atoms[x], atoms[y]) for x, y in heavy_bonds(kind)]
    bonds = [pair for pair in bonds if references.keys() & set(pair)] + [(atoms["N"], atoms["CA"])]
    near = neighbours(bonds)
    rotors = []
    for hydrogen, parent in hydrogens.items():
        if parent in references:
            _, before, first = references[parent]
            placements.append(Placement(hydrogen, (before, first, parent), (False, True, True)))
            bonds.append((parent, hydrogen))
            if len(near[parent]) == 1:
                rotors.append((first, parent))
    twisted = [(atoms[x], atoms[y]) for x, y in (pair.split("-") for pair in _TWISTED.get(kind, ()))]
    return Group(placements, bonds, twisted, [pair for pair in dict.fromkeys(rotors) if pair not in twisted])


def neighbours(bonds: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    near: dict[int, list[int]] = defaultdict(list)
    for one, other in bonds:
        near[one].append(other)
        near[other].append(one)
    return near


def ring_bonds(bonds: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Bonds without which their ends are still connected."""
    out = []
    for pair in bonds:
        near = neighbours([other for other in bonds if other != pair])
        reached, waiting = {pair[0]}, [pair[0]]
        while waiting:
            fresh = [k for k in near[waiting.pop()] if k not in reached]
            reached.update(fresh)
            waiting += fresh
        if pair[1] in reached:
            out.append(pair)
    return out


# their energy --------------------------------------------------------------------------------------------------------


def terms(
    group: Group, elements: Sequence[str], reference: np.ndarray, built: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bonds, angles, planes and torsions (S, terms) of positions (S, N, 3), and the stiffness (terms,) of each."""
    near, in_rings = neighbours(group.bonds), ring_bonds(group.bonds)
    planar = {atom for pair in in_rings for atom in pair}
    planar |= {atom for atom, others in near.items() if _is_planar(reference, atom, others)}
    values, weights = [], []
    drawn = {p.atom for p in group.placements}
    for a, b in group.bonds:
        if elements[b] != "H":
            values.append(bond_length(built[:, a], built[:, b]))
            weights.append(stretch(elements[a] + elements[b], float(bond_length(reference[a], reference[b]))))
    for centre, others in near.items():
        if not drawn & {centre, *others}:
            continue
        if len(others) == 3 and centre in planar:
            values.append(_height(built, centre, others))
            in_ring = any(centre in pair for pair in in_rings)
            weights.append(_plane(in_ring or elements[centre] == "N", [elements[k] for k in others]))
        for a, b in combinations(others, 2):
            values.append(bond_angle(built[:, a], built[:, centre], built[:, b]))
            weights.append(_bend(elements[centre], elements[a] + elements[b], centre in planar, bool(planar & {a, b})))
    for bonds, weight in ((in_rings, _RING_TORSION), (group.twisted, _TWIST)):
        for b, c in bonds:
            for torsion in _torsions(built, near, b, c):
                values.append(torsion)
                weights.append(weight)
    for b, c in group.rotors:
        turns = np.stack(_torsions(built, near, b, c))
        values.append(turns[0] + np.angle(np.exp(1j * (turns - turns[0]))).mean(0))
        weights.append(ROTOR.get((elements[c], elements[b]), 54.0))
    return np.stack(values, -1), np.array(weights)


def _torsions(built: np.ndarray, near: Mapping[int, Sequence[int]], b: int, c: int) -> list[np.ndarray]:
    """Torsions (S,) about a bond, in radians."""
    return [
        dihedral(built[:, a], built[:, b], built[:, c], built[:, d])
        for a in near[b]
        for d in near[c]
        if len({a, b, c, d}) == 4
    ]


def _height(built: np.ndarray, centre: int, others: Sequence[int]) -> np.ndarray:
    """Angle (S,) of the last neighbour out of the plane of the others."""
    first, second, last = (unit(built[:, k] - built[:, centre]) for k in others)
    out: np.ndarray = np.arcsin(np.clip((unit(np.cross(first, second)) * last).sum(-1), -1, 1))
    return out


def _plane(weak: bool, around: Sequence[str]) -> float:
    """kJ/mol/rad² of an atom out of the plane of its neighbours: impropers, and torsions of an amide."""
    if weak:
        return _PLANE_WEAK
    return _PLANE_AMIDE if "N" in around and "O" in around else _PLANE


def stretch(pair: str, length: float) -> float:
    short, stiff, soft = _STRETCH.get("".join(sorted(pair)), (1.45, 3900.0, 2600.0))
    return stiff if length < short else soft


def _is_planar(reference: np.ndarray, centre: int, others: Sequence[int]) -> bool:
    if len(others) != 3:
        return False
    return bool(abs(np.linalg.det(unit(reference[list(others)] - reference[centre]))) < _PLANAR)


def _bend(centre: str, ends: str, is_planar: bool, to_planar: bool) -> float:
    if "H" in ends:
        return SCISSOR if ends == "HH" else _BEND_HYDROGEN[centre]
    if centre == "S":
        return _BEND_SULPHUR
    if is_planar:
        return _BEND_CARBOXYL if "O" in ends else _BEND_PLANAR
    pair = "".join(sorted(ends))
    return _BEND_TO_PLANAR if pair == "CC" and to_planar else _BEND_SP3.get(pair, _BEND_PLANAR)

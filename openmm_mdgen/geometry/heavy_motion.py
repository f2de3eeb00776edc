"""Side chains and carbonyls that move: lengths and angles that a model holds fixed, drawn as they are in MD.

Atoms beyond CA are placed by bond lengths, angles and, between atoms on one centre, differences of torsions; hydrogens
among them have rigid bonds. Those of a side chain share a quadratic energy of bonds, angles, planes, ring torsions and
rotors about that of a reference, with force constants as in Amber force fields; a draw from it is added to what a frame
has. Torsions of the backbone and chi angles stay. Proline's ring is left as it is, and contacts are not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from openmm_mdgen.geometry.frames import bond_angle, bond_length, dihedral, place_atom, unit
from openmm_mdgen.geometry.hydrogen_motion import ROTOR, SCISSOR
from openmm_mdgen.geometry.sidechains import SIDE_CHAINS, heavy_bonds

_BOLTZMANN = 8.314462618e-3  # kJ/mol/K
_DIFFERENCE = 1e-4
_LOOSEST = 1.0  # kJ/mol per square of a coordinate, where no term holds it
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
class _Placement:
    """An atom from three others; which of length, angle and torsion are drawn."""

    atom: int
    abc: tuple[int, int, int]
    free: tuple[bool, bool, bool]


@dataclass
class _Group:
    """Atoms that share an energy, in the order in which they are placed, and bonds that hold them together."""

    placements: list[_Placement]
    bonds: list[tuple[int, int]]
    twisted: list[tuple[int, int]] = field(default_factory=list)
    rotors: list[tuple[int, int]] = field(default_factory=list)  # an atom with hydrogens alone beyond a bond, and that


class HeavyMotion:
    """Draws lengths and angles of heavy atoms about those of given frames; torsions that a model generates stay.

    Parameters
    ----------
    residue_types : sequence of str
        Canonical names, caps as residues of their own.
    heavy : mapping (residue, atom name) -> int
        Index of every heavy atom.
    hydrogens : mapping int -> int
        Index of each hydrogen -> index of its heavy atom.
    reference : (N, 3) ndarray
        Å, whose lengths and angles are the equilibrium ones.
    temperature : float
        K.

    Attributes
    ----------
    atoms : (n,) ndarray
        Those that move.
    groups : list of (n,) ndarray
        The same, by what moves together.

    Examples
    --------
    >>> motion = HeavyMotion(peptide.residue_types, peptide.heavy, peptide.hydrogens, positions, 350.0)
    >>> warm = motion.moved(frames, seed=7)
    """

    def __init__(
        self,
        residue_types: Sequence[str],
        heavy: Mapping[tuple[int, str], int],
        hydrogens: Mapping[int, int],
        reference: np.ndarray,
        temperature: float,
    ) -> None:
        reference = np.asarray(reference, np.float64)
        elements = dict.fromkeys(hydrogens, "H") | {atom: name[0] for (_, name), atom in heavy.items()}
        groups = _groups(residue_types, heavy, hydrogens)
        placements = [p for group in groups for p in group.placements]
        self.atoms = np.array([p.atom for p in placements], int)
        self.groups = [np.array([p.atom for p in group.placements], int) for group in groups]
        self._draws: list[tuple[np.ndarray, np.ndarray]] = []  # rows of the flattened draws, factor
        first = 0
        for group in groups:
            free = np.array([p.free for p in group.placements]).ravel()
            factor = _factor(group, free, elements, reference, _BOLTZMANN * temperature)
            self._draws.append((first + np.flatnonzero(free), factor))
            first += len(free)
        self._size = first
        self._layers = _layers(placements)

    def moved(self, frames: np.ndarray, seed: int | tuple[int, ...]) -> np.ndarray:
        """Frames (F, N, 3) Å -> the same with other lengths and angles; a function of frames and seed."""
        return self.parts_moved(frames, [len(frames)], [seed])

    def parts_moved(
        self, frames: np.ndarray, sizes: Sequence[int], seeds: Sequence[int | tuple[int, ...]]
    ) -> np.ndarray:
        """As `moved`, of frames (F, N, 3) Å in parts of these sizes, each with a seed of its own."""
        out = np.array(frames, np.float64)
        if not len(self.atoms):
            return out
        keys = [(*np.atleast_1d(seed).tolist(), 1) for seed in seeds]
        noise = np.concatenate(
            [np.random.default_rng(k).standard_normal((self._size, n)) for k, n in zip(keys, sizes, strict=True)], 1
        )
        draws = np.zeros((self._size, len(out)))
        for rows, factor in self._draws:
            draws[rows] = factor @ noise[rows]
        shifts = draws.reshape(-1, 3, len(out))
        old = np.ascontiguousarray(out.transpose(1, 2, 0))  # (N, 3, F), so that rows are fast
        new = old.copy()
        for atoms, (a, b, c), places in self._layers:
            polar = _polar(old[a], old[b], old[c], old[atoms]) + shifts[places].swapaxes(0, 1)
            new[atoms] = _placed(new[a], new[b], new[c], *polar)
        out[:, self.atoms] = new[self.atoms].transpose(2, 0, 1)
        return out


def share_at_rest(residue_types: Sequence[str], heavy: Mapping[tuple[int, str], int], reference: np.ndarray) -> float:
    """How far a structure (N, 3) is from a snapshot of MD at room temperature, by its side chains' bond lengths.

    1 where they are those of a minimised structure, 0 where they differ as in MD: then a draw about them would count
    thermal motion twice.
    """
    found = []
    for group in _groups(residue_types, heavy, {}):
        elements = {atom: name[0] for (_, name), atom in heavy.items()}
        for a, b in group.bonds:
            length = float(bond_length(reference[a], reference[b]))
            pair = "".join(sorted(elements[a] + elements[b]))
            ideal = min(_LENGTHS.get(pair, (length,)), key=lambda x: abs(x - length))
            found.append((length - ideal) ** 2 * _stretch(pair, length) / (_BOLTZMANN * _ROOM))
    strain = float(np.mean(found)) if found else 0.0
    return 1.0 if strain < _STRAINED else max(0.0, 1.0 - strain)


# which atoms are drawn -----------------------------------------------------------------------------------------------


def _groups(
    residue_types: Sequence[str], heavy: Mapping[tuple[int, str], int], hydrogens: Mapping[int, int]
) -> list[_Group]:
    """A group per carbonyl or carboxylate, and one per side chain."""
    out = []
    for residue, kind in enumerate(residue_types):
        atoms = {("CA" if name == "CH3" else name): i for (r, name), i in heavy.items() if r == residue}
        if "C" in atoms and "O" in atoms:
            out.append(_carbonyl(atoms, heavy.get((residue + 1, "N"))))
        if "CB" in atoms and kind != "PRO":
            out.append(_side_chain(kind, atoms, hydrogens))
    return out


def _carbonyl(atoms: Mapping[str, int], following: int | None) -> _Group:
    """Oxygens on C; at the end of a chain the torsion of the first of them is psi, which stays."""
    before = atoms["N"] if following is None else following
    bonds = [(atoms["CA"], atoms["C"]), (atoms["C"], atoms["O"])]
    placements = [_Placement(atoms["O"], (before, atoms["CA"], atoms["C"]), (True, True, following is not None))]
    if following is not None:
        bonds.append((atoms["C"], following))
    if "OXT" in atoms:
        placements.append(_Placement(atoms["OXT"], (before, atoms["CA"], atoms["C"]), (True, True, True)))
        bonds.append((atoms["C"], atoms["OXT"]))
    return _Group(placements, bonds)


def _side_chain(kind: str, atoms: Mapping[str, int], hydrogens: Mapping[int, int]) -> _Group:
    """CB's bond, and all that lies beyond; the first atom of each chi keeps its torsion, the first of all its angle."""
    placements = [_Placement(atoms["CB"], (atoms["C"], atoms["N"], atoms["CA"]), (True, False, False))]
    seen: set[int] = set()
    for branch in SIDE_CHAINS[kind]:
        turns = branch.chi > 0 and branch.chi not in seen
        seen.add(branch.chi)
        abc = atoms[branch.a], atoms[branch.b], atoms[branch.c]
        placements.append(_Placement(atoms[branch.atom], abc, (True, len(placements) > 1, not turns)))
    references = {p.atom: p.abc for p in placements}
    bonds = [(atoms[x], atoms[y]) for x, y in heavy_bonds(kind)]
    bonds = [pair for pair in bonds if references.keys() & set(pair)] + [(atoms["N"], atoms["CA"])]
    near = _near(bonds)
    rotors = []
    for hydrogen, parent in hydrogens.items():
        if parent in references:
            _, before, first = references[parent]
            placements.append(_Placement(hydrogen, (before, first, parent), (False, True, True)))
            bonds.append((parent, hydrogen))
            if len(near[parent]) == 1:
                rotors.append((first, parent))
    twisted = [(atoms[x], atoms[y]) for x, y in (pair.split("-") for pair in _TWISTED.get(kind, ()))]
    return _Group(placements, bonds, twisted, [pair for pair in dict.fromkeys(rotors) if pair not in twisted])


def _near(bonds: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    near: dict[int, list[int]] = defaultdict(list)
    for one, other in bonds:
        near[one].append(other)
        near[other].append(one)
    return near


def _ring_bonds(bonds: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Bonds without which their ends are still connected."""
    out = []
    for pair in bonds:
        near = _near([other for other in bonds if other != pair])
        reached, waiting = {pair[0]}, [pair[0]]
        while waiting:
            fresh = [k for k in near[waiting.pop()] if k not in reached]
            reached.update(fresh)
            waiting += fresh
        if pair[1] in reached:
            out.append(pair)
    return out


# their energy --------------------------------------------------------------------------------------------------------


def _factor(
    group: _Group, free: np.ndarray, elements: Mapping[int, str], reference: np.ndarray, kt: float
) -> np.ndarray:
    """(n, n) factor of the covariance of a group's free coordinates."""
    numbers = np.flatnonzero(free)
    shifts = np.concatenate((np.eye(len(free))[numbers], -np.eye(len(free))[numbers])) * _DIFFERENCE
    built = _built(group, shifts.reshape(len(shifts), -1, 3), reference)
    values, weights = _terms(group, elements, reference, built)
    ahead, behind = np.split(values, 2)
    slopes = (np.angle(np.exp(1j * (ahead - behind))) / (2 * _DIFFERENCE)).T  # differences are small: lengths as well
    stiffness = slopes.T @ (weights[:, None] * slopes) + _LOOSEST * np.eye(len(numbers))
    return np.asarray(np.linalg.cholesky(kt * np.linalg.inv(stiffness)))


def _built(group: _Group, shifts: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Positions (S, N, 3) with coordinates shifted by (S, atoms of the group, 3)."""
    out = np.repeat(reference[None], len(shifts), 0)
    for k, p in enumerate(group.placements):
        a, b, c = (reference[i] for i in p.abc)
        atom = reference[p.atom]
        start = np.array([bond_length(c, atom), bond_angle(b, c, atom), dihedral(a, b, c, atom)])
        length, angle, torsion = (start + shifts[:, k]).T
        out[:, p.atom] = place_atom(out[:, p.abc[0]], out[:, p.abc[1]], out[:, p.abc[2]], length, angle, torsion)
    return out


def _terms(
    group: _Group, elements: Mapping[int, str], reference: np.ndarray, built: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bonds, angles, planes and torsions (S, terms) of positions (S, N, 3), and the stiffness (terms,) of each."""
    near, ring_bonds = _near(group.bonds), _ring_bonds(group.bonds)
    planar = {atom for pair in ring_bonds for atom in pair}
    planar |= {atom for atom, others in near.items() if _is_planar(reference, atom, others)}
    values, weights = [], []
    drawn = {p.atom for p in group.placements}
    for a, b in group.bonds:
        if elements[b] != "H":
            values.append(bond_length(built[:, a], built[:, b]))
            weights.append(_stretch(elements[a] + elements[b], float(bond_length(reference[a], reference[b]))))
    for centre, others in near.items():
        if not drawn & {centre, *others}:
            continue
        if len(others) == 3 and centre in planar:
            values.append(_height(built, centre, others))
            in_ring = any(centre in pair for pair in ring_bonds)
            weights.append(_plane(in_ring or elements[centre] == "N", [elements[k] for k in others]))
        for a, b in combinations(others, 2):
            values.append(bond_angle(built[:, a], built[:, centre], built[:, b]))
            weights.append(_bend(elements[centre], elements[a] + elements[b], centre in planar, bool(planar & {a, b})))
    for bonds, weight in ((ring_bonds, _RING_TORSION), (group.twisted, _TWIST)):
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


def _plane(weak: bool, neighbours: Sequence[str]) -> float:
    """kJ/mol/rad² of an atom out of the plane of its neighbours: impropers, and torsions of an amide."""
    if weak:
        return _PLANE_WEAK
    return _PLANE_AMIDE if "N" in neighbours and "O" in neighbours else _PLANE


def _stretch(pair: str, length: float) -> float:
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


# placing -------------------------------------------------------------------------------------------------------------


def _layers(placements: Sequence[_Placement]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Atoms (K,), their references (3, K) and their places among all, for atoms that can be placed at once."""
    depth: dict[int, int] = {}
    for p in placements:
        depth[p.atom] = 1 + max(depth.get(k, 0) for k in p.abc)
    out = []
    for level in range(1, 1 + max(depth.values(), default=0)):
        places = [k for k, p in enumerate(placements) if depth[p.atom] == level]
        atoms = np.array([placements[k].atom for k in places])
        out.append((atoms, np.array([placements[k].abc for k in places]).T, np.array(places)))
    return out


def _polar(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Length c-d, angle b-c-d and torsion a-b-c-d (3, K, F) of points (K, 3, F).

    With axes in this order it is several times as fast as `geometry.frames`.
    """
    u, v, w = b - a, c - b, d - c
    first, second = _cross(u, v), _cross(v, w)
    along = np.sqrt(_dot(v, v))
    torsion = np.arctan2(_dot(_cross(first, second), v) / along, _dot(first, second))
    return np.stack((np.sqrt(_dot(w, w)), np.arctan2(np.sqrt(_dot(second, second)), -_dot(v, w)), torsion))


def _placed(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, length: np.ndarray, angle: np.ndarray, torsion: np.ndarray
) -> np.ndarray:
    """The points d (K, 3, F) of lengths, angles and torsions (K, F), see `_polar`."""
    axis = c - b
    axis = axis / np.sqrt(_dot(axis, axis))[:, None]
    normal = _cross(b - a, axis)
    normal = normal / np.sqrt(_dot(normal, normal))[:, None]
    along, across = -length * np.cos(angle), length * np.sin(angle)
    sideways = (across * np.cos(torsion))[:, None] * _cross(normal, axis)
    out: np.ndarray = c + along[:, None] * axis + sideways + (across * np.sin(torsion))[:, None] * normal
    return out


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(K, 3, F)."""
    out = np.empty_like(a)
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.subtract(a[:, y] * b[:, z], a[:, z] * b[:, y], out=out[:, x])
    return out


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(K, 3, F) -> (K, F)."""
    out: np.ndarray = np.einsum("kxf,kxf->kf", a, b)
    return out

"""Which atom of the user's topology is which slot of a peptide. Knows no file format."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from openmm_mdgen import naming
from openmm_mdgen.errors import MDGenError

_PEPTIDE_BOND_LIMIT = 2.0  # Å, C to N of the next residue
_LISTED_BOND_LIMIT = 3.0  # Å, the same where the topology lists the bond
_DISULPHIDE_LIMIT = 2.5  # Å, SG to SG
_HYDROGEN_LIMIT = 1.5  # Å, hydrogen to its heavy atom
_KEEP_PEPTIDE = (
    "keep the peptide alone, by select_atoms('protein or resname ACE NME NH2 NHE') in MDAnalysis or Modeller in OpenMM"
)
_ADD_ATOMS = "add it, for example by PDBFixer's addMissingAtoms, or include the cap in the selection"


@dataclass(frozen=True)
class Structure:
    """Atoms as the user gave them, whatever file or object they came from.

    Attributes
    ----------
    names, resnames
        Atom name and residue name of each of the N atoms.
    residues
        (N,) residue index, from 0, in file order.
    chains
        (N,) chain index.
    elements
        Element symbol of each atom, ``""`` where unknown.
    bonds
        Pairs of atom indices; may be incomplete or empty.
    positions
        (N, 3) float64, Å.
    """

    names: tuple[str, ...]
    resnames: tuple[str, ...]
    residues: np.ndarray
    chains: np.ndarray
    elements: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]
    positions: np.ndarray

    def __post_init__(self) -> None:
        shape = np.shape(self.positions)
        if shape != (len(self.names), 3):
            raise MDGenError(f"positions have shape {shape} for {len(self.names)} atoms; give one (x, y, z) per atom")


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
        residues = _chain_order(structure, _residues(structure))
        types = tuple(residue.type for residue in residues)
        for index, residue in enumerate(residues):
            _check_complete(residue, index, is_last=index == len(residues) - 1)
        _check_cross_links(structure, residues)
        residues = [_check_handedness(residue, structure.positions) for residue in residues]
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


@dataclass(frozen=True)
class _Residue:
    """One amino acid or cap: canonical heavy-atom names and the user's indices."""

    type: str
    number: int  # 1-based, in file order, for messages
    atoms: dict[str, int]

    def __str__(self) -> str:
        return f"residue {self.number} ({self.type})"

    def ordered(self) -> list[tuple[str, int]]:
        names = (*naming.HEAVY_ATOMS[self.type], "OXT")
        return [(name, self.atoms[name]) for name in names if name in self.atoms]


def _residues(structure: Structure) -> list[_Residue]:
    """Group the heavy atoms into amino acids and caps; refuse whatever is neither."""
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
    residues = [part for number, atoms in enumerate(groups, 1) for part in _split_caps(structure, number, atoms)]
    if all(residue.type in naming.CAPS for residue in residues):
        raise MDGenError(
            "the structure has no amino-acid residues, at least one is needed; check the file or the selection"
        )
    return residues


def _refuse_others(structure: Structure, groups: list[list[int]]) -> None:
    """Raise for residues that are not amino acids or caps, naming them by kind."""
    others: dict[str, Counter[str]] = defaultdict(Counter)
    for number, atoms in enumerate(groups, 1):
        name = structure.resnames[atoms[0]].strip()
        if naming.residue_to_canonical(name) is not None:
            continue
        if {"N", "CA", "C"} <= {structure.names[atom] for atom in atoms}:
            raise MDGenError(
                f"residue {number} ({name}) is not a standard residue; only the 20 L-amino acids and the caps ACE, "
                "NME, NH2 are known; replace it, for example by PDBFixer's replaceNonstandardResidues"
            )
        is_water = name.upper() in naming.WATERS
        is_ion = name.upper() in naming.IONS or len(atoms) == 1
        others["waters" if is_water else "ions" if is_ion else "ligands or other molecules"][name] += 1
    if others:
        found = ", ".join(
            f"{sum(count.values())} {kind} ({', '.join(list(count)[:5])})" for kind, count in others.items()
        )
        raise MDGenError(
            f"the structure has {found}; only one peptide and nothing else can be generated; {_KEEP_PEPTIDE}"
        )


def _split_caps(structure: Structure, number: int, atoms: Sequence[int]) -> list[_Residue]:
    """The residue of one group, and the caps that CHARMM patches put into the same group."""
    residue_type = naming.residue_to_canonical(structure.resnames[atoms[0]])
    assert residue_type is not None
    heavy = {}
    for atom in atoms:
        name = structure.names[atom].strip().upper()
        if naming.atom_to_element(name, structure.elements[atom]) == "H":
            continue
        if name in heavy:
            raise MDGenError(
                f"residue {number} ({residue_type}) has two atoms named {name}; keep one alternate location of each"
            )
        heavy[name] = atom
    parts: dict[str, dict[str, int]] = {"ACE": {}, residue_type: {}, "NME": {}}
    for name, atom in heavy.items():
        patch = naming.CHARMM_PATCH_ATOMS.get(name, residue_type) if residue_type not in naming.CAPS else residue_type
        parts[patch][name] = atom
    if set(parts["NME"]) == {"NT"}:
        parts["NH2"] = parts.pop("NME")
    return [
        _Residue(kind, number, {naming.heavy_to_canonical(kind, part)[name]: atom for name, atom in part.items()})
        for kind, part in parts.items()
        if part
    ]


def _chain_order(structure: Structure, residues: list[_Residue]) -> list[_Residue]:
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
            "the molecule whole across the periodic box, or model missing residues"
        )
    order = starts
    while order[-1] in following:
        order.append(following[order[-1]])
    if len(order) < len(residues):
        raise MDGenError(
            f"{len(residues) - len(order)} residues form a ring apart from the chain; select one linear chain"
        )
    return [residues[index] for index in order]


def _following(structure: Structure, residues: list[_Residue]) -> dict[int, int]:
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


def _check_complete(residue: _Residue, index: int, is_last: bool) -> None:
    """Raise for a missing or an unexpected heavy atom, or a cap in the middle."""
    needed = naming.HEAVY_ATOMS[residue.type]
    if is_last and residue.type not in naming.CAPS:
        needed = (*needed, "OXT")
    for name in needed:
        if name not in residue.atoms:
            kind = "backbone" if name in naming.BACKBONE else "C-terminal" if name == "OXT" else "side-chain"
            kind = "cap" if residue.type in naming.CAPS else kind
            raise MDGenError(f"{residue} misses its {kind} atom {name}; all heavy atoms are needed; {_ADD_ATOMS}")
    unknown = sorted(set(residue.atoms) - set(needed))
    if unknown:
        raise MDGenError(
            f"{residue} has an atom {unknown[0]} that standard {residue.type} has not; only unmodified residues "
            "are known; remove or rename it"
        )
    if (residue.type == "ACE" and index > 0) or (residue.type in ("NME", "NH2") and not is_last):
        raise MDGenError(
            f"{residue} is a cap inside the chain; caps are allowed at the ends alone; check the peptide bonds"
        )


def _check_cross_links(structure: Structure, residues: list[_Residue]) -> None:
    """Raise for disulphide bonds and for any listed bond between residues that is not a peptide bond."""
    cysteines = [residue for residue in residues if residue.type == "CYS"]
    owner = {atom: (place, name) for place, residue in enumerate(residues) for name, atom in residue.atoms.items()}
    for first, second in structure.bonds:
        if first not in owner or second not in owner:
            continue
        (place_1, name_1), (place_2, name_2) = sorted((owner[first], owner[second]))
        if name_1 == name_2 == "SG":
            _refuse_disulphide(residues[place_1], residues[place_2])
        if place_1 != place_2 and (place_2 - place_1, name_1, name_2) != (1, "C", "N"):
            raise MDGenError(
                f"{residues[place_1]} and {residues[place_2]} are linked by a bond {name_1}-{name_2}; only linear "
                "peptides without cross-links can be generated; remove the bond"
            )
    for place, one in enumerate(cysteines):
        for other in cysteines[place + 1 :]:
            sulphurs = structure.positions[[one.atoms["SG"], other.atoms["SG"]]]
            if np.linalg.norm(sulphurs[0] - sulphurs[1]) < _DISULPHIDE_LIMIT:
                _refuse_disulphide(one, other)


def _refuse_disulphide(one: _Residue, other: _Residue) -> None:
    raise MDGenError(
        f"{one} and {other} form a disulphide bond (listed, or SG-SG below {_DISULPHIDE_LIMIT} Å); only free cysteines "
        "are known; reduce it, or mutate one of the two"
    )


def _check_handedness(residue: _Residue, positions: np.ndarray) -> _Residue:
    """Raise for a D-residue or an allo side chain; swap methyls of VAL and LEU that are named the wrong way."""
    atoms = residue.atoms

    def volume(*names: str) -> float:
        center, *others = positions[[atoms[name] for name in names]]
        return float(np.linalg.det(np.stack(others) - center))

    if residue.type not in ("GLY", *naming.CAPS) and volume("CA", "N", "C", "CB") < 0:
        raise MDGenError(
            f"{residue} is a D-amino acid by its C-alpha; only L-residues can be generated; mirror or rebuild it"
        )
    if (residue.type == "THR" and volume("CB", "CA", "OG1", "CG2") < 0) or (
        residue.type == "ILE" and volume("CB", "CA", "CG1", "CG2") < 0
    ):
        raise MDGenError(
            f"{residue} has the inverted C-beta of allo-{residue.type}; only the natural form is known; rebuild it"
        )
    swap = {"VAL": ("CB", "CA", "CG1", "CG2"), "LEU": ("CG", "CB", "CD1", "CD2")}.get(residue.type)
    if swap is None or volume(*swap) > 0:
        return residue
    first, second = swap[2:]
    return _Residue(residue.type, residue.number, atoms | {first: atoms[second], second: atoms[first]})


def _hydrogen_parents(structure: Structure, residues: list[_Residue]) -> dict[int, int]:
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

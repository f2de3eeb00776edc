"""One peptide as many programs would write it: names, numbers, orders, formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from openmm_mdgen.peptide.structure import Structure
from tests.helpers.tiny import structure

CAPPED, FREE = "ACE-A-NME", "QGRE"
GRID = 0.01  # Å


@dataclass(frozen=True)
class Written:
    """A peptide by one convention.

    Attributes
    ----------
    structure
        The atoms as the file has them.
    order
        (N,) index of each in the original; the second locations repeat their first one's.
    second
        (N,) which atoms are second locations.
    format
        Extension of the file.
    conect
        Bonds to list in a PDB file, as pairs of places.
    occupancies
        (N,).
    """

    structure: Structure
    order: np.ndarray
    second: np.ndarray
    format: str = "pdb"
    conect: tuple[tuple[int, int], ...] = ()
    occupancies: tuple[float, ...] = ()

    @property
    def kept(self) -> np.ndarray:
        """Places of the atoms that have frames."""
        return np.flatnonzero(~self.second)

    def write(self, folder: Path, stem: str = "pep", positions: np.ndarray | None = None) -> Path:
        """The file, at other positions (N', 3) of the original's atoms if given."""
        atoms = self.structure
        if positions is not None:
            atoms = replace(atoms, positions=positions[self.order] + 0.3 * self.second[:, None])
        path = folder / f"{stem}.{self.format}"
        writer = {"pdb": _pdb, "gro": _gro, "cif": _cif}[self.format]
        path.write_text(writer(atoms, self.occupancies or (1.0,) * len(atoms.names), self.conect))
        return path


def original(name: str) -> Structure:
    """The committed peptide on a grid that every format holds, chain A, without listed bonds."""
    atoms = structure(name)
    return replace(
        atoms,
        positions=(atoms.positions / GRID).round() * GRID,
        bonds=(),
        chain_ids=("A",) * len(atoms.names),
        segids=(),
        elements=tuple(element or name[0] for element, name in zip(atoms.elements, atoms.names, strict=True)),
    )


def plain(atoms: Structure) -> Written:
    """As OpenMM writes it."""
    return Written(atoms, np.arange(len(atoms.names)), np.zeros(len(atoms.names), dtype=bool))


def renamed(atoms: Structure, of_atom: Callable[[str, str], str], of_residue: Callable[[str, int], str]) -> Structure:
    """Other names: of an atom by (residue, atom), of a residue by (name, index)."""
    pairs = zip(atoms.resnames, atoms.names, strict=True)
    return replace(
        atoms,
        names=tuple(of_atom(residue, name) for residue, name in pairs),
        resnames=tuple(of_residue(name, int(k)) for name, k in zip(atoms.resnames, atoms.residues, strict=True)),
    )


def numbered(atoms: Structure, labels: list[str], chain: str = "A") -> Structure:
    """Other residue numbers, with insertion codes as letters behind them."""
    numbers = [int(label.rstrip("ABC")) for label in labels]
    codes = [label.lstrip("-0123456789") for label in labels]
    return replace(
        atoms,
        numbers=tuple(numbers[k] for k in atoms.residues),
        icodes=tuple(codes[k] for k in atoms.residues),
        chain_ids=(chain,) * len(atoms.names),
    )


def _shifted(atoms: Structure) -> dict[tuple[int, str], str]:
    """Names of CH2 hydrogens that count from 1 instead of 2: by (residue, name)."""
    known = set(zip(atoms.residues.tolist(), atoms.names, strict=True))
    shifted = {}
    for residue, name in known:
        if name.startswith("H") and name[-1] in "23" and (residue, name[:-1] + "1") not in known:
            other = name[:-1] + ("3" if name[-1] == "2" else "2")
            if (residue, other) in known and name not in ("H2", "H3"):
                shifted[residue, name] = name[:-1] + str(int(name[-1]) - 1)
    return shifted


def _counted_from_one(atoms: Structure) -> Structure:
    shifted = _shifted(atoms)
    keys = zip(atoms.residues.tolist(), atoms.names, strict=True)
    return replace(atoms, names=tuple(shifted.get(key, key[1]) for key in keys))


def amber(atoms: Structure) -> Written:
    """Amber: H1 to H3, NGLN, CGLU, HIE."""
    last = int(atoms.residues.max())

    def residue(name: str, k: int) -> str:
        name = {"HIS": "HIE"}.get(name, name)
        is_cap = name in ("ACE", "NME")
        return name if is_cap or k not in (0, last) else ("N" if k == 0 else "C") + name

    names = {"H": "H1"} if atoms.resnames[0] != "ACE" else {}
    first = atoms.resnames[0]
    renamed_atoms = renamed(atoms, lambda r, a: names.get(a, a) if r == first else a, residue)
    return plain(renamed_atoms)


_CHARMM_TAIL = {"O": "OT1", "OXT": "OT2"}


def charmm(atoms: Structure) -> Written:
    """CHARMM: HN, HT1 to HT3, OT1, OT2, HSE, ILE CD, CH2 hydrogens from 1."""
    first, last = atoms.resnames[0], atoms.resnames[-1]

    def atom(residue: str, name: str) -> str:
        if residue == first and first != "ACE":
            name = {"H": "HT1", "H2": "HT2", "H3": "HT3"}.get(name, name)
        if residue == last and last != "NME":
            name = _CHARMM_TAIL.get(name, name)
        return {"H": "HN", "CD1": "CD" if residue == "ILE" else "CD1"}.get(name, name)

    return plain(renamed(_counted_from_one(atoms), atom, lambda name, _: {"HIS": "HSE"}.get(name, name)))


def charmm_patches(atoms: Structure) -> Written:
    """CHARMM's ACE and CT3: the caps' atoms within the first and last residue."""
    cay = {"CH3": "CAY", "C": "CY", "O": "OY", "H1": "HY1", "H2": "HY2", "H3": "HY3"}
    cat = {"N": "NT", "H": "HNT", "C": "CAT", "CH3": "CAT", "H1": "HT1", "H2": "HT2", "H3": "HT3"}
    table = {"ACE": cay, "NME": cat}
    named = renamed(
        atoms,
        lambda r, a: table[r][a.replace("HH3", "H")] if r in table else {"H": "HN"}.get(a, a),
        lambda name, _: "ALA",
    )
    return plain(replace(named, residues=np.zeros_like(atoms.residues), numbers=(1,) * len(atoms.names)))


def gromacs(atoms: Structure) -> Written:
    """GROMACS with OPLS: HISE, LYSH, CYSH, O1 and O2, no chain; a GRO file."""
    aliases = {"HIS": "HISE", "LYS": "LYSH", "CYS": "CYSH", "ARG": "ARG", "NME": "NAC"}
    named = renamed(_counted_from_one(atoms), _gromacs_atom(atoms), lambda name, _: aliases.get(name, name))
    blank = ("",) * len(atoms.names)
    return replace(plain(replace(named, chain_ids=blank, elements=blank)), format="gro")


def gromacs_pdb(atoms: Structure) -> Written:
    """The same as a PDB file without chains or elements."""
    return replace(gromacs(atoms), format="pdb")


def _gromacs_atom(atoms: Structure) -> Callable[[str, str], str]:
    last = atoms.resnames[-1]
    tail = {"O": "O1", "OXT": "O2"} if last != "NME" else {}

    def atom(residue: str, name: str) -> str:
        name = tail.get(name, name) if residue == last else name
        return "CD" if (residue, name) == ("ILE", "CD1") else name

    return atom


def digits_first(atoms: Structure) -> Written:
    """PDB files before 2008: 1HB, 2HB."""
    named = _counted_from_one(atoms)
    return plain(replace(named, names=tuple(_digit_first(name) for name in named.names)))


def _digit_first(name: str) -> str:
    return name[-1] + name[:-1] if name[0] == "H" and name[-1].isdigit() else name


def _heavy_first(atoms: Structure) -> np.ndarray:
    return np.array([element != "H" for element in atoms.elements])


def pymol(atoms: Structure) -> Written:
    """PyMOL: heavy atoms before hydrogens in each residue, backbone first, added hydrogens H01, H02 ..."""
    heavy, backbone = _heavy_first(atoms), ("N", "CA", "C", "O", "CB")
    rank = [backbone.index(name) if name in backbone else 9 for name in atoms.names]
    order = np.lexsort([np.arange(len(heavy)), rank, ~heavy, atoms.residues])
    taken = atoms.take(order)
    counts: dict[int, int] = {}
    names = []
    for name, element, residue in zip(taken.names, taken.elements, taken.residues.tolist(), strict=True):
        counts[residue] = counts.get(residue, 0) + (element == "H")
        names.append(f"H{counts[residue]:02d}" if element == "H" else name)
    return Written(replace(taken, names=tuple(names)), order, np.zeros(len(order), dtype=bool))


def open_babel(atoms: Structure) -> Written:
    """Open Babel: hydrogens behind all other atoms, every one called H, bonds listed."""
    order = np.argsort(~_heavy_first(atoms), kind="stable")
    taken = atoms.take(order)
    names = tuple("H" if element == "H" else name for name, element in zip(taken.names, taken.elements, strict=True))
    return Written(replace(taken, names=names), order, np.zeros(len(order), dtype=bool))


def hydrogens_last(atoms: Structure) -> Written:
    """Hydrogens behind all other atoms, in reverse."""
    heavy = _heavy_first(atoms)
    order = np.concatenate([np.flatnonzero(heavy), np.flatnonzero(~heavy)[::-1]])
    return Written(atoms.take(order), order, np.zeros(len(order), dtype=bool))


def mmcif(atoms: Structure) -> Written:
    """An mmCIF file, chain BB, numbers from 27."""
    labels = [str(27 + k) for k in range(int(atoms.residues.max()) + 1)]
    return replace(plain(numbered(atoms, labels, "BB")), format="cif")


def altlocs(atoms: Structure) -> Written:
    """Two locations of the second residue's side chain, B listed behind each A."""
    twice = (atoms.residues == 1) & ~np.isin(atoms.names, ["N", "CA", "C", "O", "H", "HA"])
    order = np.repeat(np.arange(len(twice)), np.where(twice, 2, 1))
    second = np.concatenate([[False], order[1:] == order[:-1]])
    taken = atoms.take(order)
    labels = tuple("B" if b else "A" if twice[k] else "" for k, b in zip(order, second, strict=True))
    moved = replace(taken, altlocs=labels, positions=taken.positions + 0.3 * second[:, None])
    return Written(moved, order, second, occupancies=tuple(0.4 if b else 0.6 for b in second))


def altlocs_behind(atoms: Structure) -> Written:
    """The same in mmCIF, with all of the second locations after the first ones of their residue."""
    first = altlocs(atoms)
    rows = np.lexsort([np.arange(len(first.order)), first.second, first.structure.residues])
    occupancies = tuple(first.occupancies[k] for k in rows)
    return Written(first.structure.take(rows), first.order[rows], first.second[rows], "cif", occupancies=occupancies)


def insertion_codes(atoms: Structure) -> Written:
    """Residues 52, 52A, 52B, 53."""
    return plain(numbered(atoms, ["52", "52A", "52B", "53"][: int(atoms.residues.max()) + 1]))


def negative(atoms: Structure) -> Written:
    """Residues -2 to 1."""
    return plain(numbered(atoms, ["-2", "-1", "0", "1"][: int(atoms.residues.max()) + 1]))


def repeated(atoms: Structure) -> Written:
    """All residues numbered 5."""
    return plain(numbered(atoms, ["5"] * (int(atoms.residues.max()) + 1)))


def chain_b(atoms: Structure) -> Written:
    """Chain B, residues 27 to 30, CHARMM's names."""
    labels = [str(27 + k) for k in range(int(atoms.residues.max()) + 1)]
    return plain(numbered(charmm(atoms).structure, labels, "B"))


def lower_case(atoms: Structure) -> Written:
    """Names in small letters."""
    lowered = renamed(atoms, lambda _, name: name.lower(), lambda name, _: name.lower())
    return plain(replace(lowered, elements=("",) * len(atoms.names)))


def no_elements(atoms: Structure) -> Written:
    """Neither elements nor chains."""
    blank = ("",) * len(atoms.names)
    return plain(replace(atoms, elements=blank, chain_ids=blank))


def wrong_bonds(atoms: Structure) -> Written:
    """Listed bonds that geometry contradicts."""
    n = len(atoms.names)
    return replace(plain(atoms), conect=((0, n - 1), (1, n - 2), (2, n - 3), (n // 2, n // 2 + 15)))


def deuterated(atoms: Structure) -> Written:
    """Hydrogens called D, of element D, as neutron diffraction has them."""
    names = tuple("D" + n[1:] if e == "H" else n for n, e in zip(atoms.names, atoms.elements, strict=True))
    return plain(replace(atoms, names=names, elements=tuple("D" if e == "H" else e for e in atoms.elements)))


CONVENTIONS: dict[str, tuple[str, Callable[[Structure], Written]]] = {
    **{
        f.__name__: (FREE, f)
        for f in (amber, charmm, gromacs, gromacs_pdb, digits_first, pymol, open_babel, hydrogens_last, mmcif, altlocs)
    },
    **{
        f.__name__: (FREE, f)
        for f in (altlocs_behind, insertion_codes, negative, repeated, chain_b, lower_case, no_elements, wrong_bonds)
    },
    "deuterated": (FREE, deuterated),
    **{
        f"capped_{f.__name__}": (CAPPED, f)
        for f in (amber, charmm, charmm_patches, gromacs, open_babel, mmcif, lower_case, hydrogens_last)
    },
}


def _name_field(name: str) -> str:
    return f"{name:<4s}" if len(name) > 3 or name[0].isdigit() else f" {name:<3s}"


def _pdb(atoms: Structure, occupancies: tuple[float, ...], conect: tuple[tuple[int, int], ...]) -> str:
    lines = [
        f"ATOM  {k + 1:5d} {_name_field(atoms.names[k])}{atoms.altlocs[k] or ' '}{atoms.resnames[k]:<4s}"
        f"{atoms.chain_ids[k] or ' '}{atoms.numbers[k]:4d}{atoms.icodes[k] or ' '}   {x:8.3f}{y:8.3f}{z:8.3f}"
        f"{occupancies[k]:6.2f}{0.0:6.2f}          {atoms.elements[k]:>2s}"
        for k, (x, y, z) in enumerate(atoms.positions.tolist())
    ]
    lines += [f"CONECT{i + 1:5d}{j + 1:5d}" for i, j in conect]
    return "\n".join([*lines, "END", ""])


def _gro(atoms: Structure, occupancies: tuple[float, ...], conect: tuple[tuple[int, int], ...]) -> str:
    rows = [
        f"{atoms.numbers[k]:5d}{atoms.resnames[k]:<5s}{atoms.names[k]:>5s}{k + 1:5d}"
        f"{x / 10:8.3f}{y / 10:8.3f}{z / 10:8.3f}"
        for k, (x, y, z) in enumerate(atoms.positions.tolist())
    ]
    return "\n".join(["a peptide", str(len(rows)), *rows, "   0.00000   0.00000   0.00000", ""])


_COLUMNS = (
    "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_seq_id pdbx_PDB_ins_code "
    "Cartn_x Cartn_y Cartn_z occupancy auth_seq_id auth_asym_id pdbx_PDB_model_num"
)


def _cif(atoms: Structure, occupancies: tuple[float, ...], conect: tuple[tuple[int, int], ...]) -> str:
    rows = [
        f"ATOM {k + 1} {atoms.elements[k]} {atoms.names[k]} {atoms.altlocs[k] or '.'} {atoms.resnames[k]} A "
        f"{atoms.residues[k] + 1} {atoms.icodes[k] or '?'} {x:.3f} {y:.3f} {z:.3f} {occupancies[k]} "
        f"{atoms.numbers[k]} {atoms.chain_ids[k]} 1"
        for k, (x, y, z) in enumerate(atoms.positions.tolist())
    ]
    head = ["data_pep", "loop_", *(f"_atom_site.{name}" for name in _COLUMNS.split())]
    return "\n".join([*head, *rows, "#", ""])

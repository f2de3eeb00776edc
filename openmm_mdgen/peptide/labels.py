"""Residues by the names that a user gives them: ``28``, ``52A``, ``B:27``, ``2-4``; each names one or is refused."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.residues import CAPS
from openmm_mdgen.peptide.structure import Structure

_ONE = r"(?:\w+:)?-?\d+[A-Za-z_]?"
_NAME = re.compile(r"(?:(\w+):)?(-?\d+)([A-Za-z_]?)")
_RANGE = re.compile(rf"({_ONE})-({_ONE})")
_NO_CODE = "_"


@dataclass(frozen=True)
class _Row:
    """An amino acid: what the user calls it, and its place along the chain, caps left out."""

    number: int
    code: str
    chain: str
    type: str

    @property
    def label(self) -> str:
        return f"{self.number}{self.code}"


def is_residue_name(text: str) -> bool:
    """Whether a text names residues: ``-1``, ``52A``, ``B:27``, ``2-4``."""
    return bool(_NAME.fullmatch(text) or _RANGE.fullmatch(text))


def residue_places(peptide: Peptide, structure: Structure, residues: Collection[int | str]) -> dict[int | str, int]:
    """Places of named residues along the chain, from 0 and caps left out.

    Parameters
    ----------
    peptide, structure
        The molecule, and what its user calls its residues.
    residues
        Numbers, or texts: a number with its insertion code (``"52A"``; ``"52_"`` for none), its chain (``"B:27"``) or
        as a range (``"2-4"``).

    Returns
    -------
    dict
        Number, or number and insertion code, of each residue -> its place, along the chain.

    Raises
    ------
    MDGenError
        If a residue is not there, or a name could be more than one.

    Examples
    --------
    >>> residue_places(peptide, structure, [28, "52A", "60-62"])
    {28: 1, '52A': 9, 60: 12, 61: 13, 62: 14}
    """
    if isinstance(residues, str) or not isinstance(residues, Collection):
        raise MDGenError(f"residues {residues!r} are no collection of residue numbers; give for example [2, 3]")
    rows = _rows(peptide, structure)
    chosen = sorted({place for item in residues for place in _places_of(item, rows, peptide)})
    return {(rows[place].label if rows[place].code else rows[place].number): place for place in chosen}


def _rows(peptide: Peptide, structure: Structure) -> list[_Row]:
    rows = []
    for index, kind in enumerate(peptide.residue_types):
        if kind not in CAPS:
            atom = peptide.heavy[index, "CA"]
            rows.append(_Row(structure.numbers[atom], structure.icodes[atom], structure.chain_ids[atom], kind))
    return rows


def _places_of(item: int | str, rows: list[_Row], peptide: Peptide) -> list[int]:
    """The place of a number or name, or the places of a range."""
    if isinstance(item, str) and not _NAME.fullmatch(item.strip()):
        ends = _RANGE.fullmatch(item.strip())
        if ends is None:
            raise MDGenError(f"residue {item!r} is no residue number; give for example 28, '52A', 'B:27' or '2-4'")
        first, last = _matching(ends[1], rows, peptide)[0], _matching(ends[2], rows, peptide)[-1]
        if first > last:
            raise MDGenError(f"the range {item!r} names none along {peptide.sequence}; give its first residue first")
        return list(range(first, last + 1))
    found = _matching(item, rows, peptide)
    if len(found) > 1:
        raise MDGenError(_ambiguous(item, [rows[place] for place in found]))
    return found


def _matching(item: int | str, rows: list[_Row], peptide: Peptide) -> list[int]:
    """Places of the residues that a number or name may be."""
    match = _NAME.fullmatch(str(item).strip())
    chain, number, code = (match[1], int(match[2]), match[3]) if match else (None, item, "")
    found = [
        place
        for place, row in enumerate(rows)
        if row.number == number
        and (not chain or row.chain == chain)
        and (not code or row.code.upper() == code.upper().strip(_NO_CODE))
    ]
    if not found:
        known = ", ".join(row.label for row in sorted(rows, key=lambda row: (row.number, row.code)))
        raise MDGenError(f"residue {item} is not an amino acid of {peptide.sequence}; its residue numbers are {known}")
    return found


def _ambiguous(item: int | str, rows: list[_Row]) -> str:
    codes = [row.code for row in rows]
    if len(set(codes)) == len(codes):
        names = [row.label if row.code else f"{row.label}{_NO_CODE}" for row in rows]
        return (
            f"residue {item} is ambiguous: insertion codes tell {', '.join(map(repr, names))} apart; give one of these"
        )
    chains = [row.chain for row in rows]
    if len(set(chains)) == len(chains) and all(chains):
        names = [f"{row.chain}:{row.label}" for row in rows]
        return f"residue {item} is ambiguous: it is in chains {', '.join(chains)}; give one of {', '.join(names)}"
    kinds = ", ".join(row.type for row in rows)
    return (
        f"residue {item} is ambiguous: {len(rows)} residues have this number ({kinds}); number them apart first, by "
        "u.add_TopologyAttr('resids', range(1, len(u.residues) + 1)) in MDAnalysis"
    )


def with_numbers(structure: Structure, peptide: Peptide, source: Structure, source_peptide: Peptide) -> Structure:
    """A structure whose residues have the numbers and chain of another one's, residue by residue along the chain."""
    first = {index: atom for (index, _), atom in reversed(source_peptide.heavy.items())}
    residue_of = {atom: index for (index, _), atom in peptide.heavy.items()}
    residue_of |= {hydrogen: residue_of[parent] for hydrogen, parent in peptide.hydrogens.items()}
    atoms = [first[residue_of[atom]] for atom in range(len(structure.names))]
    return replace(
        structure,
        numbers=tuple(source.numbers[atom] for atom in atoms),
        icodes=tuple(source.icodes[atom] for atom in atoms),
        chain_ids=tuple(source.chain_ids[atom] for atom in atoms),
        segids=tuple(source.segids[atom] for atom in atoms),
    )

"""Atoms as the user gave them, and what the user calls them: the identity that every output gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from openmm_mdgen.errors import MDGenError


@dataclass(frozen=True)
class Structure:
    """Atoms as the user gave them, whatever file or object they came from.

    Names, numbers and labels are the user's own, character by character: nothing here goes by them but messages and
    output. Which atom is which is `Peptide`'s matter.

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
        Pairs of atom indices; may be incomplete or empty, and is believed only where geometry agrees.
    positions
        (N, 3) float64, Å.
    numbers
        Residue number of each atom; by default residues count from 1.
    icodes
        Insertion code of each atom's residue, ``""`` where it has none.
    chain_ids
        Chain label of each atom, ``""`` where it has none.
    segids
        Segment name of each atom, ``""`` where it has none.
    altlocs
        Label of each atom's location, ``""`` where there is one only.
    """

    names: tuple[str, ...]
    resnames: tuple[str, ...]
    residues: np.ndarray
    chains: np.ndarray
    elements: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]
    positions: np.ndarray
    numbers: tuple[int, ...] = ()
    icodes: tuple[str, ...] = ()
    chain_ids: tuple[str, ...] = ()
    segids: tuple[str, ...] = ()
    altlocs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_atoms, shape = len(self.names), np.shape(self.positions)
        if shape != (n_atoms, 3):
            raise MDGenError(f"positions have shape {shape} for {n_atoms} atoms; give one (x, y, z) per atom")
        if not self.numbers:
            object.__setattr__(self, "numbers", tuple(int(residue) + 1 for residue in self.residues))
        texts = (self.icodes, self.chain_ids, self.segids, self.altlocs)
        for name, values in zip(("icodes", "chain_ids", "segids", "altlocs"), texts, strict=True):
            if not values:
                object.__setattr__(self, name, ("",) * n_atoms)

    def label(self, atom: int) -> str:
        """What the user calls the atom's residue: number and insertion code, such as ``52A``."""
        return f"{self.numbers[atom]}{self.icodes[atom]}"

    def take(self, atoms: Sequence[int] | np.ndarray) -> Structure:
        """The structure of some of the atoms, in the order given, with the bonds among them."""
        chosen = [int(atom) for atom in atoms]
        place = {atom: row for row, atom in enumerate(chosen)}
        per_atom = {
            field.name: tuple(getattr(self, field.name)[atom] for atom in chosen)
            for field in fields(self)
            if field.name not in ("residues", "chains", "bonds", "positions")
        }
        return Structure(
            residues=self.residues[chosen],
            chains=self.chains[chosen],
            bonds=tuple((place[i], place[j]) for i, j in self.bonds if i in place and j in place),
            positions=self.positions[chosen],
            **per_atom,
        )


def residue_runs(
    keys: Sequence[tuple[object, ...]], blocks: Sequence[int], names: Sequence[str], is_hydrogen: Sequence[bool]
) -> np.ndarray:
    """(N,) residue index from 0 of each atom, from what a reader says of its residue.

    The reader's residues, but for two things. Atoms that stand apart from the rest of their residue, such as hydrogens
    behind all other atoms, go with the residue that is called the same, if it has no atom of their name yet. And where
    the first heavy atom's name comes again, another residue of the same number begins.

    Parameters
    ----------
    keys
        What the file calls the residue of each atom: chain, number, insertion code, name.
    blocks
        The reader's own residue index of each atom.
    names, is_hydrogen
        Of each atom.
    """
    residues = np.full(len(keys), -1)
    of_block: dict[int, int] = {}
    of_key: dict[tuple[object, ...], int] = {}
    members: list[list[str]] = []  # names of each residue's heavy atoms

    def begin(block: int, key: tuple[object, ...]) -> None:
        of_block[block] = of_key[key] = len(members)
        members.append([])

    for atom, (key, block, name) in enumerate(zip(keys, blocks, names, strict=True)):
        if not is_hydrogen[atom]:
            known = of_key.get(key)
            if block not in of_block and known is not None and name not in members[known]:
                of_block[block] = known
            elif block not in of_block or name == members[of_block[block]][0]:
                begin(block, key)
            members[of_block[block]].append(name)
        residues[atom] = of_block.get(block, -1)
    for atom in np.flatnonzero(residues < 0).tolist():
        if blocks[atom] not in of_block and keys[atom] not in of_key:
            begin(blocks[atom], keys[atom])
        residues[atom] = of_block.get(blocks[atom], of_key.get(keys[atom], -1))
    return residues

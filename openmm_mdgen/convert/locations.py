"""Files with more than one location of an atom (altloc): one of them is kept, and what is left out is said."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from MDAnalysis import AtomGroup

from openmm_mdgen.convert.attributes import has, texts
from openmm_mdgen.errors import MDGenWarning


def first_locations(
    sites: Sequence[tuple[object, ...]],
    names: Sequence[tuple[str, str]],
    altlocs: Sequence[str],
    occupancies: Sequence[float],
) -> np.ndarray:
    """Indices of the atoms of one location per residue, in file order.

    In each residue the label of the highest mean occupancy is taken, of equal ones the first in the file. Atoms that
    this label lacks come from the others, where the residue is of the same kind there.

    Parameters
    ----------
    sites
        What places each atom's residue: chain, number, insertion code.
    names
        (residue name, atom name) of each atom.
    altlocs
        Labels, ``""`` where an atom has one location only.
    occupancies
        Of each atom.
    """
    members: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for atom, site in enumerate(sites):
        members[site].append(atom)
    kept: list[int] = []
    for atoms in members.values():
        kept += _of_site(atoms, names, altlocs, occupancies)
    return np.array(sorted(kept), dtype=int)


def _of_site(
    atoms: list[int], names: Sequence[tuple[str, str]], altlocs: Sequence[str], occupancies: Sequence[float]
) -> list[int]:
    labels = list(dict.fromkeys(altlocs[atom] for atom in atoms if altlocs[atom]))
    if len(labels) < 2:
        return atoms
    weight = {label: np.mean([occupancies[atom] for atom in atoms if altlocs[atom] == label]) for label in labels}
    best = max(labels, key=weight.__getitem__)
    kept = [atom for atom in atoms if altlocs[atom] in ("", best)]
    kinds = {names[atom][0] for atom in kept if altlocs[atom] == best}
    known = {names[atom] for atom in kept}
    for label in sorted(labels, key=lambda label: -weight[label]):
        lacking = [a for a in atoms if altlocs[a] == label and names[a] not in known and names[a][0] in kinds]
        kept += lacking
        known |= {names[atom] for atom in lacking}
    return kept


def one_location(atoms: AtomGroup, *, tell: bool = True) -> AtomGroup:
    """The atoms of one location per residue, as `first_locations` chooses; the group itself where there is one only.

    Warns
    -----
    MDGenWarning
        Where atoms are left out, unless `tell` is false.
    """
    altlocs = texts(atoms, "altLocs")
    if len(set(altlocs) - {""}) < 2:
        return atoms
    columns = [texts(atoms, name) for name in ("segids", "chainIDs", "resids", "icodes")]
    occupancies = atoms.occupancies.tolist() if has(atoms, "occupancies") else [1.0] * len(atoms)
    kept = first_locations(
        list(zip(*columns, strict=True)), list(zip(atoms.resnames, atoms.names, strict=True)), altlocs, occupancies
    )
    if tell:
        tell_left_out(altlocs, kept)
    return atoms[kept] if len(kept) < len(atoms) else atoms


def tell_left_out(altlocs: Sequence[str], kept: np.ndarray) -> None:
    """Warn of the atoms at other locations than the ones that are kept."""
    left_out = sorted(set(range(len(altlocs))) - set(kept.tolist()))
    if left_out:
        labels = ", ".join(sorted({altlocs[atom] or "blank" for atom in left_out}))
        warnings.warn(
            f"{len(left_out)} of {len(altlocs)} atoms are second locations (altloc {labels}) and are left out; the "
            f"frames have {len(kept)} atoms and need a topology of these",
            MDGenWarning,
            stacklevel=3,
        )

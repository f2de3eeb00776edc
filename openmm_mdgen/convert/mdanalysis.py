"""Structures as MDAnalysis sees them: topologies and Universes under the user's own names and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.core.topology import Topology
from MDAnalysis.core.topologyattrs import (
    AltLocs,
    Atomnames,
    Bonds,
    ChainIDs,
    Elements,
    ICodes,
    Resids,
    Resnames,
    Resnums,
    Segids,
)

from openmm_mdgen.peptide.structure import Structure

NO_SEGMENT = "SYSTEM"  # what MDAnalysis calls it


def structure_to_mdanalysis(structure: Structure) -> Topology:
    """MDAnalysis topology of a structure, in its atom order, with the ids that it came with."""
    _, first, residue_of_atom = np.unique(structure.residues, return_index=True, return_inverse=True)
    segids = [segid or chain for segid, chain in zip(structure.segids, structure.chain_ids, strict=True)]
    names = [segids[atom] or NO_SEGMENT for atom in first]
    starts = [k for k, name in enumerate(names) if not k or name != names[k - 1]]
    segment_of_residue = np.searchsorted(starts, np.arange(len(names)), side="right") - 1
    numbers = np.array([structure.numbers[atom] for atom in first])
    attributes: list[Any] = [
        Atomnames(_text(structure.names)),
        Resids(numbers),
        Resnums(numbers.copy()),
        Resnames(_text([structure.resnames[atom] for atom in first])),
        ICodes(_text([structure.icodes[atom] for atom in first])),
        Segids(_text([names[k] for k in starts])),
        ChainIDs(_text(structure.chain_ids)),
        AltLocs(_text(structure.altlocs)),
    ]
    if all(structure.elements):
        attributes.append(Elements(_text(structure.elements)))
    if structure.bonds:
        attributes.append(Bonds([tuple(sorted(pair)) for pair in structure.bonds]))
    return Topology(
        len(structure.names),
        len(first),
        len(starts),
        attrs=attributes,
        atom_resindex=residue_of_atom,
        residue_segindex=segment_of_residue,
    )


def structure_to_universe(structure: Structure) -> Universe:
    """A Universe of the structure's atoms at its positions."""
    positions = structure.positions[None].astype(np.float32)
    return Universe(structure_to_mdanalysis(structure), positions, order="fac")


def _text(values: Iterable[object]) -> np.ndarray:
    return np.array(list(values), dtype=object)

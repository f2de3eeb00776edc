"""Which atoms move together: molecules of an MDAnalysis group, their bonds and their superposition weights."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from MDAnalysis import AtomGroup
from MDAnalysis.lib.distances import calc_bonds
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from openmm_mdgen.convert.attributes import has, texts
from openmm_mdgen.convert.bonds import bonds_by_distance
from openmm_mdgen.peptide.naming import atom_to_element

_LONGEST = 3.0  # Å, beyond which a listed bond is not believed


def elements(atoms: AtomGroup) -> np.ndarray:
    """(N,) element symbols, read off the names where the topology has none."""
    if not has(atoms, "names"):
        return np.full(len(atoms), "X")
    known = zip(atoms.names, texts(atoms, "elements"), strict=True)
    return np.array([atom_to_element(name, element) for name, element in known])


def superposition_weights(symbols: np.ndarray) -> np.ndarray:
    """(n,) 1 for heavy atoms and 0 for hydrogens; all 1 in a molecule of fewer than three heavy atoms."""
    heavy = symbols != "H"
    return np.where(heavy, 1.0, 0.0) if heavy.sum() >= 3 else np.ones(len(symbols))


def bond_pairs(atoms: AtomGroup) -> np.ndarray:
    """(B, 2) bonds as places in the group: those of the topology, completed by distance where it leaves atoms bare.

    A listed bond that is far too long is left out, unless nothing else joins its two atoms: then the molecule is broken
    over a box that is not known, which the user is told.
    """
    listed = _listed_bonds(atoms)
    if len(atoms) < 2:
        return listed
    lengths = calc_bonds(*atoms.positions[listed.T], box=atoms.dimensions) if len(listed) else np.empty(0)
    near, far = listed[lengths < _LONGEST], listed[lengths >= _LONGEST]
    if len(np.unique(near)) < len(atoms):
        guessed = bonds_by_distance(atoms.positions, elements(atoms), atoms.dimensions)
        near = np.unique(np.concatenate([near, guessed]), axis=0)
    joined = _components(near, len(atoms))[far]
    return np.concatenate([near, far[joined[:, 0] != joined[:, 1]]])


def _components(pairs: np.ndarray, n: int) -> np.ndarray:
    """(n,) label of what each of n places is joined to by pairs."""
    first, second = pairs.astype(np.int32).T  # early versions of scipy take no other kind, and say so on no channel
    graph = coo_array((np.ones(len(pairs)), (first, second)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1])


def _listed_bonds(atoms: AtomGroup) -> np.ndarray:
    if not has(atoms, "bonds"):
        return np.empty((0, 2), dtype=int)
    place = np.full(len(atoms.universe.atoms), -1)
    place[atoms.indices] = np.arange(len(atoms))
    pairs = place[np.asarray(atoms.bonds.indices, dtype=int).reshape(-1, 2)]
    return np.unique(np.sort(pairs[(pairs >= 0).all(1)], axis=1), axis=0)


def molecules(atoms: AtomGroup, bonds: np.ndarray) -> list[np.ndarray]:
    """Places in the group of each molecule's atoms: joined by bonds and residues; segments where no bond is known."""
    if not len(bonds):
        return _runs(atoms.segindices)
    first_of_residue = np.unique(atoms.resindices, return_index=True, return_inverse=True)
    mates = np.stack([np.arange(len(atoms)), first_of_residue[1][first_of_residue[2]]], axis=1)
    return _runs(_components(np.concatenate([bonds, mates]), len(atoms)))


def residues(atoms: AtomGroup) -> list[np.ndarray]:
    """Places in the group of each residue's atoms."""
    return _runs(atoms.resindices)


def _runs(labels: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(labels) else []


def alike(places: Iterable[np.ndarray], symbols: np.ndarray, largest: int = 20_000) -> list[np.ndarray]:
    """Stack molecules of equal superposition weights: list of (R, n), at most about `largest` atoms each."""
    kinds: dict[bytes, list[np.ndarray]] = {}
    for molecule in places:
        kinds.setdefault(superposition_weights(symbols[molecule]).tobytes(), []).append(molecule)
    stacks = []
    for members in kinds.values():
        per_stack = max(1, largest // len(members[0]))
        stacks += [np.stack(members[k : k + per_stack]) for k in range(0, len(members), per_stack)]
    return stacks

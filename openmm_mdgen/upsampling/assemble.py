"""From MDAnalysis atoms and a model to an engine: what the network moves, what is only interpolated."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from MDAnalysis import AtomGroup

from openmm_mdgen.convert.selection import select_known
from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.canonical import canonical_structure
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.gap import GapFiller, GapModel
from openmm_mdgen.tasks.protocols import is_gap_model
from openmm_mdgen.upsampling.engine import Engine, Group
from openmm_mdgen.upsampling.gaps import Gaps, LinearGapFiller
from openmm_mdgen.upsampling.models import load_gap_model, model_identity, molecule_gaps
from openmm_mdgen.upsampling.molecules import (
    alike,
    bond_pairs,
    elements,
    molecules,
    residues,
    superposition_weights,
)


def build_engine(
    atoms: AtomGroup,
    spacing: float,
    factor: int,
    *,
    model: str | Path | GapModel | GapFiller = "peptide",
    seed: int = 0,
    temperature: float | None = None,
    device: str | None = None,
    others: str | None = None,
) -> Engine:
    """Engine for a group of atoms, whose current frame is the first key frame.

    Parameters
    ----------
    atoms
        What to upsample; the engine's atom order is the group's.
    spacing
        Time between key frames, ps.
    factor
        New frames per key frame.
    model
        ``"linear"``, a model's name or file, or an object (see `openmm_mdgen.tasks.gap`).
    seed
        Of the model's noise.
    temperature
        K, of the motion between key frames, for models that learned several; default: the model's.
    device
        As for `load_task`.
    others
        ``"interpolate"`` moves what is not protein rigidly, residue by residue, between its places; None refuses it.

    Raises
    ------
    MDGenError
        If there are other atoms and `others` does not say what to do, or the model cannot take the molecule or did not
        learn the temperature.
    """
    loaded = load_gap_model(model, device, temperature)
    modelled, rest = _split(atoms, not is_gap_model(loaded), others)
    symbols = elements(atoms)
    groups = []
    if loaded is None:
        groups = _linear_groups(atoms, modelled, symbols, factor)
    else:
        groups = _model_groups(atoms, modelled, loaded, spacing, factor)
    for stack in alike((rest[place] for place in residues(atoms[rest])), symbols):
        groups.append(Group(stack, _linear(stack, symbols, factor), np.empty((0, 2), dtype=int)))
    return Engine(groups, factor, seed, f"{model_identity(loaded)} others={others}")


def _split(atoms: AtomGroup, takes_any: bool, others: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Places of the atoms that the model moves and of those that are interpolated by residue."""
    if others not in (None, "interpolate"):
        raise MDGenError(f"others={others!r} is unknown; give 'interpolate' or leave it out")
    is_protein = np.isin(atoms.indices, select_known(atoms, "protein").indices)
    if is_protein.all() or (takes_any and not is_protein.any()):
        return np.arange(len(atoms)), np.empty(0, dtype=int)
    rest = np.flatnonzero(~is_protein)
    if others is None:
        names = ", ".join(dict.fromkeys(atoms[rest].resnames[:1000]))
        raise MDGenError(
            f"{len(rest)} of {len(atoms)} atoms are not protein ({names[:60]}); write the protein alone with "
            "--select protein -o new.xtc (pass u.select_atoms('protein')), or move the others rigidly, residue by "
            "residue, between their places in the key frames with --others=interpolate (others='interpolate')"
        )
    return np.flatnonzero(is_protein), rest


def _linear(stack: np.ndarray, symbols: np.ndarray, factor: int) -> Gaps:
    return Gaps(LinearGapFiller(factor), factor, superposition_weights(symbols[stack[0]]))


def _linear_groups(atoms: AtomGroup, modelled: np.ndarray, symbols: np.ndarray, factor: int) -> list[Group]:
    bonds = modelled[bond_pairs(atoms[modelled])]
    stacks = alike((modelled[place] for place in molecules(atoms[modelled], bond_pairs(atoms[modelled]))), symbols)
    return [Group(stack, _linear(stack, symbols, factor), _within(bonds, stack)) for stack in stacks]


def _model_groups(
    atoms: AtomGroup, modelled: np.ndarray, model: GapModel | GapFiller, spacing: float, factor: int
) -> list[Group]:
    bonds = bond_pairs(atoms[modelled])
    groups = []
    for place in molecules(atoms[modelled], bonds):
        chain = modelled[place]
        order, structure = _in_order(atoms[chain], np.searchsorted(chain, _within(modelled[bonds], chain)), model)
        gaps = molecule_gaps(model, structure, spacing, factor)
        chain = chain[order]
        groups.append(Group(chain[None], gaps, chain[np.array(structure.bonds, dtype=int).reshape(-1, 2)]))
    return groups


def _in_order(atoms: AtomGroup, bonds: np.ndarray, model: GapModel | GapFiller) -> tuple[np.ndarray, Structure]:
    """A molecule's atoms in the order in which they are filled, and their structure with its bonds.

    A network sees a peptide in canonical order, so that its frames do not depend on how a file lists or names atoms.
    """
    structure = replace(atomgroup_to_structure(atoms), bonds=tuple(map(tuple, bonds.tolist())))
    if is_gap_model(model):
        with suppress(MDGenError):  # told by the model, in its own words
            return canonical_structure(structure)
    return np.arange(len(atoms)), structure


def _within(bonds: np.ndarray, members: np.ndarray) -> np.ndarray:
    return bonds[np.isin(bonds, members).all(1)]

"""MDAnalysis topologies of recipes and structures: ``mda.Universe("pep.mdgen")`` needs no second file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from MDAnalysis import _PARSERS
from MDAnalysis.core.topology import Topology
from MDAnalysis.core.topologyattrs import Atomnames, Bonds, Elements, Resids, Resnames, Resnums, Segids
from MDAnalysis.lib.util import guess_format
from MDAnalysis.topology.base import TopologyReaderBase

from openmm_mdgen.peptide.peptide import Structure
from openmm_mdgen.trajectory.recipe import Recipe
from openmm_mdgen.trajectory.recipe_file import read_recipe


class MDGenParser(TopologyReaderBase):
    """Topology of a ``.mdgen`` file or a `Recipe`.

    Where the recipe names a structure file that MDAnalysis reads, its own parser does so and all that it finds is kept;
    else atoms, residues, segments, elements and bonds come from the structure.

    Examples
    --------
    >>> universe = mda.Universe("pep.mdgen")
    """

    format: ClassVar[list[str]] = ["MDGEN"]

    @staticmethod
    def _format_hint(thing: Any) -> bool:
        return isinstance(thing, Recipe)

    def parse(self, **kwargs: Any) -> Topology:
        """Topology over the recipe's atoms."""
        recipe = self.filename if isinstance(self.filename, Recipe) else read_recipe(self.filename)
        return recipe_to_topology(recipe)


def recipe_to_topology(recipe: Recipe) -> Topology:
    """MDAnalysis topology of a recipe's atoms; see `MDGenParser`.

    Raises
    ------
    MDGenError
        If the structure file is missing or has changed.
    """
    structure = recipe.load_structure()
    topology = _parsed(recipe.structure) if isinstance(recipe.structure, Path) else None
    if topology is not None and tuple(topology.names.values) == structure.names:
        return topology
    return structure_to_topology(structure)


def structure_to_topology(structure: Structure) -> Topology:
    """MDAnalysis topology of a structure, in its atom order."""
    _, first, residue_of_atom = np.unique(structure.residues, return_index=True, return_inverse=True)
    chains, segment_of_residue = np.unique(np.asarray(structure.chains)[first], return_inverse=True)
    numbers = np.arange(1, len(first) + 1)
    attributes: list[Any] = [
        Atomnames(np.array(structure.names, dtype=object)),
        Resids(numbers),
        Resnums(numbers.copy()),
        Resnames(np.array([structure.resnames[atom] for atom in first], dtype=object)),
        Segids(np.array([str(chain) for chain in chains], dtype=object)),
    ]
    if all(structure.elements):
        attributes.append(Elements(np.array(structure.elements, dtype=object)))
    if structure.bonds:
        attributes.append(Bonds([tuple(sorted(pair)) for pair in structure.bonds]))
    return Topology(
        len(structure.names),
        len(first),
        len(chains),
        attrs=attributes,
        atom_resindex=residue_of_atom,
        residue_segindex=segment_of_residue,
    )


def _parsed(path: Path) -> Topology | None:
    """What MDAnalysis' parser for this extension finds; None where there is none."""
    try:
        parser = _PARSERS[guess_format(str(path)).upper()]
    except (KeyError, TypeError, ValueError):
        return None
    with parser(str(path)) as file:
        return file.parse()

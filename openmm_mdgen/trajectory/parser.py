"""MDAnalysis topologies of recipes and structures: ``mda.Universe("pep.mdgen")`` needs no second file."""

from __future__ import annotations

from typing import Any, ClassVar

from MDAnalysis import Merge
from MDAnalysis.core.topology import Topology
from MDAnalysis.topology.base import TopologyReaderBase

from openmm_mdgen.convert.mdanalysis import structure_to_mdanalysis
from openmm_mdgen.convert.structures import file_to_atoms
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.trajectory.recipe import Recipe
from openmm_mdgen.trajectory.recipe_file import read_recipe


class MDGenParser(TopologyReaderBase):
    """Topology of a ``.mdgen`` file or a `Recipe`.

    Where the recipe names a structure file that MDAnalysis reads, its own parser does so and all that it finds is kept;
    else names, numbers, labels, elements and bonds come from the structure.

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
    if isinstance(recipe.structure, Structure):
        return structure_to_mdanalysis(recipe.structure)
    recipe.check_structure()
    atoms = file_to_atoms(recipe.structure)
    whole = atoms.universe
    return (whole if len(atoms) == len(whole.atoms) else Merge(atoms))._topology

"""MDAnalysis topologies of recipes and structures: ``mda.Universe("pep.mdgen")`` needs no second file."""

from __future__ import annotations

from typing import ClassVar

from MDAnalysis.core.topology import Topology
from MDAnalysis.topology.base import TopologyReaderBase

from openmm_mdgen.trajectory.names import GeneratedName
from openmm_mdgen.trajectory.opened import open_recipe
from openmm_mdgen.trajectory.recipe import Recipe
from openmm_mdgen.trajectory.recipe_file import read_recipe


class MDGenParser(TopologyReaderBase):  # type: ignore[misc]  # comes without types
    """Topology of a ``.mdgen`` file, a `Recipe`, or the name of generated frames (see `GeneratedName`).

    Where the recipe names a structure file that MDAnalysis reads, its own parser does so and all that it finds is kept;
    else names, numbers, labels, elements and bonds come from the structure.

    Examples
    --------
    >>> universe = mda.Universe("pep.mdgen")
    """

    format: ClassVar[list[str]] = ["MDGEN"]

    @staticmethod
    def _format_hint(thing: object) -> bool:
        return isinstance(thing, Recipe | GeneratedName)

    def parse(self, **kwargs: object) -> Topology:
        """Topology over the recipe's atoms."""
        source = self.filename.stands_for if isinstance(self.filename, GeneratedName) else self.filename
        if isinstance(source, Topology):
            return source.copy()
        return open_recipe(source if isinstance(source, Recipe) else read_recipe(source)).topology

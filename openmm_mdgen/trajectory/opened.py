"""A recipe with what its files hold, read once for MDAnalysis, for the model and for all replicas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
from MDAnalysis import Merge
from MDAnalysis.core.topology import Topology

from openmm_mdgen.convert.mdanalysis import structure_to_mdanalysis
from openmm_mdgen.convert.structures import file_atoms_to_structure, file_to_atoms
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.protocols import ModelLike
from openmm_mdgen.trajectory.blocks import Blocks, Peers
from openmm_mdgen.trajectory.bound_model import BoundModel
from openmm_mdgen.trajectory.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Replica:
    """One trajectory of a recipe: its model, and its blocks, none of which is made yet."""

    recipe: Recipe
    bound: BoundModel
    blocks: Blocks


@dataclass(frozen=True, eq=False)
class OpenedRecipe:
    """A recipe whose files were read.

    Attributes
    ----------
    recipe : Recipe
        With the hashes of its files.
    structure : Structure
    topology : MDAnalysis.core.topology.Topology
        The same atoms with all that MDAnalysis' parser found.
    start : ndarray (N, 3)
        Å.
    """

    recipe: Recipe
    structure: Structure
    topology: Topology
    start: np.ndarray

    def replicas(
        self,
        numbers: Iterable[int],
        model: ModelLike | None = None,
        device: str | None = None,
        cache: str | PathLike[str] | None = None,
    ) -> list[Replica]:
        """Trajectories with these replica numbers; the model is loaded and bound, and shared.

        Raises
        ------
        MDGenError
            If the model cannot be used, or not for this structure and interval.
        """
        bound = BoundModel(self.recipe, model, device, self.structure)
        bound()
        peers, folder = Peers(), None if cache is None else Path(cache)
        found = []
        for number in numbers:
            recipe = replace(self.recipe, replica=number)
            expected = recipe.origin.first_block if number == self.recipe.replica else ""
            blocks = Blocks(
                bound, self.start, recipe.seed, replica=number, expected=expected, cache=folder, peers=peers
            )
            found.append(Replica(recipe, bound, blocks))
        return found


def open_recipe(recipe: Recipe) -> OpenedRecipe:
    """Read a recipe's files.

    Raises
    ------
    MDGenError
        If one is missing, unreadable, or has changed since the recipe was written.
    """
    if isinstance(recipe.structure, Structure):
        structure, topology = recipe.structure, structure_to_mdanalysis(recipe.structure)
    else:
        recipe = recipe.with_structure_hash()
        assert not isinstance(recipe.structure, Structure)
        atoms = file_to_atoms(recipe.structure)
        structure = file_atoms_to_structure(recipe.structure, atoms)
        whole = atoms.universe
        topology = (whole if len(atoms) == len(whole.atoms) else Merge(atoms))._topology
    return OpenedRecipe(recipe, structure, topology, recipe.load_start(structure))

"""Topologies of recipes."""

from pathlib import Path

from openmm_mdgen.trajectory.names import GeneratedName
from openmm_mdgen.trajectory.parser import MDGenParser
from openmm_mdgen.trajectory.recipe import Recipe
from tests.helpers.tiny import DATA


def recipe() -> Recipe:
    return Recipe("peptide", Path(DATA / "QGRE.pdb"), n_frames=5, interval=10.0)


def test_recipes_and_their_names_are_known_and_nothing_else():
    assert MDGenParser._format_hint(recipe()) and MDGenParser._format_hint(GeneratedName("generated", recipe()))
    assert not MDGenParser._format_hint("pep.mdgen") and not MDGenParser._format_hint(3)


def test_the_file_of_the_structure_says_what_there_is():
    with MDGenParser(recipe()) as parser:
        topology = parser.parse()
    assert topology.n_residues == 4
    assert topology.resnames.values.tolist() == ["GLN", "GLY", "ARG", "GLU"]

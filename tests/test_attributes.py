"""What atoms of MDAnalysis say of themselves, where the topology says it."""

from MDAnalysis import Universe

from openmm_mdgen.convert.attributes import has, texts


def some() -> Universe:
    universe = Universe.empty(2, atom_resindex=[0, 0])
    universe.add_TopologyAttr("names", [" CA ", "C"])
    return universe


def test_attributes_that_are_there():
    universe = some()
    assert has(universe.atoms, "names")
    assert not has(universe.atoms, "names", "elements")
    assert not has(universe, "trajectory")


def test_texts_without_blanks_and_empty_where_there_are_none():
    assert texts(some().atoms, "names") == ("CA", "C")
    assert texts(some().atoms, "elements") == ("", "")

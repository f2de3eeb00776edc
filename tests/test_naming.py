"""Names of atoms in other files, brought to one convention."""

import pytest

from openmm_mdgen.peptide.naming import atom_to_element, heavy_to_canonical, hydrogen_to_heavy


@pytest.mark.parametrize(
    ("name", "element", "found"),
    [("CA", "", "C"), ("1HB", "", "H"), ("D1", "", "H"), ("CA", "Ca", "C"), ("X", "n", "N")],
)
def test_elements(name, element, found):
    assert atom_to_element(name, element) == found


@pytest.mark.parametrize(
    ("residue", "names", "change"),
    [
        ("ILE", {"CA", "CD"}, {"CD": "CD1"}),
        ("ILE", {"CD", "CD1"}, {}),
        ("ALA", {"OT1", "OT2"}, {"OT1": "O", "OT2": "OXT"}),
        ("ACE", {"CAY", "OY"}, {"CAY": "CH3", "OY": "O"}),
    ],
)
def test_heavy_atoms(residue, names, change):
    assert heavy_to_canonical(residue, names) == {name: change.get(name, name) for name in names}


@pytest.mark.parametrize(
    ("name", "heavy", "found"),
    [
        ("HG11", {"CA", "CG1", "CG2"}, "CG1"),
        ("H", {"N", "CA"}, "N"),
        ("HXT", {"O", "OXT"}, "OXT"),
        ("HH31", {"CH3", "C"}, "CH3"),
        ("HQ", {"C"}, None),
    ],
)
def test_hydrogens_know_their_heavy_atom(name, heavy, found):
    assert hydrogen_to_heavy(name, heavy) == found

"""Atoms at two places: which of them are kept."""

import pytest
from MDAnalysis import Universe

from openmm_mdgen.convert.locations import first_locations, one_location
from openmm_mdgen.errors import MDGenWarning

SITES = [("A", 1)] * 4 + [("A", 2)]
NAMES = [("ALA", "CA"), ("ALA", "CB"), ("ALA", "CB"), ("ALA", "HB"), ("GLY", "CA")]


def test_the_label_of_the_highest_occupancy_with_what_it_lacks_from_the_others():
    kept = first_locations(SITES, NAMES, ["", "A", "B", "A", ""], [1.0, 0.3, 0.7, 0.3, 1.0])
    assert kept.tolist() == [0, 2, 3, 4]  # CB at B; HB, which B lacks, at A


def test_of_equal_labels_the_first():
    assert first_locations(SITES, NAMES, ["", "A", "B", "", ""], [1.0, 0.5, 0.5, 1, 1]).tolist() == [0, 1, 3, 4]


def universe(altlocs: list[str]) -> Universe:
    made = Universe.empty(3, atom_resindex=[0, 0, 0], trajectory=True)
    for name, values in (("names", ["CA", "CB", "CB"]), ("resnames", ["ALA"]), ("altLocs", altlocs)):
        made.add_TopologyAttr(name, values)
    return made


def test_what_is_left_out_is_said():
    with pytest.warns(MDGenWarning, match=r"1 of 3 atoms are second locations \(altloc B\)"):
        kept = one_location(universe(["", "A", "B"]).atoms)
    assert kept.indices.tolist() == [0, 1]


def test_one_location_is_the_group_itself():
    atoms = universe(["", "A", "A"]).atoms
    assert one_location(atoms) is atoms

"""The one table of residues, and residue numbers as the command line takes them."""

import pytest

from openmm_mdgen.cli.residues import Residues
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.residues import CAPS, ONE_LETTER, THREE_LETTER, residue_to_canonical


def test_letters_go_there_and_back():
    assert len(ONE_LETTER) == 20
    assert all(THREE_LETTER[letter] == name for name, letter in ONE_LETTER.items())


@pytest.mark.parametrize(
    ("name", "canonical"), [("HIE", "HIS"), ("CYX", "CYS"), ("NALA", "ALA"), ("ACE", "ACE"), ("HOH", None)]
)
def test_names_of_other_force_fields(name, canonical):
    assert residue_to_canonical(name) == canonical


def test_caps_are_known_by_themselves():
    assert [residue_to_canonical(cap) for cap in CAPS] == list(CAPS)


@pytest.mark.parametrize(
    ("text", "found"),
    [("2,3", [2, 3]), ("2-4", ["2-4"]), ("-1, 0", [-1, 0]), ("52A,B:27", ["52A", "B:27"])],
)
def test_numbers_of_the_command_line(text, found):
    assert Residues().convert(text, None, None) == found


@pytest.mark.parametrize(("text", "message"), [("two", "are no residue numbers"), ("4-2", "names none")])
def test_what_names_no_residue(text, message):
    with pytest.raises(MDGenError, match=message):
        Residues().convert(text, None, None)

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.tables import csv_text, write_csv


def test_text_of_a_table_quotes_what_would_break_a_row():
    assert csv_text([("name", "why"), ("a", 'no "H", no cap'), ("b", "two\nlines")]) == (
        'name,why\na,"no ""H"", no cap"\nb,"two\nlines"\n'
    )


def test_file_has_the_bytes_of_the_text(tmp_path):
    write_csv(tmp_path / "t.csv", [("step", "Å"), (1, 0.5)])
    assert (tmp_path / "t.csv").read_bytes() == "step,Å\n1,0.5\n".encode()


def test_table_that_cannot_be_made_leaves_the_file_of_before(tmp_path):
    path = tmp_path / "t.csv"
    write_csv(path, [("a",)])

    def rows():
        yield ("b",)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_csv(path, rows())
    assert path.read_text() == "a\n"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(MDGenError, match="gone"):
        write_csv(tmp_path / "gone" / "t.csv", [("a",)])

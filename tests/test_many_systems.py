"""Lists of systems: what is read, and what a bad list is told."""

import pytest

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.many.systems import find_systems, read_list
from tests.helpers.tiny import DATA, structure


@pytest.fixture
def write(tmp_path):
    """Writes a list and gives its path."""

    def write(text: str):
        path = tmp_path / "list.csv"
        path.write_text(text)
        return path

    return write


def test_plain_lists_and_csv(write):
    plain = read_list(write("STHK\n\n# a comment\n  ACE-A-NME \n\n"))
    assert plain == [("STHK", "STHK", "list.csv line 1"), ("ACE-A-NME", "ACE-A-NME", "list.csv line 4")]
    assert read_list(write("\ufeffname,sequence,note\na,GG,\n,AKD,x\n")) == [
        ("a", "GG", "list.csv line 2"),
        ("AKD", "AKD", "list.csv line 3"),
    ]
    assert read_list(write("name,seqres\na,GG\n")) == [("a", "GG", "list.csv line 2")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds 0 sequences"),
        ("\n# nothing\n\n", "holds 0 sequences"),
        ("name,sequence\n", "holds 0 sequences"),
        ("a,GG\nb,AA\n", "has 2 columns and no header that names one of them 'sequence'"),
    ],
)
def test_bad_lists(write, text, message):
    with pytest.raises(MDGenError, match=message):
        read_list(write(text))


def test_lists_that_cannot_be_read(tmp_path):
    with pytest.raises(MDGenError, match=r"list '.*absent.csv' cannot be read \(No such file or directory\)"):
        read_list(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(MDGenError, match=r"cannot be read \(no text file\)"):
        read_list(tmp_path / "binary.csv")


def test_unknown_letters_duplicates_and_gaps(write):
    path = write("name,sequence\na,GG\nb,AXB\na,GG\nc,\nd,akd\n")
    with pytest.warns(MDGenWarning, match=r"made once only: list.csv line 4 repeats list.csv line 2"):
        systems, broken = find_systems(sequences=path)
    assert [(s.name, s.n_residues) for s in systems] == [("a", 2)]
    errors = {b.name: b.error for b in broken}
    assert set(errors) == {"b", "c", "d"}
    assert "'B', which is no residue" in errors["b"] and "has no residue" in errors["c"]


def test_two_inputs_of_one_name(tmp_path, write):
    copy = tmp_path / "QGRE.pdb"
    copy.write_text((DATA / "QGRE.pdb").read_text())
    with pytest.raises(MDGenError, match=r"would both write 'QGRE'; rename one"):
        find_systems([DATA / "QGRE.pdb", copy])
    with pytest.raises(MDGenError, match=r"list.csv line 2 and list.csv line 3 would both write 'A'"):
        find_systems(sequences=write("name,sequence\na,GG\nA,AA\n"))
    with pytest.raises(MDGenError, match="would both write 'QGRE'"):
        find_systems([DATA / "QGRE.pdb"], sequences=["QGRE"])


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "a:b", "tab\tname"])
def test_names_that_cannot_be_files(name):
    systems, broken = find_systems(sequences={name: "GG"})
    assert not systems and "cannot name a file" in broken[0].error


def test_structures_by_name_and_their_content():
    systems, broken = find_systems({"x": structure("QGRE"), "y": DATA / "NDKMF.pdb"})
    assert [(s.name, s.n_residues, s.writes_topology) for s in systems] == [("x", 4, True), ("y", 5, False)]
    assert not broken and systems[0].content() != systems[1].content()
    assert systems[0].content() == find_systems([DATA / "QGRE.pdb"])[0][0].content()


def test_a_selection_that_finds_nothing_is_told_of_each():
    systems, broken = find_systems([DATA / "QGRE.pdb"], select="resname XXX")
    assert not systems and "finds 0 of" in broken[0].error
    _, broken = find_systems([DATA / "QGRE.pdb"], select="no such thing")
    assert "is no MDAnalysis selection" in broken[0].error

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.trajectory import recipe_file
from openmm_mdgen.trajectory.recipe import Origin, Recipe
from openmm_mdgen.trajectory.recipe_file import read_recipe, write_recipe
from tests.helpers.toys import small_structure


@pytest.fixture
def pdb(data, tmp_path):
    return Path(shutil.copy(data / "ACE-A-NME.pdb", tmp_path / "pep.pdb"))


@pytest.fixture
def recipe(pdb):
    return Recipe("peptide", pdb, n_frames=1000, interval=10.0, seed=2**62, origin=Origin(model_hash="a" * 64))


@pytest.fixture
def written(recipe, tmp_path):
    write_recipe(recipe, tmp_path / "pep.mdgen")
    return tmp_path / "pep.mdgen"


def changed(path, **entries):
    """The file with some of its entries replaced."""
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    return path


def test_round_trip(recipe, written):
    found = read_recipe(written)
    assert (found.model, found.n_frames, found.interval, found.seed) == ("peptide", 1000, 10.0, 2**62)
    assert (found.replica, found.skip, found.task, found.start) == (0, 0, "simulate", None)
    assert found.structure.resolve() == recipe.structure.resolve()
    assert found.origin.model_hash == "a" * 64 and len(found.origin.structure_hash) == 64


def test_file_is_small_readable_and_alone_in_its_folder(written):
    assert written.stat().st_size < 1000
    content = json.loads(written.read_text())
    assert content["structure"]["path"] == "pep.pdb" and content["interval_ps"] == 10.0
    assert sorted(path.name for path in written.parent.iterdir()) == ["pep.mdgen", "pep.pdb"]


def test_folder_may_move(written, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(written, moved)
    shutil.move(tmp_path / "pep.pdb", moved)
    assert len(read_recipe(moved / "pep.mdgen").load_structure().names) == 22


def test_inline_structure_and_coordinates_keep_every_bit(tmp_path):
    structure = small_structure()
    start = np.random.default_rng(0).normal(size=(5, 3))
    write_recipe(Recipe("peptide", structure, n_frames=1, interval=0.1, start=start), tmp_path / "a.mdgen")
    found = read_recipe(tmp_path / "a.mdgen")
    loaded = found.load_structure()
    np.testing.assert_array_equal(found.load_start(loaded), start)
    np.testing.assert_array_equal(loaded.positions, structure.positions)
    np.testing.assert_array_equal(loaded.residues, structure.residues)
    assert (loaded.names, loaded.resnames, loaded.elements) == (structure.names, structure.resnames, structure.elements)
    assert loaded.bonds == structure.bonds


def test_start_from_a_file_of_its_own(pdb, tmp_path):
    start = Path(shutil.copy(pdb, tmp_path / "start.pdb"))
    write_recipe(Recipe("peptide", pdb, n_frames=1, interval=10.0, start=start), tmp_path / "a.mdgen")
    found = read_recipe(tmp_path / "a.mdgen")
    structure = found.load_structure()
    np.testing.assert_array_equal(found.load_start(structure), structure.positions)
    start.write_text(start.read_text(encoding="utf-8") + "REMARK\n", encoding="utf-8")
    with pytest.raises(MDGenError, match=r"start file .* has changed since the recipe was written"):
        found.load_start(structure)


def test_weights_by_path(pdb, tmp_path):
    for model in (tmp_path / "w.safetensors", str(tmp_path / "w.safetensors")):
        write_recipe(Recipe(model, pdb, n_frames=1, interval=10.0), tmp_path / "a.mdgen")
        assert read_recipe(tmp_path / "a.mdgen").model == (tmp_path / "w.safetensors").resolve()


def test_address_of_weights_stays_as_it_is(pdb, tmp_path):
    address = "hf://someone/some-model/w.safetensors"
    write_recipe(Recipe(address, pdb, n_frames=1, interval=10.0), tmp_path / "a.mdgen")
    assert read_recipe(tmp_path / "a.mdgen").model == address


def test_existing_file_survives_a_failed_write(recipe, written):
    before = written.read_bytes()
    with pytest.raises(MDGenError, match=r"cannot hold a model object \(object\)"):
        write_recipe(replace(recipe, model=object()), written)
    assert written.read_bytes() == before and len(list(written.parent.iterdir())) == 2


def test_full_disk_leaves_no_temporary_file(recipe, written, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    before = written.read_bytes()
    monkeypatch.setattr(recipe_file.os, "fsync", full)
    with pytest.raises(MDGenError, match=r"cannot write .*pep\.mdgen.* \(No space left on device\)"):
        write_recipe(replace(recipe, seed=1), written)
    assert written.read_bytes() == before and len(list(written.parent.iterdir())) == 2


def test_folder_that_does_not_exist(recipe, tmp_path):
    with pytest.raises(MDGenError, match=r"cannot write .*No such file"):
        write_recipe(recipe, tmp_path / "absent" / "a.mdgen")


def test_missing_recipe(tmp_path):
    with pytest.raises(MDGenError, match=r"recipe .*absent\.mdgen' cannot be read \(No such file"):
        read_recipe(tmp_path / "absent.mdgen")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", b"{", b"[1, 2]", b'{"format": "gltf"}'])
def test_foreign_file(tmp_path, content):
    (tmp_path / "a.mdgen").write_bytes(content)
    with pytest.raises(MDGenError, match=r"is not a \.mdgen recipe"):
        read_recipe(tmp_path / "a.mdgen")


def test_unknown_version(written):
    with pytest.raises(MDGenError, match="has recipe version 2, this openmm-mdgen reads version 1; upgrade"):
        read_recipe(changed(written, version=2))


def test_unknown_task(written):
    with pytest.raises(MDGenError, match=r"task 'dream' is unknown to this version \(known: simulate\)"):
        read_recipe(changed(written, task="dream"))


@pytest.mark.parametrize("entry", ["model", "structure", "start", "n_frames", "interval_ps", "seed"])
def test_entry_missing(written, entry):
    content = json.loads(written.read_text())
    del content[entry]
    written.write_text(json.dumps(content))
    with pytest.raises(MDGenError, match=f"lacks or garbles an entry .*{entry}"):
        read_recipe(written)


def test_entry_of_another_type(written):
    with pytest.raises(MDGenError, match="lacks or garbles an entry"):
        read_recipe(changed(written, structure=["pep.pdb"]))


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("n_frames", 0, "n_frames 0 is below 1"),
        ("n_frames", 10.5, r"n_frames 10\.5 is no whole number"),
        ("n_frames", True, "n_frames True is no whole number"),
        ("interval_ps", 0, "interval 0 ps must be above 0"),
        ("interval_ps", -1.0, r"interval -1\.0 ps must be above 0"),
        ("interval_ps", float("nan"), "interval nan ps must be above 0"),
        ("interval_ps", "10", "interval '10' is no number"),
        ("seed", -1, "seed -1 is below 0"),
        ("replica", "one", "replica 'one' is no whole number"),
        ("skip", -3, "skip -3 is below 0"),
    ],
)
def test_values_out_of_range(written, entry, value, message):
    with pytest.raises(MDGenError, match=message):
        read_recipe(changed(written, **{entry: value}))


def test_structure_file_missing(written):
    (written.parent / "pep.pdb").unlink()
    with pytest.raises(MDGenError, match=r"structure file .*pep\.pdb' of the recipe cannot be read \(No such file"):
        read_recipe(written).load_structure()


def test_structure_file_changed(written):
    pdb = written.parent / "pep.pdb"
    pdb.write_text(pdb.read_text().replace("ALA", "GLY"))
    with pytest.raises(
        MDGenError, match=r"structure file .*pep\.pdb' has changed since the recipe was written \(SHA-256"
    ):
        read_recipe(written).load_structure()


def test_start_of_another_shape_or_not_finite(recipe):
    structure = recipe.load_structure()
    with pytest.raises(MDGenError, match=r"shape \(3, 3\), the structure has 22 atoms"):
        replace(recipe, start=np.zeros((3, 3))).load_start(structure)
    bad = structure.positions.copy()
    bad[4] = np.nan
    with pytest.raises(MDGenError, match="1 of 22 starting positions are NaN"):
        replace(recipe, start=bad).load_start(structure)


@pytest.mark.parametrize(
    "entry",
    [
        {"start": {"positions": "everywhere"}},
        {"start": {"positions": [[1, 2], [3]]}},
        {"start": 7},
        {"versions": "many"},
        {"versions": [1, 2]},
        {"structure": {"names": ["C"]}},
        {"structure": None},
        {"model": []},
        {"model": {"name": "peptide"}},
        {"interval_ps": "10"},
        {"n_frames": 1.5},
        {"seed": None},
    ],
    ids=str,
)
def test_entries_of_another_making(written, entry):
    """One line that names the file or the entry, whatever a hand or another program wrote."""
    with pytest.raises(MDGenError, match=r"^[^\n]+$"):
        read_recipe(changed(written, **entry))


@pytest.mark.parametrize("version", [0, 2, "1", None, True, [1], 1.5])
def test_other_versions(written, version):
    with pytest.raises(MDGenError, match=r"has recipe version .*, this openmm-mdgen reads version 1; upgrade"):
        read_recipe(changed(written, version=version))

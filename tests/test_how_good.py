"""The page How good is it is what its script makes of the figures."""

from __future__ import annotations

import copy
import json
import re
import sys

import pytest

from openmm_mdgen.errors import MDGenError
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import how_good
import how_good_pictures
import how_good_trust

sys.path.pop(0)


@pytest.fixture(scope="module")
def figures():
    return how_good.read()


def test_the_page_has_the_tables_of_the_figures(figures):
    page = how_good.PAGE.read_text(encoding="utf-8")
    assert how_good.filled(page, figures) == page, "run python benchmarks/how_good.py"


@pytest.mark.parametrize("name", how_good_pictures.PICTURES)
def test_pictures_are_drawn_from_the_figures(name, figures):
    held = how_good_pictures.drawn_from(how_good.IMAGES / f"how_good_{name}.svg")
    assert held == how_good_pictures.digest(name, figures), "run python benchmarks/how_good.py"


@pytest.mark.parametrize("name", how_good_pictures.PICTURES)
def test_pictures_can_be_drawn(name, figures, tmp_path):
    how_good_pictures.draw(name, figures, tmp_path / "out.svg")
    assert how_good_pictures.drawn_from(tmp_path / "out.svg") == how_good_pictures.digest(name, figures)


def test_another_figure_makes_another_page_and_picture(figures):
    other = copy.deepcopy(figures)
    row = next(r for r in other["peptides_300K"] if r["model"] == "peptide")
    row["backbone"]["jsd"] *= 2
    page = how_good.PAGE.read_text(encoding="utf-8")
    assert how_good.filled(page, other) != page
    assert how_good_pictures.digest("jsd", other) != how_good_pictures.digest("jsd", figures)


def test_every_file_says_what_printed_it_and_where():
    for path in how_good.FIGURES.glob("*.json"):
        held = json.loads(path.read_text(encoding="utf-8"))
        assert held["command"].count("python benchmarks/") and held["machine"], path.name
        assert not re.search(r'"/|safetensors', path.read_text(encoding="utf-8").replace("run/model.safetensors", ""))
        for script in re.findall(r"benchmarks/\w+\.py", held["command"]):
            assert (how_good.DOCS.parent / script).is_file(), script


@pytest.mark.parametrize(("value", "said"), [(1.35, "**yes**"), (1.36, "roughly"), (2.0, "roughly"), (2.1, "no")])
def test_verdicts(value, said):
    assert how_good_trust.verdict(value, 1.35, 2.0) == said


def test_new_figures_keep_the_command(tmp_path):
    held = {"command": "python benchmarks/temperatures.py x", "machine": "one", "data": []}
    (tmp_path / "some.json").write_text(json.dumps(held))
    new = [{"model": "folder/peptide.safetensors:5", "backbone": {"jsd": 0.123456789}}]
    (tmp_path / "new").write_text(json.dumps(new))
    how_good.add("some", tmp_path / "new", "another", tmp_path)
    found = json.loads((tmp_path / "some.json").read_text())
    assert found["command"] == held["command"] and found["machine"] == "another"
    assert found["data"] == [{"model": "peptide:5", "backbone": {"jsd": 0.12346}}]
    with pytest.raises(MDGenError, match=r"there are no figures 'other'; there are some"):
        how_good.add("other", tmp_path / "new", None, tmp_path)


def test_a_page_without_a_place_for_a_table(figures):
    with pytest.raises(MDGenError, match=r"the page has no <!-- trust -->"):
        how_good.filled("nothing", figures)

"""The picture and the table of folders in the documentation are those of the package as it is."""

import importlib.util
import json
import re
from html import unescape
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "images" / "architecture.py"


@pytest.fixture(scope="module")
def architecture():
    spec = importlib.util.spec_from_file_location("architecture", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_shows_the_imports_of_today(architecture):
    desc = re.search(r"<desc>(.*)</desc>", architecture.PICTURE.read_text(encoding="utf-8"))
    assert desc is not None
    assert json.loads(unescape(desc[1])) == architecture.imports(), "run python docs/images/architecture.py"


def test_the_table_lists_the_folders_of_today(architecture):
    text = architecture.PAGE.read_text(encoding="utf-8")
    assert architecture.page(text) == text, "run python docs/images/architecture.py"


def test_all_arrows_of_the_picture_point_down(architecture):
    graph = architecture.imports()
    heights = architecture.levels(graph)
    assert all(heights[name] > heights[other] for name, other in architecture.needed(graph))
    assert set(architecture.needed(graph)) <= {(a, b) for a, others in graph.items() for b in others}


def test_arrows_that_follow_from_others_are_left_out(architecture):
    assert architecture.needed({"a": ["b", "c"], "b": ["c"], "c": []}) == [("a", "b"), ("b", "c")]
    assert '{"a": ["b", "c"]' in unescape(architecture.draw({"a": ["b", "c"], "b": ["c"], "c": []}))

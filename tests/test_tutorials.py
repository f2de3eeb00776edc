"""Every Python block of every tutorial, in order, in a folder of its own."""

import re

import pytest

from openmm_mdgen.weights.checkpoint import load_task
from tests.conftest import ROOT

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
WEIGHTS = ROOT / "openmm_mdgen" / "weights" / "peptide.safetensors"


def python_blocks(text: str) -> list[tuple[int, str]]:
    """(line number, code) of each block."""
    blocks = re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [(text[: block.start(1)].count("\n"), block.group(1)) for block in blocks]


def test_there_are_tutorials_with_code():
    assert TUTORIALS
    assert all(python_blocks(path.read_text()) for path in TUTORIALS)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the bundled model is absent")
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial(path, tmp_path, monkeypatch):
    if path.stem in ("inpainting", "design") and not load_task("peptide").network.config.inpaints:
        pytest.skip("the bundled model has not learned to inpaint")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "tutorial"}
    for line, code in python_blocks(path.read_text()):
        exec(compile("\n" * line + code, str(path), "exec"), namespace)  # error messages name the tutorial's own lines

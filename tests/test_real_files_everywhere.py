"""Structure files as deposited through every command and function that takes one: it works, or says one line."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.filterwarnings("ignore")
USES = (
    "simulate",
    "simulate, many",
    "interpolate",
    "inpaint",
    "design",
    "upsample",
    "evaluate",
    "correct",
    "show",
    "train --molecule",
    "train --network mdgen",
    "atlas",
    "simulate()",
    "interpolate()",
    "inpaint()",
    "upsample()",
    "GenerativeIntegrator",
)
QUICK = [use for use in USES if use not in ("correct", "simulate, many", "design")]  # no processes, no large model


@pytest.fixture(scope="module")
def real_files() -> Any:
    """The benchmark's module."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield importlib.import_module("real_files")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where networks of no use are written."""
    return tmp_path_factory.mktemp("weights")


def test_no_use_is_left_out(real_files: ModuleType) -> None:
    assert tuple(real_files.USES) == USES


def files_of(real_files: ModuleType, data: Path, name: str) -> Any:
    path = data / "deposited" / f"{name}.pdb"
    return real_files.Files(path.name, path)


@pytest.mark.parametrize("use", QUICK)
@pytest.mark.parametrize("name", ["waters", "norleucine", "models", "locations"])
def test_excerpts_of_deposited_files(real_files: ModuleType, data: Path, weights: Path, name: str, use: str) -> None:
    """Alternate locations, a norleucine, two models and waters, some residues of each."""
    found = real_files.outcome(real_files.USES[use], files_of(real_files, data, name), None, weights)
    assert found.kind in ("works", "line"), found.text


@pytest.mark.parametrize("name", ["waters", "models", "locations"])
def test_the_protein_of_an_excerpt_is_taken(real_files: ModuleType, data: Path, weights: Path, name: str) -> None:
    """With waters dropped as asked, of the first model and of one location."""
    for use in ("simulate", "interpolate", "inpaint", "upsample", "show", "simulate()", "GenerativeIntegrator"):
        found = real_files.outcome(real_files.USES[use], files_of(real_files, data, name), "protein", weights)
        assert found.kind == "works", (use, found.text)


@pytest.mark.parametrize(
    ("name", "select", "use", "line"),
    [
        ("waters", None, "simulate", r"2 waters \(HOH\).*--select protein"),
        ("waters", None, "interpolate", r"2 waters \(HOH\).*--select protein"),
        ("waters", None, "upsample()", r"HOH.*--select protein"),
        ("waters", None, "evaluate", r"HOH.*--select protein"),
        ("norleucine", None, "simulate", r"residue 65 \(NLE\) is not a standard residue.*replaceNonstandardResidues"),
        ("norleucine", "protein", "simulate", "replace non-standard ones"),
        ("norleucine", "protein", "upsample", "replace the non-standard one"),
        ("norleucine", None, "train --network mdgen", "replace non-standard ones"),
        ("locations", "protein", "correct", "amber14-all.xml needs complete, standard residues"),
    ],
)
def test_lines_say_what_to_do(
    real_files: ModuleType, data: Path, weights: Path, name: str, select: str | None, use: str, line: str
) -> None:
    found = real_files.outcome(real_files.USES[use], files_of(real_files, data, name), select, weights)
    assert found.kind == "line" and re.search(line, found.text), found.text


@pytest.mark.slow
@pytest.mark.parametrize("use", QUICK)
@pytest.mark.parametrize("name", ["5AWL", "2JOF", "2F4K"])
def test_whole_deposited_files(real_files: ModuleType, shared: Path, weights: Path, name: str, use: str) -> None:
    (files,) = (one for one in real_files.deposited(shared) if one.name == f"{name}.pdb")
    found = real_files.outcome(real_files.USES[use], files, "protein", weights)
    assert found.kind in ("works", "line"), found.text

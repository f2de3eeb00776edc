"""Imports point down only: a module may import its own level and the levels below it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "openmm_mdgen"
LEVELS = (
    "errors",
    "geometry interpolant sampler",
    "naming chain peptide_checks peptide tokens gap_tokens gap_spectra published_tokens spans",
    "network",
    "tasks",
    "tensor_file published published_file identity_file",
    "hub checkpoint",
    "structures memory transition_paths inpainting integrator reader recipe recipe_file recipe_topology blocks"
    " bound_model writing api relaxing transformations hydrogens"
    " openmm_topology dcd dcd_cells upsampling streaming build train evaluate",
    "cli __init__ __main__",
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names.split()}
APART = (
    {"network", "tokens", "gap_tokens", "gap_spectra"},
    {"train", "evaluate"},
)  # an edge knows tasks, not what they are made of


def imported(path: Path) -> Iterator[str]:
    """Top-level parts of the package that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import in line {node.lineno}"
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "openmm_mdgen" else [node.module]
        else:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        yield from (name.split(".")[1] for name in names if name.startswith("openmm_mdgen."))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for other in imported(path):
        assert LEVEL[other] <= LEVEL[own], f"{own} imports {other}, which lies above it"
        if LEVEL[own] == LEVEL["api"] and own not in APART[1]:
            assert other not in set.union(*APART), f"{own} is an edge and imports {other}"

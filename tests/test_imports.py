"""Imports point down only: one line per folder says what it may import; no two files import each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "openmm_mdgen"
ROOT_FILES = {"__init__.py", "__main__.py", "errors.py", "py.typed"}
MAY_IMPORT = {
    "errors": "",
    "files": "errors",
    "geometry": "errors",
    "flow": "errors",
    "peptide": "geometry errors",
    "tokens": "geometry errors",
    "evaluation": "forcefield convert peptide geometry files errors",
    "network": "tokens errors",
    "published": "flow peptide geometry files errors",
    "convert": "peptide geometry errors",
    "forcefield": "convert peptide geometry errors",
    "tasks": "network published flow tokens peptide geometry errors",
    "weights": "tasks network published tokens peptide geometry files errors",
    "integrator": "weights tasks convert peptide errors",
    "trajectory": "weights tasks forcefield convert peptide geometry files errors",
    "train": "weights tasks network published flow tokens convert peptide geometry files errors",
    "upsampling": "trajectory weights tasks convert peptide geometry files errors",
    "correction": "trajectory evaluation forcefield convert peptide geometry files errors",
    "show": "trajectory evaluation convert peptide geometry files errors",
    "api": "upsampling trajectory weights tasks forcefield convert evaluation peptide geometry errors",
    "many": "api correction evaluation trajectory weights tasks forcefield convert peptide geometry files errors",
    "cli": "show many api correction upsampling train integrator trajectory evaluation weights tasks network published "
    "flow tokens forcefield convert peptide geometry files errors",
    "__init__": "many api correction upsampling integrator trajectory evaluation weights forcefield errors",
    "__main__": "cli",
}


def imported(path: Path) -> Iterator[str]:
    """Dotted names below the package that a file imports, anywhere in it, lazily too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import in line {node.lineno}"
            yield from (name for name in (node.module, *(f"{node.module}.{a.name}" for a in node.names)) if name)
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names)


def edges(package: Path) -> dict[str, set[str]]:
    """The files of the package, by dotted name, and the files that each imports."""
    names = {dotted(package, path): path for path in sorted(package.rglob("*.py"))}
    return {name: {other for other in imported(path) if other in names} for name, path in names.items()}


def dotted(package: Path, path: Path) -> str:
    parts = (package.name, *path.relative_to(package).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def folder(name: str) -> str:
    """The folder, or file of the package root, that a dotted name lies in."""
    return name.split(".")[1] if "." in name else "__init__"


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Imports that the table does not allow."""
    return [
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in sorted(others)
        if folder(other) not in (folder(name), "__init__", *MAY_IMPORT[folder(name)].split())
    ]


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Files that reach themselves through imports; a package's own ``__init__`` is not followed."""
    modules = {n for n in graph if not (PACKAGE.parent / n.replace(".", "/")).is_dir()}
    found = []
    for start in sorted(modules):
        seen, todo = set(), [start]
        while todo:
            for other in graph[todo.pop()] & modules:
                if other == start:
                    found.append(start)
                    todo = []
                    break
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
    return found


@pytest.fixture(scope="module")
def graph():
    return edges(PACKAGE)


def test_imports_point_down(graph):
    assert upward(graph) == []


def test_no_file_imports_itself_through_others(graph):
    assert circles(graph) == []


def test_every_folder_has_a_line(graph):
    assert {folder(name) for name in graph} == set(MAY_IMPORT)


def test_the_root_is_almost_empty():
    assert {p.name for p in PACKAGE.iterdir() if p.is_file()} == ROOT_FILES


def test_every_folder_says_what_it_holds_and_may_import(graph):
    for path in PACKAGE.glob("*/__init__.py"):
        lines = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()
        assert len(lines) == 3 and "import" in lines[-1], f"{path}: two lines, what lives here and what it may import"


def test_a_planted_violation_is_found(tmp_path):
    package = tmp_path / "openmm_mdgen"
    for name, text in {
        "geometry/frames.py": "from openmm_mdgen.tasks.model import x\n",
        "tasks/model.py": "def f():\n    from openmm_mdgen.tasks import other\n",
        "tasks/other.py": "import openmm_mdgen.tasks.model\n",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    planted = edges(package)
    assert upward(planted) == ["openmm_mdgen.geometry.frames imports openmm_mdgen.tasks.model"]
    assert circles(planted) == ["openmm_mdgen.tasks.model", "openmm_mdgen.tasks.other"]

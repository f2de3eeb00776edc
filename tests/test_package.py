"""What is said of the package in several files agrees, and the built package holds what it needs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML is absent; it comes with dask")

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA_NAMES = {"MDAnalysis": "mdanalysis", "torch": "pytorch", "matplotlib": "matplotlib-base"}
MDAKIT_KEYS = set(
    "project_name authors maintainers description keywords license project_home documentation_home documentation_type "
    "install src_install import_name python_requires mdanalysis_requires run_tests test_dependencies project_org "
    "development_status publications community_home changelog".split()
)


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_one_version():
    version = PROJECT["project"]["version"]
    assert read("CITATION.cff")["version"] == version
    assert read("conda-recipe/recipe.yaml")["context"]["version"] == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_conda_asks_for_what_pip_asks_for():
    pip = dict(re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in PROJECT["project"]["dependencies"])
    run = [line.split(" ", 1) for line in read("conda-recipe/recipe.yaml")["requirements"]["run"]]
    conda = {name: version for name, version in run if name != "python"}
    assert conda == {CONDA_NAMES.get(name, name): version for name, version in pip.items()}
    assert read("conda-recipe/recipe.yaml")["context"]["python_min"] in PROJECT["project"]["requires-python"]


def test_the_mdakit_has_every_key():
    found = read("mdakit/metadata.yaml")
    assert set(found) == MDAKIT_KEYS and all(found.values())
    minimum = next(line for line in PROJECT["project"]["dependencies"] if line.startswith("MDAnalysis"))
    assert found["mdanalysis_requires"].startswith(minimum.removeprefix("MDAnalysis"))
    tests = re.findall(r"tests/\S+", " ".join(found["run_tests"]))
    assert tests and all((ROOT / test).exists() for test in tests)


def test_the_citation_names_the_papers():
    titles = [reference["title"] for reference in read("CITATION.cff")["references"]]
    assert "Generative Modeling of Molecular Dynamics Trajectories" in titles


def test_every_file_that_is_no_code_is_packaged():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["openmm_mdgen"]
    package = ROOT / "openmm_mdgen"
    packaged = {path for pattern in patterns for path in package.glob(pattern)}
    others = {p for p in package.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert others <= packaged


def test_reports_of_faults_bring_what_doctor_prints():
    fields = read(".github/ISSUE_TEMPLATE/bug.yml")["body"]
    doctor = next(field for field in fields if field.get("id") == "doctor")
    assert "openmm-mdgen doctor" in doctor["attributes"]["label"]


def test_the_wheel_is_for_every_system():
    """Tags py3-none-any: no compiled code, and nothing in the build that would say otherwise."""
    assert not list((ROOT / "openmm_mdgen").rglob("*.pyx")) and not list((ROOT / "openmm_mdgen").rglob("*.c"))
    assert "ext-modules" not in PROJECT["tool"]["setuptools"] and not (ROOT / "setup.py").exists()

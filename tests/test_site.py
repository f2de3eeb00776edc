"""The site builds without a network and without a warning, and its links within the site lead somewhere."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

import openmm_mdgen

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def test_every_page_is_reached():
    """Through the tables of contents, from the index."""
    seen, todo = set(), [DOCS / "index.md"]
    while todo:
        page = todo.pop().resolve()
        if page in seen:
            continue
        seen.add(page)
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            for line in block.splitlines():
                if line and not line.startswith(":"):
                    todo += sorted(page.parent.glob(f"{line}.md")) if "*" in line else [page.parent / f"{line}.md"]
    assert {p.relative_to(DOCS) for p in DOCS.rglob("*.md")} == {p.relative_to(DOCS) for p in seen}


def test_the_reference_has_all_that_is_public():
    pages = "\n".join(p.read_text(encoding="utf-8") for p in (DOCS / "reference").glob("*.md"))
    named = re.findall(r"\.\. auto\w+:: (?:openmm_mdgen\.)?(?:\w+\.)*(\w+)", pages)
    assert set(openmm_mdgen.__all__) <= set(named)


@pytest.mark.parametrize("name", openmm_mdgen.__all__)
def test_docstrings_name_every_parameter_and_what_comes_back(name):
    """So that the reference does, too."""
    scrape = pytest.importorskip("numpydoc.docscrape", reason="the extra docs is not installed")
    thing = getattr(openmm_mdgen, name)
    if not inspect.isfunction(thing):
        pytest.skip("a class")
    doc = scrape.FunctionDoc(thing)
    told = {part.strip() for parameter in doc["Parameters"] for part in parameter.name.split(",")}
    assert told == set(inspect.signature(thing).parameters)
    assert doc["Returns"] or inspect.signature(thing).return_annotation == "None"
    assert doc["Raises"] or name == "unconditional"
    assert doc["Examples"] or name == "load_task"


def test_the_list_of_errors_is_that_of_the_code(monkeypatch):
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    import mdgen_reference

    errors = mdgen_reference.all_errors()
    assert len(errors) > 10 and sum(map(len, errors.values())) > 200
    assert "two key frames are given at … ps; leave one out" in errors["api"]
    lines = ["Parameters", "----------", "path", "    A file.", "title : str", "Returns", "-------", "path"]
    mdgen_reference.add_types(None, "function", "", openmm_mdgen.read_recipe, None, lines)
    assert lines[2] == "path : str | PathLike[str]" and lines[4] == "title : str" and lines[7] == "path"


def test_links_to_files_lead_to_files():
    missing = []
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http", "<", "hf:")) and not (page.parent / target).exists():
                missing.append(f"{page.name}: {target}")
    assert missing == []


def test_pictures_of_the_gallery_have_scripts():
    scripts = {p.stem for p in (DOCS / "gallery").glob("*.py")}
    assert scripts and all((DOCS / "gallery" / f"{name}.png").is_file() for name in scripts)


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted((DOCS / "gallery").glob("*.py")), ids=lambda p: p.stem)
def test_pictures_of_the_gallery_are_drawn(script, tmp_path):
    subprocess.run([sys.executable, str(script), str(tmp_path / "out.png")], check=True, cwd=ROOT)
    assert (tmp_path / "out.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert broken_links(tmp_path) == []


def broken_links(site: Path) -> list[str]:
    """Links within a built site, to pages and to places on them, that lead nowhere."""
    pages = {p: p.read_text(encoding="utf-8") for p in site.rglob("*.html")}
    places = {p: set(re.findall(r'\bid="([^"]+)"', text)) for p, text in pages.items()}
    found = []
    for page, text in pages.items():
        for link in map(unescape, re.findall(r'(?:href|src)="([^"]+)"', text)):
            if re.match(r"[a-z]+:|//", link):
                continue
            target, _, place = link.partition("#")
            path = (page.parent / unquote(target.split("?")[0])).resolve() if target else page
            if not path.exists() or (place and path in places and unquote(place) not in places[path]):
                found.append(f"{page.relative_to(site)}: {link}")
    return found

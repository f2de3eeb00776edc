"""The tables and pictures of docs/how_good.md from the figures in docs/results/json, and new figures put there.

    python benchmarks/how_good.py                              # write the page's tables and pictures again
    python benchmarks/how_good.py --add peptides_300K=new.json # take what a benchmark wrote with --json, then write

A file holds the command that printed its figures, the machine, and the figures (``data``), as the benchmark wrote them
or as they stand in a table of the lab book. The tables go between ``<!-- NAME -->`` and ``<!-- /NAME -->`` of the page;
a test fails where they, or the pictures, are not those of the figures.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
from how_good_pictures import PICTURES, draw
from how_good_tables import TABLES
from how_good_trust import trust

from openmm_mdgen.errors import MDGenError

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, FIGURES, IMAGES = DOCS / "how_good.md", DOCS / "results" / "json", DOCS / "images"


def read(folder: Path = FIGURES) -> dict[str, Any]:
    """The figures of every file by its name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8"))["data"] for path in sorted(folder.glob("*.json"))}


def filled(page: str, figures: dict[str, Any]) -> str:
    """The page with every table in its place."""
    for name, table in {"trust": trust, **TABLES}.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise MDGenError(f"the page has no {begin.strip()} ... {end} for the table {name}")
        page = f"{before}{begin}{table(figures)}\n{end}{after}"
    return page


def clean(value: Any) -> Any:
    """Five digits, and models by their names, without folders."""
    if isinstance(value, dict):
        return {k: model_name(v) if k == "model" else clean(v) for k, v in value.items()}
    if isinstance(value, list):
        return [clean(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def model_name(text: str) -> str:
    """``peptide:5`` of ``some/folder/peptide.safetensors:5``."""
    return re.sub(r"^.*/|\.safetensors", "", text)


def add(name: str, new: Path, machine: str | None, folder: Path = FIGURES) -> None:
    """Put new figures in the place of a file's, keeping its command."""
    path = folder / f"{name}.json"
    if not path.is_file():
        known = ", ".join(p.stem for p in sorted(folder.glob("*.json")))
        raise MDGenError(f"there are no figures {name!r}; there are {known}")
    held = json.loads(path.read_text(encoding="utf-8"))
    held["data"] = clean(json.loads(new.read_text(encoding="utf-8")))
    held["machine"] = machine or held["machine"]
    path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


@click.command()
@click.option("--add", "added", multiple=True, metavar="NAME=FILE", help="figures that a benchmark wrote with --json")
@click.option("--machine", help="what they were measured on (default: as before)")
def main(added: tuple[str, ...], machine: str | None) -> None:
    """Write the page and its pictures."""
    for one in added:
        name, _, file = one.partition("=")
        add(name, Path(file), machine)
    figures = read()
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")
    for name in PICTURES:
        draw(name, figures, IMAGES / f"how_good_{name}.svg")


if __name__ == "__main__":
    main()

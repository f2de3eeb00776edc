"""What the reference needs beyond autodoc: types beside parameters, help texts as they are, a list of all errors."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGE = Path(__file__).resolve().parent.parent.parent / "openmm_mdgen"


def annotations_of(thing: Any) -> dict[str, str]:
    """The types of a function's parameters as they are written."""
    try:
        parameters = inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return {}
    return {name: p.annotation for name, p in parameters.items() if isinstance(p.annotation, str)}


def add_types(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """``name`` in a Parameters section becomes ``name : type``; a type that is written there stays."""
    if what not in ("function", "method"):
        return
    types, inside = annotations_of(thing), False
    for i, line in enumerate(lines):
        if i + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[i + 1].strip()):
            inside = line.strip() == "Parameters"
        elif inside and re.fullmatch(r"\w+(, \w+)*", line):
            found = dict.fromkeys(types[n] for n in line.split(", ") if n in types)
            if len(found) == 1:
                lines[i] = f"{line} : {next(iter(found))}"


def literal_help(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Paragraphs that are commands become code; stars and bars elsewhere are characters."""
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line.strip())
        elif paragraphs[-1]:
            paragraphs.append([])
    lines.clear()
    for paragraph in filter(None, paragraphs):
        if paragraph[0].startswith("openmm-mdgen "):
            lines += [".. code-block:: console", "", *(f"   {' '.join(paragraph)}".splitlines()), ""]
        else:
            lines += [re.sub(r"([*|`])", r"\\\1", line) for line in paragraph] + [""]


def literal_options(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """The help of options, whose stars are characters."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((".. ", ":")):
            lines[i] = re.sub(r"(?<![\\*])\*(?!\*)", r"\\*", line)


def message_of(node: ast.expr) -> str:
    """The text of a string or f-string, with the names of what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(message_of(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return "…"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return message_of(node.left) + message_of(node.right)
    return "…"


def errors_in(path: Path) -> Iterator[str]:
    """Messages of the errors and warnings that a file raises, in order."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            if node.func.id in ("MDGenError", "MDGenWarning") or node.func.id.startswith("warn"):
                text = message_of(node.args[0])
                if len(re.sub(r"[…\s]", "", text)) > 15:
                    yield re.sub(r"\s+", " ", text)


def all_errors() -> dict[str, list[str]]:
    """By folder of the package, each once."""
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        folder = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        found.setdefault(folder, []).extend(errors_in(path))
    return {folder: sorted(set(texts)) for folder, texts in found.items() if texts}


class Errors(SphinxDirective):
    """A section for each folder, with what its errors say."""

    def run(self) -> list[nodes.Node]:
        out: list[nodes.Node] = []
        for folder, texts in all_errors().items():
            section = nodes.section(ids=[f"errors-{folder}"])
            section += nodes.title(text=folder)
            items = [nodes.list_item("", nodes.paragraph(text=text)) for text in texts]
            section += nodes.bullet_list("", *items)
            out.append(section)
        return out


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("mdgen-errors", Errors)
    app.connect("autodoc-process-docstring", add_types, priority=100)
    app.connect("sphinx-click-process-description", literal_help)
    app.connect("sphinx-click-process-options", literal_options)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Draws which folder of the package imports which, and lists the folders in ``docs/architecture.md``.

    python docs/images/architecture.py

Both are made of the package's own files, and `tests/test_architecture.py` fails where they are out of date. An arrow
that follows from others is left out of the picture; all of them stand in its ``<desc>``, as JSON.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "openmm_mdgen"
PICTURE = Path(__file__).with_suffix(".svg")
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- folders: written by docs/images/architecture.py -->", "<!-- end of folders -->"

_WIDTH, _BOX, _HEIGHT, _ROW, _TOP = 900, 96, 30, 78, 34
_COLOURS = {"edge": "#0072B2", "middle": "#009E73", "base": "#555555"}
_KINDS = {
    "edge": "cli api many integrator trajectory upsampling train evaluation correction".split(),
    "middle": "weights tasks network published forcefield convert".split(),
}


def folders() -> dict[str, str]:
    """The folders of the package and what their ``__init__`` says they hold and may import."""
    texts = {path.parent.name: ast.parse(path.read_text()) for path in sorted(PACKAGE.glob("*/__init__.py"))}
    return {name: ast.get_docstring(tree) or "" for name, tree in texts.items()}


def imports() -> dict[str, list[str]]:
    """The other folders that each folder imports, lazily too."""
    names = set(folders())
    found: dict[str, set[str]] = {name: set() for name in sorted(names)}
    for name in names:
        for path in (PACKAGE / name).rglob("*.py"):
            found[name] |= {other for other in _imported(path) if other in names - {name}}
    return {name: sorted(others) for name, others in sorted(found.items())}


def _imported(path: Path) -> Iterator[str]:
    """Folders named in a file's imports from the package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            parts = (node.module or "").split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith(f"{PACKAGE.name}."))


def levels(graph: dict[str, list[str]]) -> dict[str, int]:
    """How many folders at most lie below each."""
    found: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in found:
            found[name] = 1 + max((level(other) for other in graph[name]), default=-1)
        return found[name]

    for name in graph:
        level(name)
    return found


def needed(graph: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Arrows that do not follow from others."""

    def below(name: str) -> set[str]:
        return set(graph[name]).union(*(below(other) for other in graph[name]))

    return [
        (name, other)
        for name, others in graph.items()
        for other in others
        if not any(other in below(between) for between in others if between != other)
    ]


def draw(graph: dict[str, list[str]]) -> str:
    """The picture as SVG text."""
    heights = levels(graph)
    arrows = needed(graph)
    rows: dict[int, list[str]] = {}
    for name, height in heights.items():
        rows.setdefault(max(heights.values()) - height, []).append(name)
    places = _places(rows, arrows)
    total = _TOP + _ROW * len(rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {total}" font-family="sans-serif">',
        "<title>Folders of openmm_mdgen: an arrow points to what is imported</title>",
        f"<desc>{escape(json.dumps(graph))}</desc>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#999"/></marker></defs>',
        f'<rect width="{_WIDTH}" height="{total}" fill="white"/>',
    ]
    for name, other in arrows:
        (x, y), (u, v) = places[name], places[other]
        y, v = y + _HEIGHT / 2, v - _HEIGHT / 2
        bend = (v - y) / 2
        lines.append(
            f'<path d="M{x:.0f},{y:.0f} C{x:.0f},{y + bend:.0f} {u:.0f},{v - bend:.0f} {u:.0f},{v:.0f}" fill="none" '
            'stroke="#999" stroke-width="1.2" marker-end="url(#tip)"/>'
        )
    for name, (x, y) in places.items():
        kind = next((kind for kind, names in _KINDS.items() if name in names), "base")
        lines += [
            f'<rect x="{x - _BOX / 2:.0f}" y="{y - _HEIGHT / 2:.0f}" width="{_BOX}" height="{_HEIGHT}" rx="5" '
            f'fill="white" stroke="{_COLOURS[kind]}" stroke-width="1.6"/>',
            f'<text x="{x:.0f}" y="{y + 4.5:.0f}" text-anchor="middle" font-size="13" fill="{_COLOURS[kind]}">'
            f"{name}</text>",
        ]
    return "\n".join([*lines, "</svg>", ""])


def _places(rows: dict[int, list[str]], arrows: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Centres of the boxes: each row ordered by where the arrows into it come from."""
    places: dict[str, tuple[float, float]] = {}
    for row in sorted(rows):

        def from_above(name: str) -> float:
            sources = [places[a][0] for a, b in arrows if b == name and a in places]
            return sum(sources) / len(sources) if sources else _WIDTH / 2

        names = sorted(rows[row], key=lambda name: (from_above(name), name))
        gap = _WIDTH / len(names)
        shift = gap * 0.22 * (-1) ** row if len(names) < 3 else 0.0  # off the line of the rows above and below
        for k, name in enumerate(names):
            places[name] = gap * (k + 0.5) + shift, _TOP + _ROW * row
    return places


def listing() -> str:
    """The folders, top to bottom as in the picture, with what they hold and import."""
    graph = imports()
    heights = levels(graph)
    rows = ["| folder | holds | imports |", "|---|---|---|"]
    for name, text in sorted(folders().items(), key=lambda item: (-heights[item[0]], item[0])):
        holds = " ".join(text.partition("\n\n")[0].split())
        rows.append(f"| `{name}/` | {holds} | {', '.join(graph[name])} |")
    return "\n".join(rows)


def page(text: str) -> str:
    """The page with the folders as they are now."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{listing()}\n{END}{after}"


if __name__ == "__main__":
    PICTURE.write_text(draw(imports()), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

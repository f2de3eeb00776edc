"""The code itself: lines that ask an object what it has are those of the list, each with its reason."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "openmm_mdgen"
LIST = ROOT / "docs" / "results" / "house.md"
_PROBE = re.compile(r"hasattr\(|getattr\(")
_ROW = re.compile(r"^\| `(?P<file>[\w/]+\.py)` \| (?P<lines>\d+) \| .{10,} \|$")


def test_lines_with_a_probe_are_those_of_the_list():
    found = Counter(
        {
            str(path.relative_to(PACKAGE)): n
            for path in PACKAGE.rglob("*.py")
            if (n := sum(bool(_PROBE.search(line)) for line in path.read_text().splitlines()))
        }
    )
    listed = Counter({m["file"]: int(m["lines"]) for m in map(_ROW.match, LIST.read_text().splitlines()) if m})
    assert found == listed, f"{LIST.name} lacks {found - listed} and has too many of {listed - found}"

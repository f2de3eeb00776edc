"""Facts about the package's own code: what an evaluation computes, and places that say the same.

python benchmarks/house_facts.py [folder of another checkout's package]
"""

from __future__ import annotations

import ast
import cProfile
import pstats
import re
import sys
import tokenize
import warnings
from collections import Counter, defaultdict
from io import BytesIO
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINES = 6
COUNTED = ("autocorrelation", "linear_autocorrelation", "relaxation_times", "assign", "project", "torsion_angles")
_WORD = re.compile(r"[A-Za-z_]\w*")


def calls_in_an_evaluation() -> Counter[str]:
    """Calls of each computation in one small evaluation, without a replicate."""
    from openmm_mdgen.evaluation import evaluate
    from tests.helpers.evaluate_toys import heavy_universe, toy_frames

    pdb = ROOT / "tests" / "data" / "QGRE.pdb"
    sides = [[heavy_universe(pdb, toy_frames(pdb, 300, 10 * side + k)) for k in range(2)] for side in (1, 2)]
    profile = cProfile.Profile()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        profile.runcall(evaluate, *sides, n_bootstrap=5, n_energies=0, lag=20.0, n_clusters=20, n_states=3, view=False)
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    found: Counter[str] = Counter()
    for (path, _, name), (_, calls, *_) in stats.items():
        if name in COUNTED and "evaluat" in path:
            found[name] += calls
    return found


def code_lines(path: Path) -> list[tuple[int, str, str]]:
    """Number, text and shape of the lines that hold code: no blank ones, comments, docstrings or imports."""
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = node.value if isinstance(node, ast.Expr) else None
        is_text = isinstance(text, ast.Constant) and isinstance(text.value, str)
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            skipped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))  # type: ignore[attr-defined]
    rows: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for token in tokenize.tokenize(BytesIO(path.read_bytes()).readline):
        is_code = token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)
        if is_code and token.start[0] not in skipped:
            rows[token.start[0]].append((tokenize.tok_name[token.type], token.string))
    return [
        (n, " ".join(text for _, text in row), " ".join(text if kind == "OP" else kind for kind, text in row))
        for n, row in sorted(rows.items())
        if any(_WORD.match(text) for _, text in row)
    ]


def pairs_of_places(package: Path, column: int) -> int:
    """Pairs of places that share at least six lines of code, alike (column 1) or of one shape (column 2)."""
    places: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for path in sorted(package.rglob("*.py")):
        lines = code_lines(path)
        for k in range(len(lines) - LINES + 1):
            places[tuple(line[column] for line in lines[k : k + LINES])].append((str(path), k))
    matches = {pair for found in places.values() if len(found) <= 8 for pair in combinations(sorted(found), 2)}
    return sum(((a, i - 1), (b, j - 1)) not in matches for (a, i), (b, j) in matches)  # beginnings of runs only


if __name__ == "__main__":
    package = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "openmm_mdgen"
    print(f"{len(list(package.rglob('*.py')))} files")
    print(f"{pairs_of_places(package, 1)} pairs of places with {LINES} or more equal lines of code")
    print(f"{pairs_of_places(package, 2)} pairs of places with {LINES} or more lines of one shape")
    if len(sys.argv) == 1:
        print(dict(calls_in_an_evaluation()))

"""The house in figures: function against command, parses and hashes of a call, the time of `models`, counts.

python benchmarks/house.py [--repeats 3] [OTHER_PACKAGE ...]
"""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PDB = ROOT / "tests" / "data" / "QGRE.pdb"
FRAMES, REPLICAS = 63, 4
_FUNCTION = f"""
from openmm_mdgen import simulate
for run in simulate({str(PDB)!r}, time={10 * FRAMES}, replicas={REPLICAS}, device="cpu"):
    run.trajectory.timeseries()
"""
_COMMAND = f"simulate {PDB} --time {10 * FRAMES}ps --replicas {REPLICAS} --device cpu --quiet -o out.xtc"
_PROBES = re.compile(r"hasattr\(|getattr\(")


def seconds(arguments: list[str], folder: str) -> float:
    """Wall time of a process of its own."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begin


def alternately(first: list[str], second: list[str], repeats: int) -> tuple[float, float]:
    """The shortest times of two processes, run in turn."""
    with tempfile.TemporaryDirectory() as folder:
        times = [(seconds(first, folder), seconds(second, folder)) for _ in range(repeats)]
    return min(a for a, _ in times), min(b for _, b in times)


def parses_and_hashes() -> tuple[int, int]:
    """How often one call of `simulate` reads its structure file and takes a hash of anything."""
    from openmm_mdgen import simulate
    from openmm_mdgen.convert import structures
    from openmm_mdgen.trajectory import recipe

    with (
        patch.object(structures, "Universe", wraps=structures.Universe) as parse,
        patch.object(recipe.hashlib, "sha256", wraps=hashlib.sha256) as digest,
    ):
        simulate(PDB, time=10 * FRAMES, replicas=REPLICAS, model=_Still())
    return parse.call_count, digest.call_count


class _Still:
    n_frames = FRAMES

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        return start[None].repeat(self.n_frames, 0)


def sources(package: Path) -> list[str]:
    """Every file of a package."""
    return [file.read_text() for file in sorted(package.rglob("*.py"))]


def n_probes(texts: list[str]) -> int:
    """Lines with hasattr or getattr."""
    return sum(bool(_PROBES.search(line)) for text in texts for line in text.splitlines())


def n_words(texts: list[str]) -> int:
    """How often the word Any stands in the code, imports and docstrings among them."""
    return sum(len(re.findall(r"\bAny\b", text)) for text in texts)


def n_any(texts: list[str]) -> int:
    """Arguments and results of functions whose annotation has Any."""
    functions = [
        n for t in texts for n in ast.walk(ast.parse(t)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    found = 0
    for function in functions:
        annotations = [n.annotation for n in ast.walk(function.args) if isinstance(n, ast.arg)] + [function.returns]
        found += sum(any(isinstance(x, ast.Name) and x.id == "Any" for x in ast.walk(a)) for a in annotations if a)
    return found


@click.command()
@click.option("--repeats", default=3, show_default=True, help="Runs of each process.")
@click.argument("other", nargs=-1, type=click.Path(path_type=Path))
def main(repeats: int, other: tuple[Path, ...]) -> None:
    """Print the figures; the counts of OTHER packages, such as an older one, too."""
    function, command = alternately(["-c", _FUNCTION], ["-m", "openmm_mdgen", *_COMMAND.split()], repeats)
    ratio = function / command
    click.echo(f"{REPLICAS} x {FRAMES} frames: simulate() {function:.1f} s, command {command:.1f} s, ratio {ratio:.2f}")
    click.echo("parses and hashes of one call: {} and {}".format(*parses_and_hashes()))
    helped, listed = alternately(["-m", "openmm_mdgen", "--help"], ["-m", "openmm_mdgen", "models"], repeats)
    click.echo(f"--help {helped:.2f} s, models {listed:.2f} s, ratio {listed / helped:.2f}")
    for package in (ROOT / "openmm_mdgen", *other):
        texts = sources(package)
        lines = sum(text.count("\n") for text in texts)
        click.echo(
            f"{package}: {lines} lines, {n_probes(texts)} with hasattr or getattr; "
            f"{n_any(texts)} annotations with Any, the word {n_words(texts)} times"
        )


if __name__ == "__main__":
    main()

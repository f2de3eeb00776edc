"""Generate trajectories of every peptide of a split with the command line, as `ensemble.py` wants them.

python benchmarks/generate.py ../shared/data/tetrapeptides/test cache/test --time 6ns --replicas 8
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import click

from openmm_mdgen.cli import group


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--time", "length", default="6ns", show_default=True)
@click.option("--equilibrate", default="500ps", show_default=True)
@click.option("--replicas", default=8, show_default=True)
@click.option("--model", default="peptide", show_default=True)
@click.option("--steps", type=int, help="Solver steps.")
@click.option("--relax", is_flag=True)
@click.option("--only", multiple=True)
def main(
    data: Path,
    out: Path,
    length: str,
    equilibrate: str,
    replicas: int,
    model: str,
    steps: int | None,
    relax: bool,
    only: tuple[str, ...],
) -> None:
    """Start every peptide of DATA from its allatom.pdb; OUT/<peptide> gets gen_*.xtc and top.pdb."""
    for start in sorted(data.glob("*/allatom.pdb")):
        if only and start.parent.name not in only:
            continue
        folder = out / start.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(start, folder / "top.pdb")
        words = ["simulate", str(start), "--time", length, "--replicas", str(replicas), "--model", model, "--quiet"]
        words += ["-o", str(folder / "gen.xtc")] + (["--steps", str(steps)] if steps else [])
        words += ["--equilibrate", equilibrate] if equilibrate != "0" else []
        words += ["--relax"] if relax else []
        began = time.perf_counter()
        group.main(words, standalone_mode=False)
        print(f"{start.parent.name}: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()

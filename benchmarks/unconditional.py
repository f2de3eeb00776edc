"""Generate trajectories of every peptide of a split from its sequence alone, as `ensemble.py` wants them.

python benchmarks/unconditional.py ../shared/data/tetrapeptides/test cache/unconditional
python benchmarks/ensemble.py ../shared/data/tetrapeptides/test cache/unconditional
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import click
import MDAnalysis as mda

import openmm_mdgen


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--time", "length", default=6000.0, show_default=True, help="ps")
@click.option("--replicas", default=8, show_default=True)
@click.option("--model", default="peptide", show_default=True)
@click.option("--only", multiple=True)
def main(data: Path, out: Path, length: float, replicas: int, model: str, only: tuple[str, ...]) -> None:
    """OUT/<peptide> gets gen_*.xtc and top.pdb."""
    warnings.filterwarnings("ignore")
    for source in sorted(data.glob("*/allatom.pdb")):
        name = source.parent.name
        if only and name not in only:
            continue
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        made = openmm_mdgen.unconditional(name, time=length, replicas=replicas, model=model)
        assert isinstance(made, list)
        print(f"{name}: {time.perf_counter() - began:.1f} s")
        made[0].atoms.write(str(folder / "top.pdb"))
        for k, universe in enumerate(made):
            with mda.Writer(str(folder / f"gen_{k:02d}.xtc"), universe.atoms.n_atoms) as writer:
                for _ in universe.trajectory:
                    writer.write(universe.atoms)


if __name__ == "__main__":
    main()

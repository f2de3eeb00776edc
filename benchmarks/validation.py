"""Models compared on peptides that they were, or were not, trained on: torsion JSD and autocorrelation.

    python benchmarks/validation.py ../shared/data/tetrapeptides/val --model peptide --model run/model.safetensors
    python benchmarks/validation.py ../shared/data/tetrapeptides/val --model peptide:2 --model peptide:5 --model peptide
    python benchmarks/validation.py ../shared/data/tetrapeptides/train --only DIMT --only KMRI --only TDKC --only QHGR

Sixteen replicas of 5 ns per peptide, after 630 ps, against all MD replicas; the floor is one half of the MD against the
other, which are fewer frames. Autocorrelations: mean over torsions of the absolute difference, and of the difference.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np
from ensemble_tables import table
from solver_steps import run
from temperatures import load

from openmm_mdgen.evaluation.distances import histograms, jsd
from openmm_mdgen.evaluation.dynamics import autocorrelation
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles

REPLICAS, DISCARDED, FRAMES = 16, 63, 500
LAGS = (1, 10)  # frames of 10 ps


def compare(md: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """JSD, and differences of the autocorrelation at both lags, (3, T), of angles (R, F, T)."""
    curves = [autocorrelation(list(x), max(LAGS)) for x in (md, ours)]
    single = jsd(histograms(list(md)).sum(0), histograms(list(ours)).sum(0))
    return np.stack([single, *(curves[1][lag] - curves[0][lag] for lag in LAGS)])


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--model", "models", multiple=True, default=("peptide",), show_default=True)
@click.option("--only", multiple=True, help="These peptides only.")
def main(data: Path, models: tuple[str, ...], only: tuple[str, ...]) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    tasks = {name: load(name) for name in models}
    found: dict[str, list[np.ndarray]] = {name: [] for name in ("MD, half against half", *models)}
    backbone = []
    for folder in sorted(p.parent for p in data.glob("*/heavy.pdb") if not only or p.parent.name in only):
        start = heavy_atoms(mda.Universe(folder / "allatom.pdb").atoms)
        torsions = topology_of(start).torsions
        files = sorted(folder.glob("r??.xtc"))
        frames = [mda.Universe(folder / "heavy.pdb", str(p)).trajectory.timeseries(order="fac") for p in files]
        md = np.stack([torsion_angles(x, torsions) for x in frames])
        backbone += [t.backbone for t in torsions]
        found["MD, half against half"].append(compare(md[: len(md) // 2], md[len(md) // 2 :]))
        for name, task in tasks.items():
            made, _ = run(task, start, REPLICAS, DISCARDED, FRAMES)
            found[name].append(compare(md, np.stack([torsion_angles(x, torsions) for x in made])))
    cells = []
    for name, parts in found.items():
        values = np.concatenate(parts, 1)
        for label, which in (("backbone", np.array(backbone)), ("side chains", ~np.array(backbone))):
            jsds, *differences = values[:, which]
            cells.append(
                [
                    name,
                    label,
                    f"{jsds.mean():.3f}",
                    *(f"{np.abs(d).mean():.3f} ({d.mean():+.3f})" for d in differences),
                ]
            )
    click.echo(table(["model", "torsions", "JSD", "autocorrelation, 10 ps", "100 ps"], cells))


if __name__ == "__main__":
    main()

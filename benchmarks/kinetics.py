"""How fast torsions forget, and how often slow ones are where they seldom are: models beside MD, each peptide a row.

    python benchmarks/kinetics.py ../shared/data/tetrapeptides/test --json kinetics_350K.json
    python benchmarks/kinetics.py ../shared/data/T300/test --temperature 300 --json kinetics_300K.json

Sixteen replicas a peptide, after 630 ps. Curves: autocorrelation of torsions, mean over those of the backbone and of
side chains, of all MD, of its halves, and of the model. Relaxation times: of every torsion. Left: share of frames with
phi above 0, residues other than glycine, which MD itself samples poorly: the halves of the MD say how poorly.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np
from ensemble_tables import table
from temperatures import generate, load

from openmm_mdgen.evaluation.dynamics import autocorrelation, relaxation_times
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import Torsion, torsion_angles

LAGS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150)  # frames of 10 ps
LONGEST = 200


def figures(angles: np.ndarray, torsions: list[Torsion]) -> dict:
    """Curves, relaxation times and shares of phi > 0 of angles (R, F, T)."""
    backbone = np.array([t.backbone for t in torsions])
    curves = autocorrelation(list(angles), min(LONGEST, angles.shape[1] - 1))
    lags = [k for k in LAGS if k < len(curves)]
    parts = {"backbone": backbone, "side chains": ~backbone}
    left = [i for i, t in enumerate(torsions) if t.kind == "phi" and t.resname != "GLY"]
    return {
        "curves": {p: np.nanmean(curves[lags][:, which], 1).round(4).tolist() for p, which in parts.items()},
        "relaxation_ps": [round(t, 2) if np.isfinite(t) else None for t in relaxation_times(curves, 10.0)],
        "left": {torsions[i].label: round(float((angles[..., i] > 0).mean()), 5) for i in left},
    }


def of_peptide(folder: Path, models: tuple[str, ...], n_frames: int, kelvin: float) -> dict:
    """MD, its halves, and every model."""
    start = mda.Universe(folder / "allatom.pdb").atoms
    heavy = heavy_atoms(start)
    torsions = topology_of(heavy).torsions
    universes = [mda.Universe(folder / "heavy.pdb", str(p)) for p in sorted(folder.glob("r??.xtc"))]
    md = np.stack([torsion_angles(u.trajectory.timeseries(order="fac"), torsions) for u in universes])
    half = len(md) // 2
    found = {"MD": figures(md, torsions), "MD, first half": figures(md[:half], torsions)}
    found["MD, second half"] = figures(md[half:], torsions)
    for name in models:
        made = generate(load(name), start, n_frames, kelvin)[:, :, heavy.indices]
        found[name] = figures(np.stack([torsion_angles(x, torsions) for x in made]), torsions)
    return {
        "peptide": folder.name,
        "kelvin": kelvin,
        "lags_ps": [10 * k for k in LAGS],
        "torsions": [t.label for t in torsions],
        "backbone": [t.backbone for t in torsions],
        "of": found,
    }


def printed(rows: list[dict]) -> str:
    """Ratios of relaxation times to MD's and shares of phi > 0, all peptides."""
    cells = []
    for row in rows:
        md = row["of"]["MD"]
        for name, made in row["of"].items():
            ratio = np.array(made["relaxation_ps"], float) / np.array(md["relaxation_ps"], float)
            backbone = np.array(row["backbone"])
            medians = [f"{np.nanmedian(ratio[which]):.2f}" for which in (backbone, ~backbone)]
            left = ", ".join(f"{label} {share:.2%}" for label, share in made["left"].items())
            cells.append([row["peptide"], name, *medians, left])
    return table(["peptide", "of", "relaxation, backbone, x MD", "side chains, x MD", "phi > 0"], cells)


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--model", "models", multiple=True, default=("peptide",), show_default=True)
@click.option("--temperature", default=350.0, show_default=True, help="K")
@click.option("--frames", default=600, show_default=True, help="of each replica, 10 ps apart")
@click.option("--only", multiple=True, help="These peptides only.")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(
    data: Path, models: tuple[str, ...], temperature: float, frames: int, only: tuple[str, ...], json_path: Path | None
) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    folders = sorted(p.parent for p in data.glob("*/heavy.pdb") if not only or p.parent.name in only)
    rows = [of_peptide(folder, models, frames, temperature) for folder in folders]
    click.echo(printed(rows))
    if json_path:
        json_path.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

"""What temperature does to a peptide, generated beside MD of a ladder of temperatures: one picture.

    python benchmarks/temperature_picture.py ladder/AMMT ladder/ACE-IKR-NME -o temperature.png

A folder has ``allatom.pdb``, ``heavy.pdb``, ``temperatures.csv`` and a trajectory for each temperature. Generated: four
replicas of a quarter of the length, after 630 ps. Drawn: spread of CA-C-N angles and of C-N bonds, radius of gyration,
and the mean relaxation time of side chains (integral of the autocorrelation up to 500 ps).
"""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.evaluation.dynamics import autocorrelation
from openmm_mdgen.evaluation.structure import check_structure
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.weights.checkpoint import load_task

REPLICAS, LONGEST = 4, 50  # frames of 10 ps
PANELS = {
    "angle": "spread of CA-C-N angles, degrees",
    "bond": "spread of C-N bonds, Å",
    "gyration": "radius of gyration, Å",
    "relaxation": "relaxation of side chains, ps",
}


def figures(frames: np.ndarray, folder: Path) -> dict[str, float]:
    """The four figures of frames (R, F, N, 3) of heavy atoms."""
    topology = topology_of(heavy_atoms(mda.Universe(folder / "allatom.pdb").atoms))
    checked = check_structure(frames.reshape(-1, *frames.shape[2:]), topology)
    side = [not t.backbone for t in topology.torsions]
    curves = autocorrelation([torsion_angles(x, topology.torsions)[:, side] for x in frames], LONGEST)
    return {
        "angle": float(np.rad2deg(checked.ca_c_n).std()),
        "bond": float(checked.cn_lengths.std()),
        "gyration": float(checked.radius_of_gyration.mean()),
        "relaxation": float(10 * (0.5 + curves[1:].sum(0)).mean()),
    }


def generate(task: Simulate, folder: Path, kelvin: float, n_frames: int) -> np.ndarray:
    """Heavy atoms (R, F, N, 3) at a temperature."""
    start = mda.Universe(folder / "allatom.pdb").atoms
    propagator = task.bind(load_structure(start), 10.0, temperature=kelvin)
    anchors, blocks = np.repeat(start.positions[None].astype(float), REPLICAS, axis=0), []
    while sum(b.shape[1] for b in blocks[1:]) < n_frames:
        blocks.append(propagator.next_blocks(anchors, [block_seed(1, len(blocks), r) for r in range(REPLICAS)]))
        anchors = blocks[-1][:, -1]
    return np.concatenate(blocks[1:], 1)[:, :n_frames, heavy_atoms(start).indices]


def of_peptide(folder: Path, task: Simulate) -> list[dict]:
    """A row for each temperature that the model knows."""
    rows = []
    with open(folder / "temperatures.csv", encoding="utf-8", newline="") as handle:
        table = [(r["trajectory"], float(r["temperature_K"])) for r in csv.DictReader(handle)]
    low, high = task.temperatures or (0.0, 0.0)
    for name, kelvin in table:
        if not name.startswith("r") or not low <= kelvin <= high:
            continue
        md = mda.Universe(folder / "heavy.pdb", folder / name).trajectory.timeseries(order="fac")[None]
        made = generate(task, folder, kelvin, md.shape[1] // REPLICAS)
        rows.append({"peptide": folder.name, "K": kelvin, "md": figures(md, folder), "made": figures(made, folder)})
    return rows


def draw(rows: list[dict], path: Path) -> None:
    """Four panels against temperature."""
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    colours = ("#0072B2", "#D55E00", "#009E73")
    for axes, (key, label) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        for colour, peptide in zip(colours, dict.fromkeys(r["peptide"] for r in rows), strict=False):
            mine = [r for r in rows if r["peptide"] == peptide]
            kelvin = [r["K"] for r in mine]
            axes.plot(kelvin, [r["md"][key] for r in mine], "o", color=colour, mfc="none", label=f"{peptide}, MD")
            axes.plot(kelvin, [r["made"][key] for r in mine], "-", color=colour, label=f"{peptide}, generated")
        axes.set(xlabel="temperature, K", ylabel=label)
        if key == "relaxation":
            axes.set_yscale("log")
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="peptide", show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("temperature.png"), show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(folders: tuple[Path, ...], model: str, out: Path, json_path: Path | None) -> None:
    """Draw the picture."""
    warnings.simplefilter("ignore")
    task = load_task(model)
    assert isinstance(task, Simulate)
    rows = [row for folder in folders for row in of_peptide(folder, task)]
    draw(rows, out)
    if json_path:
        json_path.write_text(json.dumps(rows, indent=1))
    for row in rows:
        values = " | ".join(f"{row['md'][k]:.3f} / {row['made'][k]:.3f}" for k in PANELS)
        click.echo(f"| {row['peptide']} | {row['K']:g} | {values} |")


if __name__ == "__main__":
    main()

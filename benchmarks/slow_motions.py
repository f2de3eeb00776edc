"""Slow motions of models against MD: relaxation times, implied timescales, fluxes between states.

    python benchmarks/slow_motions.py ../shared/data/tetrapeptides/test --model peptide:5 --model peptide

Sixteen replicas a peptide, after 630 ps. Torsions that relax within 300 ps in MD: the share whose relaxation time is
within a factor of 1.5, in one half of the MD against the other, and generated against all MD. States: ten at most, by a
Markov model of the MD (TICA, k-means, PCCA; lag 100 ps); the slowest implied timescale between these states, and the
rank correlation of fluxes between them.
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
from openmm_mdgen.evaluation.markov import (
    StateModel,
    fit_states,
    flux_spearman,
    fluxes,
    transition_counts,
    transition_matrix,
)
from openmm_mdgen.evaluation.tica import Tica, fit_tica
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles
from openmm_mdgen.tasks.simulate import Simulate

DT, LAG, FAST, FACTOR = 10.0, 10, 300.0, 1.5  # ps, frames, ps, times


def relaxations(angles: np.ndarray) -> np.ndarray:
    """ps, (T,) of angles (R, F, T)."""
    return relaxation_times(autocorrelation(list(angles), angles.shape[1] - 1), DT)


def counts(angles: np.ndarray, tica: Tica, states: StateModel) -> np.ndarray:
    """Transitions (S, S) between the MD's states at the lag."""
    assigned = states.assign(tica.project(list(angles)))
    return transition_counts(assigned, states.n_states, LAG).sum(0)


def slowest(matrix: np.ndarray) -> float:
    """ps, implied by the second eigenvalue of the transition matrix of symmetrised counts (S, S)."""
    visited = matrix.sum(0) + matrix.sum(1) > 0
    both = (matrix + matrix.T)[np.ix_(visited, visited)]
    second = np.sort(np.linalg.eigvals(transition_matrix(both)).real)[-2]
    return float(-DT * LAG / np.log(second)) if 0 < second < 1 else float("nan")


def compared(reference: np.ndarray, other: np.ndarray, tica: Tica, states: StateModel) -> dict[str, object]:
    """Relaxation times of both in the order of torsions, slowest timescales and the fluxes' rank correlation."""
    there, here = counts(reference, tica, states), counts(other, tica, states)
    return {
        "times": [relaxations(reference).tolist(), relaxations(other).tolist()],
        "slowest": [slowest(there), slowest(here)],
        "flux": flux_spearman(fluxes(there), fluxes(here)),
    }


def of_peptide(folder: Path, models: dict[str, Simulate], n_frames: int, temperature: float) -> list[dict]:
    """A row for the halves of the MD and for every model."""
    start = mda.Universe(folder / "allatom.pdb").atoms
    heavy = heavy_atoms(start)
    topology = topology_of(heavy)
    backbone = [t.backbone for t in topology.torsions]
    files = sorted(folder.glob("r??.xtc"))
    frames = [mda.Universe(folder / "heavy.pdb", str(p)).trajectory.timeseries(order="fac") for p in files]
    md = np.stack([torsion_angles(x, topology.torsions) for x in frames])
    tica = fit_tica(list(md), LAG, DT)
    states = fit_states(tica.project(list(md)), LAG, DT)
    half = len(md) // 2
    base = {"peptide": folder.name, "backbone": backbone}
    rows = [base | {"model": "MD, half against half"} | compared(md[half:], md[:half], tica, states)]
    for name, task in models.items():
        made = generate(task, start, n_frames, temperature)[:, :, heavy.indices]
        angles = np.stack([torsion_angles(x, topology.torsions) for x in made])
        rows.append(base | {"model": name} | compared(md, angles, tica, states))
    return rows


def within(rows: list[dict], backbone: bool) -> tuple[int, int]:
    """How many of the torsions that relax fast in the reference are within the factor, and how many there are."""
    good = total = 0
    for row in rows:
        which = np.array(row["backbone"]) == backbone
        there, here = (np.array(t)[which] for t in row["times"])
        fast = there < FAST
        good += int((np.abs(np.log(here[fast] / there[fast])) < np.log(FACTOR)).sum())
        total += int(fast.sum())
    return good, total


def printed(rows: list[dict]) -> str:
    """A line for each row, and one over peptides for each model."""
    cells = []
    for name in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == name]
        for label, some in [(row["peptide"], [row]) for row in mine] + [("**all**", mine)]:
            shares = ["{} of {}".format(*within(some, part)) for part in (True, False)]
            ratio = np.exp(np.nanmean([np.log(r["slowest"][1] / r["slowest"][0]) for r in some]))
            flux = np.nanmean([r["flux"] for r in some])
            cells.append([label, name, *shares, f"{ratio:.2f}", f"{flux:.2f}"])
    heads = ["peptide", "model", "backbone within 1.5 x", "side chains", "slowest timescale / MD's", "flux rank"]
    return table(heads, cells)


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--model", "models", multiple=True, default=("peptide",), show_default=True)
@click.option("--temperature", default=350.0, show_default=True, help="K")
@click.option("--frames", default=600, show_default=True, help="of each replica, 10 ps apart")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(data: Path, models: tuple[str, ...], temperature: float, frames: int, json_path: Path | None) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    tasks = {name: load(name) for name in models}
    rows: list[dict] = []
    for folder in sorted(p.parent for p in data.glob("*/heavy.pdb")):
        rows += of_peptide(folder, tasks, frames, temperature)
        click.echo(folder.name, err=True)
    click.echo(printed(rows))
    if json_path:
        json_path.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

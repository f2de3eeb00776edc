"""Transition paths between the states that are hardest to reach, scored by a Markov model of the peptide's MD.

    python benchmarks/transition_paths.py ../shared/data/tetrapeptides/test

States as in the paper: TICA on all torsions (lag 100 ps), 100 clusters, 10 PCCA states. Of those that hold more than
5 %, the pair with the least flux that is not zero. Ends are MD frames of the two states. Paths of 1 ns, a frame every
10 ps, are read at the lag of the model (11 points). MD's own paths are drawn from the model's bridges between the same
ends, those of shorter MD from a model of prefixes of its replicas; all are scored by the model of the whole MD.
"""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np
from ensemble_tables import table
from pooled import read_peptide

from openmm_mdgen import interpolate
from openmm_mdgen.evaluation.controls import prefix
from openmm_mdgen.evaluation.markov import StateModel, fit_states, fluxes, populations, transition_counts
from openmm_mdgen.evaluation.markov import transition_matrix as rows_to_one
from openmm_mdgen.evaluation.paths import bridge, score_paths
from openmm_mdgen.evaluation.tica import Tica, fit_tica
from openmm_mdgen.evaluation.topology import Topology
from openmm_mdgen.evaluation.torsions import torsion_angles

INTERVAL, LAG, LENGTH = 10.0, 100.0, 1000.0  # ps
STEPS = round(LENGTH / LAG)


@dataclass(frozen=True)
class Reference:
    """What MD says of a peptide."""

    topology: Topology
    frames: list[np.ndarray]
    tica: Tica
    model: StateModel
    assigned: list[np.ndarray]
    transition: np.ndarray

    @property
    def lag(self) -> int:
        return round(LAG / INTERVAL)


def read_reference(folder: Path) -> Reference:
    """Markov model of all replicas."""
    topology, frames, _ = read_peptide(folder)
    angles = [torsion_angles(x, topology.torsions) for x in frames]
    lag = round(LAG / INTERVAL)
    tica = fit_tica(angles, lag, INTERVAL)
    projected = tica.project(angles)
    model = fit_states(projected, lag, INTERVAL)
    assigned = model.assign(projected)
    counts = transition_counts(assigned, model.n_states, lag).sum(0)
    return Reference(topology, frames, tica, model, assigned, rows_to_one(counts))


def hardest_pair(reference: Reference) -> tuple[int, int]:
    """The two states above 5 % with the least flux between them that is not zero."""
    share = populations(reference.assigned, reference.model.n_states).sum(0)
    large = np.flatnonzero(share / share.sum() > 0.05)
    flux = fluxes(transition_counts(reference.assigned, reference.model.n_states, reference.lag).sum(0))
    both = flux + flux.T
    pairs = [(both[a, b], a, b) for a in large for b in large if a < b and both[a, b] > 0]
    _, a, b = min(pairs)
    return int(a), int(b)


def drawn_paths(transition: np.ndarray, start: int, end: int, n: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Paths of a Markov chain with given ends; none where it never gets there."""
    joint = bridge(transition, start, end, STEPS)
    if not joint.any():
        return []
    paths = []
    for _ in range(n):
        path = [start]
        for step in joint:
            weight = step[path[-1]]
            path.append(int(rng.choice(len(weight), p=weight / weight.sum())))
        paths.append(np.array(path))
    return paths


def row(paths: list[np.ndarray], wanted: int, transition: np.ndarray, ends: tuple[int, int]) -> dict[str, float]:
    """Figures of a set of paths; those that could not be made, or end elsewhere, count as not valid."""
    right = [p for p in paths if p[0] == ends[0] and p[-1] == ends[1]]
    if not right:
        return {"n": 0, "jsd": float("nan"), "valid": 0.0, "probability": 0.0, "per_step": float("nan")}
    scores = score_paths(right, transition)
    reach = np.linalg.matrix_power(transition, STEPS)[ends]
    each = [np.prod(transition[p[:-1], p[1:]]) / reach for p in right]
    return {
        "n": len(right),
        "jsd": scores.states_jsd,
        "valid": scores.valid * len(right) / wanted,
        "probability": float(np.sum(each) / wanted),
        "per_step": float(np.exp(scores.log_probability)),
    }


def generated_paths(
    folder: Path, reference: Reference, ends: tuple[int, int], n: int, per_pair: int, model: str, seed: int
) -> tuple[list[np.ndarray], float, float]:
    """Discrete paths of the model, the largest miss of a key frame in Å, and wall seconds."""
    rng = np.random.default_rng(seed)
    frames = np.concatenate(reference.frames)
    states = np.concatenate(reference.assigned)
    paths, miss, seconds = [], 0.0, 0.0
    universe = mda.Universe(folder / "heavy.pdb")
    for pair in range(n // per_pair):
        keys = []
        for state in ends:
            key = universe.copy()
            key.load_new(frames[rng.choice(np.flatnonzero(states == state))][None].astype(np.float32))
            keys.append(key)
        began = time.perf_counter()
        made = interpolate(*keys, n_paths=per_pair, time=LENGTH, interval=INTERVAL, model=model, seed=seed + pair)
        seconds += time.perf_counter() - began
        for u in made:
            x = u.trajectory.timeseries(order="fac")
            miss = max(
                [miss, *(np.abs(x[k] - key.atoms.positions).max() for k, key in zip((0, -1), keys, strict=True))]
            )
            angles = torsion_angles(x, reference.topology.torsions)
            paths.append(reference.model.assign(reference.tica.project([angles]))[0][:: reference.lag])
    return paths, float(miss), seconds


def rows_of(folder: Path, n: int, per_pair: int, model: str) -> dict[str, object]:
    """All figures of one peptide."""
    reference = read_reference(folder)
    ends = hardest_pair(reference)
    rng = np.random.default_rng(0)
    paths, miss, seconds = generated_paths(folder, reference, ends, n, per_pair, model, 0)
    rows = {f"`{model}`": row(paths, n, reference.transition, ends)}
    rows["MD, its own paths"] = row(drawn_paths(reference.transition, *ends, n, rng), n, reference.transition, ends)
    for share in (2, 5, 10):
        short = prefix(reference.assigned, 1 / share)
        counts = transition_counts(short, reference.model.n_states, reference.lag).sum(0)
        made = drawn_paths(rows_to_one(counts), *ends, n, rng)
        rows[f"MD of 1/{share} the length"] = row(made, n, reference.transition, ends)
    share = populations(reference.assigned, reference.model.n_states).sum(0)
    return {
        "ends": ends,
        "shares": (share / share.sum())[list(ends)].tolist(),
        "miss": miss,
        "seconds": seconds,
        "rows": rows,
    }


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="peptide", show_default=True)
@click.option("--paths", "n", default=100, show_default=True)
@click.option("--per-pair", default=5, show_default=True, help="Paths between the same two frames.")
@click.option("--only", multiple=True)
@click.option("--json", "target", type=click.Path(path_type=Path))
def main(data: Path, model: str, n: int, per_pair: int, only: tuple[str, ...], target: Path | None) -> None:
    """Score transition paths of every peptide of DATA."""
    warnings.filterwarnings("ignore")
    found = {}
    for folder in sorted(f for f in data.iterdir() if (f / "heavy.pdb").exists()):
        if not only or folder.name in only:
            found[folder.name] = rows_of(folder, n, per_pair, model)
    head = ["peptide", "states (share)", "paths", "JSD of states", "valid", "mean probability", "per step"]
    cells = []
    for name, result in found.items():
        ends = " to ".join(f"{s} ({p:.0%})" for s, p in zip(result["ends"], result["shares"], strict=True))
        for system, r in result["rows"].items():
            values = [f"{r['jsd']:.3f}", f"{r['valid']:.0%}", f"{r['probability']:.2e}", f"{r['per_step']:.3f}"]
            cells.append([name, ends, system, *values])
    click.echo(table(head, cells))
    worst = max(r["miss"] for r in found.values())
    each = np.mean([r["seconds"] / n for r in found.values()])
    click.echo(f"\nlargest distance of a key frame from the given structure: {worst:g} Å; {each:.2f} s per path")
    if target:
        target.write_text(json.dumps(found))


if __name__ == "__main__":
    main()

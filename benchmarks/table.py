"""The paper's table over all `test` peptides, for bundled models, MD, and the published figures.

    python benchmarks/table.py --data ../shared/data --published ../shared/published.csv \\
        --write docs/lab_book/first/tables.md

Generates 8 x 6 ns per peptide with `openmm-mdgen simulate` (kept in ``cache/table``, not made twice), scores them, MD's
first 8 replicas against the other 8, and MD of the length that the same wall time would have bought (3 frames or more).
The table goes between the markers ``<!-- table -->`` and ``<!-- /table -->`` of the files named by ``--write``; those
without markers get both at their end.
"""

from __future__ import annotations

import csv
import json
import subprocess
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from ensemble import load_pair
from ensemble_tables import number, table
from openmm import app
from pooled import pooled_for, pooled_histograms, read_peptide
from speed import COMMAND, fastest_md

from openmm_mdgen.evaluation.baseline import Baseline, fit_baseline
from openmm_mdgen.evaluation.controls import prefix
from openmm_mdgen.evaluation.distances import histograms, jsd
from openmm_mdgen.evaluation.scores import score
from openmm_mdgen.evaluation.torsions import torsion_angles
from openmm_mdgen.forcefield.build import build_system

METRICS = (
    "JSD torsions backbone",
    "JSD torsions side chains",
    "JSD torsions all",
    "JSD TICA-0",
    "JSD TICA-0,1",
    "JSD MSM states",
    "Spearman of MSM flux",
)
REPLICAS, LENGTH, INTERVAL, EQUILIBRATE = 8, 6000.0, 10.0, 500.0  # ps
LAG = 100.0
BEGIN, END = "<!-- table -->", "<!-- /table -->"


@dataclass(frozen=True)
class Row:
    """One system on one peptide: figures by metric, and wall seconds on this machine (NaN where it does not apply)."""

    system: str
    figures: dict[str, float]
    seconds: float


def generate(structure: Path, model: str, folder: Path) -> float:
    """Write replicas of a peptide into `folder`, unless they are there; wall seconds, start-up included."""
    clock = folder / "seconds.json"
    if clock.exists():
        return float(json.loads(clock.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    times = ["--time", f"{LENGTH:g}ps", "--equilibrate", f"{EQUILIBRATE:g}ps", "--replicas", str(REPLICAS)]
    began = time.perf_counter()
    subprocess.run(
        [*COMMAND, "simulate", str(structure), *times, "--model", model, "-o", str(folder / "r.xtc")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - began
    (folder / "top.pdb").write_bytes(structure.read_bytes())
    clock.write_text(json.dumps(seconds))
    return seconds


def figures_of(baseline: Baseline, angles: list[np.ndarray]) -> dict[str, float]:
    """Scores of trajectories by the metrics' published names."""
    scores = score(baseline, baseline.motion(angles, INTERVAL), 0)
    e = scores.ensemble
    values = (e.backbone, e.side_chains, e.all_torsions, e.tica_0, e.tica_01, scores.states, scores.flux)
    return {name: value.value for name, value in zip(METRICS, values, strict=True)}


def pooled_row(baseline: Baseline, pooled: dict[str, np.ndarray]) -> Row:
    """The no-dynamics baseline: torsions of the same residue types, pooled from `train`."""
    single, _ = pooled_for(baseline.torsions, pooled)
    values = jsd(histograms(baseline.own.angles).sum(0), single)
    columns = (baseline.backbone, ~baseline.backbone, np.ones(len(values), bool))
    figures = {n: float(values[c].mean()) for n, c in zip(METRICS[:3], columns, strict=True) if c.any()}
    return Row("no dynamics, pooled from train", figures, float("nan"))


def rows_of(
    data: Path, models: Sequence[str], cache: Path, pooled: dict[str, np.ndarray], md_seconds: float
) -> list[Row]:
    """Every row of one peptide; `md_seconds` of MD are run to learn its speed."""
    topology, frames, _ = read_peptide(data)
    angles = [torsion_angles(x, topology.torsions) for x in frames]
    half, ns = len(angles) // 2, INTERVAL / 1000
    first, second = angles[:half], angles[half:]
    baseline = fit_baseline(second, topology.torsions, INTERVAL, LAG)
    pdb = app.PDBFile(str(data / "allatom.pdb"))
    _, speed = fastest_md(pdb, build_system(pdb.topology, hydrogen_mass=3.0), md_seconds)
    total = sum(len(a) for a in first)
    rows = [
        Row(f"MD, {half} replicas", figures_of(baseline, first), total * ns / speed),
        pooled_row(baseline, pooled),
    ]
    for model in models:
        folder = cache / model / data.name
        seconds = generate(data / "allatom.pdb", model, folder)
        made = [torsion_angles(x, topology.torsions) for x in load_pair(data, folder, 0).generated]
        rows.append(Row(f"`{model}`", figures_of(baseline, made), seconds))
        short = prefix(first, min(1.0, max(3 / total, seconds * speed / (total * ns))))
        rows.append(
            Row(
                f"MD in the wall time of `{model}`",
                figures_of(baseline, short),
                seconds,
            )
        )
    return rows


def mean_rows(peptides: Sequence[list[Row]]) -> list[Row]:
    """Mean of every system over peptides; a metric that a peptide lacks is left out of its mean."""

    def mean(rows: Sequence[Row], name: str) -> float:
        values = [r.figures[name] for r in rows if np.isfinite(r.figures.get(name, np.nan))]
        return float(np.mean(values)) if values else float("nan")

    return [
        Row(rows[0].system, {n: mean(rows, n) for n in METRICS}, float(np.median([r.seconds for r in rows])))
        for rows in zip(*peptides, strict=True)
    ]


def published_rows(path: Path) -> Iterator[list[str]]:
    """Cells of the published tetrapeptide figures; what the file lacks stays empty."""
    with path.open(encoding="utf-8") as stream:
        found = [r for r in csv.DictReader(stream) if r["setting"].startswith("tetrapeptides")]
    for system, setting in dict.fromkeys((r["system"], r["setting"]) for r in found):
        values = {r["metric"]: r["value"] for r in found if (r["system"], r["setting"]) == (system, setting)}
        runtime = values.get("runtime s (GPU)", "")
        yield [f"published: {system}, {setting}", *(values.get(n, "") for n in METRICS), runtime and f"{runtime} (GPU)"]


def markdown(sections: dict[str, list[list[Row]]], published: Path | None) -> str:
    """One table per set of peptides, the published figures below the first."""
    head = ["system", *METRICS, "wall time, s (median)"]
    parts = []
    for name, peptides in sections.items():
        cells = [
            [r.system, *(number(r.figures[n]) for n in METRICS), number(r.seconds, 1)] for r in mean_rows(peptides)
        ]
        if published and name == "tetrapeptides":
            cells += list(published_rows(published))
        parts.append(f"**{name}**, mean over {len(peptides)} `test` peptides\n\n{table(head, cells)}")
    if published:
        parts.append(
            "Published figures are for other data (100 ns of explicit solvent, another force field, other peptides) "
            "and are not to be compared in detail with the rows above; empty cells were not published or not found."
        )
    return "\n\n".join(parts)


def write_between(path: Path, text: str) -> None:
    """Replace what stands between the markers of a file, or append both."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2] if rest else "\n"
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--model", "models", multiple=True, default=("peptide",), show_default=True)
@click.option("--published", type=click.Path(exists=True, path_type=Path))
@click.option("--cache", type=click.Path(path_type=Path), default=Path("cache/table"), show_default=True)
@click.option("--md-seconds", default=5.0, show_default=True, help="of MD per peptide, to learn its speed")
@click.option("--only", multiple=True, help="names of peptides; all by default")
@click.option("--write", "targets", multiple=True, type=click.Path(path_type=Path), help="results page, model cards")
def main(
    data: Path,
    models: tuple[str, ...],
    published: Path | None,
    cache: Path,
    md_seconds: float,
    only: tuple[str, ...],
    targets: tuple[Path, ...],
) -> None:
    """Score models, MD and the baseline over DATA/{tetrapeptides,peptides}/test."""
    warnings.filterwarnings("ignore", module="MDAnalysis")
    sections = {}
    for name in ("tetrapeptides", "peptides"):
        train = [f for f in sorted((data / name / "train").iterdir()) if f.is_dir()]
        pooled = pooled_histograms(train, Path("cache") / f"pooled_{name}.npz")
        chosen = [f for f in sorted((data / name / "test").iterdir()) if f.is_dir() and (not only or f.name in only)]
        if chosen:
            sections[name] = [rows_of(f, models, cache, pooled, md_seconds) for f in chosen]
    text = markdown(sections, published)
    click.echo(text)
    for target in targets:
        write_between(target, text)


if __name__ == "__main__":
    main()

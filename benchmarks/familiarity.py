"""How the measures behind the warning of unfamiliar peptides go with the errors that were measured.

    python benchmarks/familiarity.py ../shared/data/tetrapeptides/val ../shared/data/peptides/val

Per peptide: shares of its pairs of neighbours that stand in no training peptide, similarity to the nearest, how many
training peptides have its length and ends, whether it is warned of; backbone JSD of sixteen generated replicas against
MD at 350 K, that of one half of the MD against the other, and their ratio; last, rank correlations over all peptides.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
from scipy.stats import spearmanr
from solver_steps import run

from openmm_mdgen.evaluation.distances import histograms, jsd
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles
from openmm_mdgen.weights.checkpoint import load_task
from openmm_mdgen.weights.familiarity import familiarity, training_sequences

MODEL = "peptide"
REPLICAS, DISCARDED, FRAMES = 16, 63, 300


def errors(folder: Path, task: object) -> tuple[float, float]:
    """Backbone JSD of generated frames, and of MD against itself."""
    start = heavy_atoms(mda.Universe(folder / "allatom.pdb").atoms)
    torsions = topology_of(start).torsions
    backbone = [k for k, t in enumerate(torsions) if t.backbone]
    files = sorted(folder.glob("r??.xtc"))
    md = [mda.Universe(folder / "heavy.pdb", str(p)).trajectory.timeseries(order="fac") for p in files]
    counts = histograms([torsion_angles(x, torsions)[:, backbone] for x in md])
    made, _ = run(task, start, REPLICAS, DISCARDED, FRAMES)
    ours = histograms([torsion_angles(x, torsions)[:, backbone] for x in made]).sum(0)
    half = len(counts) // 2
    floor = jsd(counts[:half].sum(0), counts[half:].sum(0))
    return float(np.mean(jsd(counts.sum(0), ours))), float(np.mean(floor))


def main() -> None:
    warnings.simplefilter("ignore")
    task, training = load_task(MODEL), training_sequences(MODEL)
    print("| peptide | unseen pairs | similarity | of its length | with its ends | warned | JSD | floor | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows = []
    for folder in [f for root in sys.argv[1:] for f in sorted(Path(root).iterdir()) if (f / "heavy.pdb").is_file()]:
        found = familiarity(folder.name, [s for s in training if s != folder.name])
        ours, floor = errors(folder, task)
        share = len(found.unseen_pairs) / found.n_pairs if found.n_pairs > 0 else 0.0
        rows.append((share, -found.nearest[0][1], -found.n_length, ours / floor))
        print(
            f"| {folder.name} | {share:.0%} | {found.nearest[0][1]:.2f} | {found.n_length} | {found.n_ends} | "
            f"{'yes' if found.warning else 'no'} | {ours:.3f} | {floor:.3f} | {ours / floor:.2f} |",
            flush=True,
        )
    *measures, ratio = np.array(rows).T
    for name, measure in zip(("unseen pairs", "dissimilarity", "fewer of its length"), measures, strict=True):
        rank = spearmanr(measure, ratio)
        print(
            f"{name}: rank correlation with the ratio {rank.statistic:+.2f} (p {rank.pvalue:.2f}, {len(rows)} of them)"
        )


if __name__ == "__main__":
    main()

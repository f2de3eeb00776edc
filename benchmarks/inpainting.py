"""Inpainting and design on the peptides of a split.

    python benchmarks/inpainting.py ../shared/data/tetrapeptides/test --train ../shared/data/tetrapeptides/train

Inpainting: of each peptide's first replicas, the inner residues are generated anew, told and not told identities and
torsions; their torsions' distance to the second half of the MD, beside MD's first half (floor) and torsions of the same
residue types pooled from train. Design: every inner residue alone, and all inner residues together, guessed from the
others' motion in windows of 64 frames, from the first frame of each of those windows, and from the whole replicas.
"""

from __future__ import annotations

import json
import time
import warnings
from collections import Counter
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np
from ensemble_tables import table
from pooled import pooled_for, pooled_histograms, read_peptide

from openmm_mdgen.checkpoint import load_task_for
from openmm_mdgen.evaluate.distances import histograms, jsd
from openmm_mdgen.evaluate.torsions import Torsion, torsion_angles
from openmm_mdgen.naming import CAPS
from openmm_mdgen.peptide import Peptide
from openmm_mdgen.structures import atomgroup_to_structure
from openmm_mdgen.tasks.design import LETTERS, Design
from openmm_mdgen.tasks.inpaint import Inpaint
from openmm_mdgen.tasks.propagator import block_seed

INTERVAL, WINDOW = 10.0, 64


def inner(n_residues: int) -> list[int]:
    """Places of the residues between the first and the last, from 0; of two residues the second."""
    return list(range(1, n_residues - 1)) or [n_residues - 1]


def inpainted(folder: Path, n_replicas: int, model: str, pooled: dict[str, np.ndarray]) -> dict[str, object]:
    """Distances of the generated residues' torsions, and how long it took."""
    topology, md, _ = read_peptide(folder)
    universe = mda.Universe(folder / "heavy.pdb")
    structure = atomgroup_to_structure(universe.atoms)
    peptide = Peptide.from_structure(structure)
    places = inner(peptide.n_residues)
    shift = int(peptide.residue_types[0] in CAPS)
    torsions = topology.torsions
    chosen = np.array([t.residue - shift in places for t in torsions])
    angles = [torsion_angles(x, torsions) for x in md]
    half = len(angles) // 2
    reference = histograms(angles[half:]).sum(0)
    rows = {"MD, the other half": _distances(reference, angles[:half], torsions, chosen)}
    rows["MD, the same frames"] = _distances(reference, angles[:n_replicas], torsions, chosen)
    seconds, kept = {}, 0
    for told in (True, False):
        sampler = load_task_for(Inpaint, model, None, told=told).bind(structure, places, INTERVAL)
        began = time.perf_counter()
        made = [sampler.sample(x, [block_seed(0, 0, k)])[0] for k, x in enumerate(md[:n_replicas])]
        seconds[told] = time.perf_counter() - began
        kept += sampler.n_kept
        label = f"`{model}`, " + ("told" if told else "not told")
        rows[label] = _distances(reference, [torsion_angles(x, torsions) for x in made], torsions, chosen)
    single, _ = pooled_for(torsions, pooled)
    pairs = zip(("backbone", "side chains"), _kinds(torsions, chosen), strict=True)
    rows["pooled from train"] = {k: float(np.nanmean(jsd(reference, single)[c])) for k, c in pairs if c.any()}
    return {"places": [p + 1 for p in places], "rows": rows, "seconds": seconds[True], "kept": kept}


def _kinds(torsions: list[Torsion], chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    backbone = np.array([t.backbone for t in torsions])
    return backbone & chosen, ~backbone & chosen


def _distances(
    reference: np.ndarray, angles: list[np.ndarray], torsions: list[Torsion], chosen: np.ndarray
) -> dict[str, float]:
    found = jsd(reference, histograms(angles).sum(0))
    kinds = zip(("backbone", "side chains"), _kinds(torsions, chosen), strict=True)
    return {name: float(found[c].mean()) for name, c in kinds if c.any()}


def frequencies(train: list[Path]) -> np.ndarray:
    """How often each of `LETTERS` is in the peptides of train."""
    counts: Counter[str] = Counter()
    for folder in train:
        universe = mda.Universe(folder / "heavy.pdb")
        counts.update(Peptide.from_structure(atomgroup_to_structure(universe.atoms)).sequence)
    values = np.array([counts[letter] for letter in LETTERS], float)
    return values / values.sum()


def designed(folder: Path, n_replicas: int, model: str, frequency: np.ndarray) -> list[dict[str, object]]:
    """A row per set of residues that is designed."""
    _, md, _ = read_peptide(folder)
    universe = mda.Universe(folder / "heavy.pdb")
    structure = atomgroup_to_structure(universe.atoms)
    sequence = Peptide.from_structure(structure).sequence
    if len(sequence) < 2:
        return []
    task, places = load_task_for(Design, model), inner(len(sequence))
    rows = []
    for chosen in [[p] for p in places] + ([places] if len(places) > 1 else []):
        native = "".join(sequence[p] for p in chosen)
        windows = [x[k : k + WINDOW] for x in md[:n_replicas] for k in range(0, len(x) - WINDOW + 1, WINDOW)]
        found = {
            "all": [_best(task, structure, chosen, np.concatenate(md[:n_replicas]))],
            "window": [_best(task, structure, chosen, x) for x in windows],
            "first frame": [_best(task, structure, chosen, x[:1]) for x in windows],
        }
        right = {
            k: float(np.mean([[a == b for a, b in zip(best, native, strict=True)] for best, _ in v]))
            for k, v in found.items()
        }
        likely = {
            k: float(np.mean([[p[LETTERS.index(c)] for p, c in zip(rows_, native, strict=True)] for _, rows_ in v]))
            for k, v in found.items()
        }
        by_frequency = float(np.mean([frequency[LETTERS.index(c)] for c in native]))
        rows.append(
            {
                "places": chosen,
                "native": native,
                "guess": found["all"][0][0],
                "right": right,
                "likely": likely,
                "frequency": by_frequency,
            }
        )
    return rows


def _best(task: Design, structure: object, places: list[int], frames: np.ndarray) -> tuple[str, np.ndarray]:
    """The most probable residues, and the probabilities of each position."""
    guess = task.read(structure, places, frames, INTERVAL)  # type: ignore[arg-type]
    best = guess.rank(1)[0].sequence
    return "".join(best[p] for p in places), guess.probabilities()


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--train", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--model", default="peptide", show_default=True)
@click.option("--replicas", default=4, show_default=True)
@click.option("--only", multiple=True)
@click.option("--json", "target", type=click.Path(path_type=Path))
def main(data: Path, train: Path, model: str, replicas: int, only: tuple[str, ...], target: Path | None) -> None:
    """Inpaint and design every peptide of DATA that has two residues or more."""
    warnings.filterwarnings("ignore")
    folders = [f for f in sorted(train.iterdir()) if f.is_dir()]
    pooled = pooled_histograms(folders, Path("cache") / f"pooled_{train.parent.name}.npz")
    frequency = frequencies(folders)
    cells, designs, found = [], [], {}
    for folder in sorted(f for f in data.iterdir() if (f / "heavy.pdb").exists()):
        if (only and folder.name not in only) or len(folder.name.replace("ACE-", "").replace("-NME", "")) < 2:
            continue
        result = inpainted(folder, replicas, model, pooled)
        rows = designed(folder, replicas, model, frequency)
        found[folder.name] = {"inpainting": result, "design": rows}
        where = ", ".join(map(str, result["places"]))
        for system, values in result["rows"].items():
            cells.append(
                [
                    folder.name,
                    where,
                    system,
                    *(f"{values[k]:.3f}" if k in values else "" for k in ("backbone", "side chains")),
                ]
            )
        for r in rows:
            numbers = [f"{r[k][w]:.2f}" for k in ("right", "likely") for w in ("first frame", "window", "all")]
            designs.append(
                [
                    folder.name,
                    ", ".join(str(p + 1) for p in r["places"]),
                    r["native"],
                    r["guess"],
                    *numbers,
                    f"{r['frequency']:.2f}",
                ]
            )
    click.echo(table(["peptide", "generated", "system", "backbone JSD", "side-chain JSD"], cells))
    seconds = sum(f["inpainting"]["seconds"] for f in found.values())
    kept = sum(f["inpainting"]["kept"] for f in found.values())
    click.echo(
        f"\n{seconds:.0f} s for the rows that were told; {kept} frames of all were not closed and kept as given\n"
    )
    head = [
        "peptide",
        "designed",
        "native",
        "guess",
        "recovered: first frame",
        "window",
        "whole",
        "probability of the native: first frame",
        "window",
        "whole",
        "frequency in train",
    ]
    click.echo(table(head, designs))
    alone = [r for f in found.values() for r in f["design"] if len(r["places"]) == 1]
    if alone:
        mean = {
            w: (np.mean([r["right"][w] for r in alone]), np.mean([r["likely"][w] for r in alone]))
            for w in ("first frame", "window", "all")
        }
        text = "; ".join(f"{w}: {a:.3f} recovered, native's probability {b:.3f}" for w, (a, b) in mean.items())
        mean_frequency = np.mean([r["frequency"] for r in alone])
        click.echo(f"\nsingle residues, {len(alone)} positions: {text}")
        click.echo(f"chance: 0.050 recovered; drawn by the frequencies of train: {mean_frequency:.3f}")
    if target:
        target.write_text(json.dumps(found))


if __name__ == "__main__":
    main()

"""Inpainting and design on the peptides of a split.

    python benchmarks/inpainting.py ../shared/data/tetrapeptides/test --train ../shared/data/tetrapeptides/train
    python benchmarks/inpainting.py ../shared/data/tetrapeptides/test ../shared/data/peptides/test \\
        --train ../shared/data/tetrapeptides/train --train ../shared/data/peptides/train --part design --replicas 16

Inpainting: of each peptide's first replicas, the inner residues are generated anew, told and not told identities and
torsions; their torsions' distance to the second half of the MD, beside MD's first half (floor) and torsions of the same
residue types pooled from train. Design: every residue between two others and every such pair, guessed from the others'
motion in whole replicas, in one replica at a time, in windows of 64 frames and from the first frame of each of those.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np
from design_tables import bare, print_design
from ensemble_tables import table
from pooled import pooled_for, pooled_histograms, read_peptide

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.evaluation.distances import histograms, jsd
from openmm_mdgen.evaluation.torsions import Torsion, torsion_angles
from openmm_mdgen.peptide.naming import CAPS
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.weights.identities import load_identities
from openmm_mdgen.weights.roles import as_designer, as_inpainter

INTERVAL = 10.0


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
    for shown in (True, False):
        sampler = as_inpainter(model, show_identities=shown).bind_residues(structure, places, INTERVAL)
        began = time.perf_counter()
        made = [sampler.sample(x, [block_seed(0, 0, k)])[0] for k, x in enumerate(md[:n_replicas])]
        seconds[shown] = time.perf_counter() - began
        kept += sampler.n_kept
        label = f"`{model}`, " + ("told" if shown else "not told")
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


def print_inpainting(folders: list[Path], train: list[Path], model: str, n_replicas: int) -> dict[str, object]:
    """The table of every peptide's torsions."""
    sets = "_".join(sorted({folder.parent.parent.name for folder in train}))
    pooled = pooled_histograms(train, Path("cache") / f"pooled_{sets}.npz")
    found = {folder.name: inpainted(folder, n_replicas, model, pooled) for folder in folders}
    cells = [
        [name, ", ".join(map(str, result["places"])), system]
        + [f"{values[k]:.3f}" if k in values else "" for k in ("backbone", "side chains")]
        for name, result in found.items()
        for system, values in result["rows"].items()
    ]
    click.echo(table(["peptide", "generated", "system", "backbone JSD", "side-chain JSD"], cells))
    seconds, kept = (sum(result[k] for result in found.values()) for k in ("seconds", "kept"))
    click.echo(
        f"\n{seconds:.0f} s for the rows that were told; {kept} frames of all were not closed and kept as given\n"
    )
    return found


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--train", multiple=True, type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--model", default="peptide", show_default=True)
@click.option("--identities", default="peptide-design", show_default=True)
@click.option("--replicas", default=4, show_default=True)
@click.option("--only", multiple=True, help="Names of peptides.")
@click.option("--part", multiple=True, type=click.Choice(["inpainting", "design"]), help="Default: both.")
@click.option("--json", "target", type=click.Path(path_type=Path))
def main(
    data: tuple[Path, ...],
    train: tuple[Path, ...],
    model: str,
    identities: str,
    replicas: int,
    only: tuple[str, ...],
    part: tuple[str, ...],
    target: Path | None,
) -> None:
    """Inpaint and design every peptide of DATA that has two residues or more."""
    warnings.filterwarnings("ignore")
    pools = [sorted(f for f in folder.iterdir() if (f / "heavy.pdb").exists()) for folder in (*data, *train)]
    folders = [
        f for pool in pools[: len(data)] for f in pool if len(bare(f.name)) > 1 and f.name in (only or (f.name,))
    ]
    known = [f for pool in pools[len(data) :] for f in pool]
    found: dict[str, object] = {}
    if "inpainting" in (part or ("inpainting",)):
        found["inpainting"] = print_inpainting(folders, known, model, replicas)
    if "design" in (part or ("design",)):
        found["design"] = print_design(folders, known, as_designer(model, load_identities(identities)), replicas)
    if target:
        target.write_text(json.dumps(found))


if __name__ == "__main__":
    main()

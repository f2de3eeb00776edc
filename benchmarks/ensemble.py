"""Score generated trajectories of the peptides of a split against their MD, as a markdown table.

    python benchmarks/ensemble.py data/tetrapeptides/test generated/ --json ensemble.json

`data/.../test` holds a folder per peptide with ``heavy.pdb`` and ``r00.xtc`` ..; `generated` holds a folder of the same
name with ``*.xtc`` (or ``*.dcd``) and ``top.pdb`` or ``heavy.pdb``. Reference: the second half of the MD replicas;
floor: the first half against the second; baseline: torsions of the same residue type pooled from ``train``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import MDAnalysis as mda
import numpy as np
from ensemble_tables import markdown
from pooled import pooled_for, pooled_histograms, read_peptide

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.distances import Estimate, histograms, joint_histograms, jsd, mean_jsd, resample
from openmm_mdgen.evaluation.dynamics import autocorrelation, relaxation_times, shuffled
from openmm_mdgen.evaluation.ensemble import equivalent_length, score_ensemble
from openmm_mdgen.evaluation.load import atom_order, read_frames
from openmm_mdgen.evaluation.structure import StructureFrames, check_structure
from openmm_mdgen.evaluation.tica import fit_tica
from openmm_mdgen.evaluation.topology import Topology, heavy_atoms
from openmm_mdgen.evaluation.torsions import Torsion, backbone_pairs, torsion_angles

LAG = 100.0  # ps, of TICA


@dataclass(frozen=True)
class Pair:
    """One peptide: MD replicas and generated trajectories over the same heavy atoms (T, N, 3), Å; `dt` in ps."""

    name: str
    topology: Topology
    md: list[np.ndarray]
    generated: list[np.ndarray]
    dt: float

    @property
    def half(self) -> int:
        return len(self.md) // 2


def load_pair(data: Path, generated: Path, discard: int) -> Pair:
    """Read a peptide's MD and its generated trajectories, less the first `discard` frames of each."""
    topology, md, files = read_peptide(data)
    dt = float(mda.Universe(data / "heavy.pdb", str(files[0])).trajectory.dt)
    tops = [generated / n for n in ("top.pdb", "heavy.pdb") if (generated / n).exists()]
    paths = sorted([*generated.glob("*.xtc"), *generated.glob("*.dcd")])
    if not tops or not paths:
        raise MDGenError(f"{generated} has no top.pdb or heavy.pdb, or no .xtc; write them there first")
    frames = []
    for path in paths:
        universe = mda.Universe(tops[0], str(path))
        if abs(universe.trajectory.dt - dt) > 1e-3 * dt:
            raise MDGenError(f"{path} has {universe.trajectory.dt:g} ps between frames, MD {dt:g}; use one interval")
        order = atom_order(heavy_atoms(universe.atoms), topology)
        frames.append(read_frames(universe, start=discard)[:, order])
    return Pair(data.name, topology, md, frames, dt)


def length_scores(md: Sequence[np.ndarray], reference: np.ndarray, columns: np.ndarray, dt: float) -> list[list[float]]:
    """[ns, distance] of MD of growing length: prefixes of one replica, then several replicas; means over choices."""
    n = len(md[0])
    rng, rows = np.random.default_rng(0), []
    for frames in sorted({int(f) for f in np.geomspace(10, n, 10)}):
        prefixes = histograms([a[:frames] for a in md])[:, columns]
        rows.append([frames * dt / 1000, float(mean_jsd(prefixes, reference[columns]).mean())])
    whole = histograms(md)[:, columns]
    for k in range(2, len(md) + 1):
        choices = [rng.choice(len(md), k, replace=False) for _ in range(10)]
        scores = [float(mean_jsd(whole[c].sum(0), reference[columns])) for c in choices]
        rows.append([k * n * dt / 1000, float(np.mean(scores))])
    return rows


def torsion_rows(pair: Pair, angles: list[np.ndarray], md: list[np.ndarray], pooled: dict[str, np.ndarray]) -> dict:
    """Distances of torsions and slow components with floor, baseline and the length of MD that scores the same."""
    first, second = md[: pair.half], md[pair.half :]
    torsions = pair.topology.torsions
    tica = fit_tica(second, round(LAG / pair.dt), pair.dt)
    slow = tica.project(second)
    scores = score_ensemble(second, angles, torsions, (slow, tica.project(angles))).figures()
    floor = score_ensemble(second, first, torsions, (slow, tica.project(first)), n_bootstrap=0).figures()
    rows: dict[str, Any] = {
        k: {"value": s.value, "low": s.low, "high": s.high, "floor": floor[k].value} for k, s in scores.items()
    }
    reference = histograms(second)
    single, joint = pooled_for(torsions, pooled)
    backbone = np.array([t.backbone for t in torsions])
    for name, columns in (("backbone", backbone), ("side_chains", ~backbone)):
        if not columns.any():
            continue
        rows[name]["pooled"] = float(np.nanmean(jsd(reference.sum(0), single)[columns]))
        ratio = _ratio(reference[:, columns], histograms(angles)[:, columns], single[columns])
        rows[name]["ratio"] = {"value": ratio.value, "low": ratio.low, "high": ratio.high}
        curve = length_scores(first, reference.sum(0), columns, pair.dt)
        rows[name]["md_lengths"] = curve
        rows[name]["md_ns"] = equivalent_length(*zip(*curve, strict=True), rows[name]["value"])
    rows["joint"]["pooled"] = joint_pooled(second, torsions, joint)
    return rows


def _ratio(reference: np.ndarray, generated: np.ndarray, pooled: np.ndarray) -> Estimate:
    """Distance over the baseline's, with both resampled together."""
    return resample(reference, generated, lambda p, q: mean_jsd(p, q) / np.nanmean(jsd(p, pooled)))


def joint_pooled(md: list[np.ndarray], torsions: Sequence[Torsion], joint: np.ndarray) -> float:
    """Distance of joint (phi, psi) to the pooled baseline."""
    if len(joint) == 0:
        return float("nan")
    return float(np.nanmean(jsd(joint_histograms(md, backbone_pairs(torsions)).sum(0), joint)))


def time_rows(pair: Pair, angles: list[np.ndarray], md: list[np.ndarray]) -> dict:
    """Autocorrelation differences at 10 and 100 ps, generated and shuffled, and relaxation times (ps) per torsion."""
    backbone = np.array([t.backbone for t in pair.topology.torsions])
    longest = min(max(len(a) for a in angles), len(md[0])) - 1
    curves = {
        "md": autocorrelation(md, longest),
        "generated": autocorrelation(angles, longest),
        "shuffled": autocorrelation(shuffled(angles), longest),
        "floor": autocorrelation(md[: pair.half], longest),
    }
    second = autocorrelation(md[pair.half :], longest)
    rows: dict[str, Any] = {}
    for lag in (10.0, 100.0):
        k = round(lag / pair.dt)
        for name, columns in (("backbone", backbone), ("side_chains", ~backbone)):
            if columns.any():
                rows[f"{name}_{lag:g}"] = {
                    "md": float(curves["md"][k, columns].mean()),
                    "generated": float(np.abs(curves["generated"] - curves["md"])[k, columns].mean()),
                    "shuffled": float(np.abs(curves["shuffled"] - curves["md"])[k, columns].mean()),
                    "floor": float(np.abs(curves["floor"] - second)[k, columns].mean()),
                }
    for name in ("md", "generated"):
        rows[f"relaxation_{name}"] = relaxation_times(curves[name], pair.dt).tolist()
    rows["torsions"] = [t.label for t in pair.topology.torsions]
    return rows


def structure_row(frames: StructureFrames) -> dict:
    """Shares of frames with errors, and C-N bonds: mean and spread (Å), angles (degrees)."""
    degrees = np.rad2deg
    return frames.shares() | {
        "cn_mean": float(frames.cn_lengths.mean()),
        "cn_sd": float(frames.cn_lengths.std()),
        "ca_c_n_mean": float(degrees(frames.ca_c_n.mean())),
        "ca_c_n_sd": float(degrees(frames.ca_c_n.std())),
        "c_n_ca_mean": float(degrees(frames.c_n_ca.mean())),
        "c_n_ca_sd": float(degrees(frames.c_n_ca.std())),
        "rg": float(frames.radius_of_gyration.mean()),
    }


def drift_rows(pair: Pair, angles: list[np.ndarray], md: list[np.ndarray]) -> dict:
    """The first and the last tenth of the generated trajectories: distances to MD and shares of errors."""
    backbone = np.array([t.backbone for t in pair.topology.torsions])
    reference = histograms(md[pair.half :]).sum(0)
    rows = {}
    for name, part in (("first", lambda n: slice(0, n // 10)), ("last", lambda n: slice(n - n // 10, n))):
        cut = [part(len(a)) for a in angles]
        single = jsd(reference, histograms([a[c] for a, c in zip(angles, cut, strict=True)]).sum(0))
        checks = check_structure(
            np.concatenate([f[c] for f, c in zip(pair.generated, cut, strict=True)]), pair.topology
        )
        rows[name] = checks.shares() | {
            "backbone": float(single[backbone].mean()) if backbone.any() else None,
            "side_chains": float(single[~backbone].mean()) if (~backbone).any() else None,
        }
    return rows


def score_pair(pair: Pair, pooled: dict[str, np.ndarray]) -> dict:
    """Every figure of one peptide."""
    md = [torsion_angles(x, pair.topology.torsions) for x in pair.md]
    angles = [torsion_angles(x, pair.topology.torsions) for x in pair.generated]
    return {
        "peptide": pair.name,
        "generated_ns": sum(len(a) for a in angles) * pair.dt / 1000,
        "ensemble": torsion_rows(pair, angles, md, pooled),
        "time": time_rows(pair, angles, md),
        "drift": drift_rows(pair, angles, md),
        "structure": {
            "generated": structure_row(check_structure(np.concatenate(pair.generated), pair.topology)),
            "md": structure_row(check_structure(np.concatenate(pair.md[pair.half :]), pair.topology)),
        },
    }


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("generated", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--train", multiple=True, type=click.Path(exists=True, path_type=Path), help="default: DATA/../train")
@click.option("--cache", type=click.Path(path_type=Path), help="default: cache/pooled_<set>.npz")
@click.option("--discard", default=0, help="frames left out at the start of every generated trajectory")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="write every figure here")
def main(
    data: Path, generated: Path, train: tuple[Path, ...], cache: Path | None, discard: int, json_path: Path | None
) -> None:
    """Score GENERATED/<peptide>/*.xtc against DATA/<peptide>/r??.xtc."""
    warnings.filterwarnings("ignore", module="MDAnalysis")
    folders = [f for t in (train or (data.parent / "train",)) for f in sorted(t.iterdir()) if f.is_dir()]
    pooled = pooled_histograms(folders, cache or Path("cache") / f"pooled_{data.resolve().parent.name}.npz")
    names = [f.name for f in sorted(data.iterdir()) if f.is_dir() and (generated / f.name).is_dir()]
    if not names:
        raise click.UsageError(f"{generated} has no folder named as a peptide of {data}")
    rows = [score_pair(load_pair(data / n, generated / n, discard), pooled) for n in names]
    click.echo(markdown(rows))
    if json_path:
        json_path.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

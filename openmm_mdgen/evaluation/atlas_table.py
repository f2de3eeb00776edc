"""The table of ATLAS over a folder of targets, beside what is published."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import pearsonr

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.atlas import Target, TargetScores, random_frames, score_target

if TYPE_CHECKING:
    from MDAnalysis import AtomGroup, Universe

METRICS = (
    "pairwise RMSD",
    "pairwise RMSD r",
    "global RMSF r",
    "per-target RMSF r",
    "RMWD",
    "RMWD translation",
    "RMWD variance",
    "MD-PCA W2",
    "joint-PCA W2",
    "% PC-sim > 0.5",
    "weak contacts J",
    "transient contacts J",
    "exposed residue J",
    "exposed MI rho",
)
_TRAJECTORIES = (".xtc", ".dcd", ".trr", ".nc")
_BACKBONE = ("CA", "C", "N", "O", "OXT")
_PROBE = 0.28  # nm
_FEWEST = 3  # targets that a correlation over targets needs: two always lie on a line


@dataclass(frozen=True)
class PublishedRow:
    """One published system: its numbers by metric, and where they stand."""

    system: str
    values: dict[str, str]
    sources: tuple[str, ...]


def summarize(scores: Sequence[TargetScores]) -> dict[str, float]:
    """The table's numbers over targets: medians, and correlations over three targets or more and over all atoms."""

    def median(name: str) -> float:
        values = np.array([score.row()[name] for score in scores])
        return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")

    several = len(scores) >= _FEWEST
    pairs = [(score.md_pairwise_rmsd, score.pairwise_rmsd) for score in scores]
    atoms = [np.concatenate(column) for column in zip(*((score.md_rmsf, score.rmsf) for score in scores), strict=True)]
    return {
        "pairwise RMSD": median("pairwise_rmsd"),
        "pairwise RMSD r": float(pearsonr(*zip(*pairs, strict=True))[0]) if several else float("nan"),
        "global RMSF r": float(pearsonr(*atoms)[0]),
        "per-target RMSF r": median("rmsf_r"),
        "RMWD": median("rmwd"),
        "RMWD translation": median("rmwd_translation"),
        "RMWD variance": median("rmwd_variance"),
        "MD-PCA W2": median("md_pca_w2"),
        "joint-PCA W2": median("joint_pca_w2"),
        "% PC-sim > 0.5": 100 * float(np.mean([score.cosine > 0.5 for score in scores])),
        "weak contacts J": median("weak_contacts"),
        "transient contacts J": median("transient_contacts"),
        "exposed residue J": median("exposed_residues"),
        "exposed MI rho": median("exposed_mutual_information"),
    }


def published_rows() -> list[PublishedRow]:
    """What is published on ATLAS for the same metrics, named as published."""
    text = files("openmm_mdgen.evaluation").joinpath("atlas_published.csv").read_text(encoding="utf-8").splitlines()
    rows: dict[str, dict[str, str]] = {}
    sources: dict[str, dict[str, None]] = {}
    for line in csv.DictReader(text):
        rows.setdefault(line["system"], {})[line["metric"]] = line["value"]
        sources.setdefault(line["system"], {})[line["source"]] = None
    return [PublishedRow(system, values, tuple(sources[system])) for system, values in rows.items()]


def table(scores: Mapping[str, TargetScores]) -> str:
    """Markdown: a table over targets beside published rows, their sources, and a table of all targets."""
    made, published = summarize(list(scores.values())), published_rows()
    md = float(np.median([score.md_pairwise_rmsd for score in scores.values()]))
    head = ["metric", f"this ensemble ({len(scores)} targets)", *(row.system for row in published)]
    lines = [head, ["---"] * len(head)]
    others = dict.fromkeys(metric for row in published for metric in row.values if metric not in METRICS)
    for metric in (*METRICS, *others):
        number = _number(made.get(metric, float("nan")))
        name = f"{metric} (MD {_number(md)})" if metric == "pairwise RMSD" else metric
        lines.append([name, number, *(row.values.get(metric, "") for row in published)])
    columns = list(next(iter(scores.values())).row())
    targets = [["target", *(name.replace("_", " ") for name in columns)], ["---"] * (len(columns) + 1)]
    targets += [[name, *(_number(score.row()[column]) for column in columns)] for name, score in scores.items()]
    notes = [f"- {row.system}: {'; '.join(row.sources)}" for row in published]
    said = (
        "Published numbers are of the 82 test proteins of ATLAS; others' targets and lengths may differ. Empty: not "
        f"published, or not defined (a correlation over targets for fewer than {_FEWEST}; exposed residues where none "
        "that is buried in the crystal structure opens)."
    )
    return "\n".join([_markdown(lines), "", said, *notes, "", _markdown(targets)])


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float) -> str:
    return "" if not np.isfinite(value) else f"{value:.2f}"


def score_folders(reference: Path, generated: Path, *, exposure: bool = True) -> dict[str, TargetScores]:
    """The scores of every target in a folder of ensembles.

    Parameters
    ----------
    reference : Path
        A folder a target: NAME/NAME.pdb, the crystal structure with the atoms of the MD, and its trajectories.
    generated : Path
        NAME.pdb with a model a frame, or NAME.pdb beside a trajectory NAME.xtc (or .dcd, .trr, .nc).
    exposure : bool
        Whether to compute exposed residues, which takes mdtraj and most of the time.

    Raises
    ------
    MDGenError
        Where a target lacks MD, atoms have no counterpart, or mdtraj is not installed.
    """
    names = sorted(path.stem for path in generated.glob("*.pdb"))
    if not names:
        raise MDGenError(f"{generated} holds no .pdb files; give a folder with NAME.pdb for every target")
    return {name: score_target(read_target(reference, generated, name, exposure=exposure)) for name in names}


def read_target(reference: Path, generated: Path, name: str, *, exposure: bool) -> Target:
    """One target of `score_folders`: the heavy atoms that both sides have."""
    from MDAnalysis import Universe

    structure = reference / name / f"{name}.pdb"
    found = sorted(path for path in (reference / name).glob("*") if path.suffix in _TRAJECTORIES)
    if not structure.is_file() or not found:
        raise MDGenError(
            f"{structure} with trajectories beside it is needed for target {name}; add it or remove {name}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crystal, md = Universe(str(structure)), Universe(str(structure), [str(path) for path in found])
        topology = generated / f"{name}.pdb"
        beside = [path for path in generated.glob(f"{name}.*") if path.suffix in _TRAJECTORIES]
        made = Universe(str(topology), str(beside[0])) if beside else Universe(str(topology))
    first, second = common_atoms(crystal, made, name)
    frames = [_frames(md.atoms[first]), _frames(made.atoms[second])]
    atoms = crystal.atoms[first]
    alphas = np.flatnonzero(atoms.names == "CA")
    target = Target(atoms.positions.copy(), frames[0], frames[1], alphas)
    if not exposure:
        return target
    many = frames[0][random_frames(len(frames[0]), len(frames[1])).many]
    crystal_area, md_areas, areas = (side_chain_areas(atoms, x) for x in (atoms.positions[None], many, frames[1]))
    return replace(target, crystal_exposure=crystal_area[0], reference_exposure=md_areas, generated_exposure=areas)


def common_atoms(crystal: Universe, made: Universe, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the heavy atoms that both have: residue by residue, by name.

    Raises
    ------
    MDGenError
        Where the numbers of residues differ or there is no C-alpha in common.
    """
    sides = []
    for universe in (crystal, made):
        protein = universe.select_atoms("protein and not (name H* or name 1H* 2H* 3H*)")
        place = {residue: k for k, residue in enumerate(dict.fromkeys(protein.resindices.tolist()))}
        sides.append({(place[a.resindex], a.name): a.index for a in protein} | {("residues", ""): len(place)})
    counts = [side.pop(("residues", "")) for side in sides]
    if counts[0] != counts[1]:
        raise MDGenError(f"target {name} has {counts[0]} residues in the MD and {counts[1]} generated; give the same")
    common = [key for key in sides[0] if key in sides[1]]
    if not any(atom == "CA" for _, atom in common):
        raise MDGenError(f"target {name} has no C-alphas in common; name atoms as in the PDB")
    return np.array([sides[0][key] for key in common]), np.array([sides[1][key] for key in common])


def _frames(atoms: AtomGroup) -> np.ndarray:
    return np.array([atoms.positions.copy() for _ in atoms.universe.trajectory])


def side_chain_areas(atoms: AtomGroup, frames: np.ndarray) -> np.ndarray:
    """(F, L) Å² of the residues' side chains that a probe of 2.8 Å reaches, of frames (F, N, 3) in Å.

    Raises
    ------
    MDGenError
        If mdtraj is not installed.
    """
    try:
        import mdtraj
    except ImportError as error:
        raise MDGenError(
            "exposed residues need mdtraj, which is not installed; pip install 'openmm-mdgen[proteins]', or leave "
            "them out with --no-exposure"
        ) from error
    topology = mdtraj.Topology()
    chain, residue, last = topology.add_chain(), None, None
    for atom in atoms:
        if atom.resindex != last:
            residue, last = topology.add_residue(atom.resname, chain), atom.resindex
        topology.add_atom(atom.name, mdtraj.element.get_by_symbol(atom.name.lstrip("0123456789")[0]), residue)
    areas = mdtraj.shrake_rupley(mdtraj.Trajectory(frames / 10, topology), probe_radius=_PROBE) * 100
    side = ~np.isin(atoms.names, _BACKBONE)
    numbers = np.unique(atoms.resindices, return_inverse=True)[1]
    out = np.zeros((len(frames), numbers.max() + 1))
    for residue in range(out.shape[1]):
        out[:, residue] = areas[:, side & (numbers == residue)].sum(1)
    return out

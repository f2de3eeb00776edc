"""The no-dynamics baseline: torsion histograms of each residue type, pooled from the training set."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import MDAnalysis as mda
import numpy as np

from openmm_mdgen.evaluation.distances import histograms, joint_histograms
from openmm_mdgen.evaluation.load import read_frames
from openmm_mdgen.evaluation.topology import Topology, heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import Torsion, backbone_pairs, torsion_angles
from openmm_mdgen.peptide.residues import residue_to_canonical


def read_peptide(folder: Path, pattern: str = "r??.xtc") -> tuple[Topology, list[np.ndarray], list[Path]]:
    """Topology, heavy-atom positions (T, N, 3) Å per replica, and the files of a folder of the data set."""
    warnings.filterwarnings("ignore", module="MDAnalysis")
    universe = mda.Universe(folder / "heavy.pdb")
    topology, files = topology_of(heavy_atoms(universe.atoms)), sorted(folder.glob(pattern))
    return topology, [read_frames(universe.load_new(str(f))) for f in files], files


def _residue(torsion: Torsion) -> str:
    return residue_to_canonical(torsion.resname) or torsion.resname


def pooled_histograms(train: Iterable[Path], cache: Path) -> dict[str, np.ndarray]:
    """Counts by ``kind RES`` (100 bins) and ``joint RES`` (50 x 50), read from `cache` where it exists.

    Parameters
    ----------
    train : folders of peptides
    cache : .npz file, written once
    """
    if cache.exists():
        with np.load(cache) as stored:
            return dict(stored)
    pooled: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(1))
    for folder in train:
        topology, frames, _ = read_peptide(folder)
        angles = [torsion_angles(f, topology.torsions) for f in frames]
        pairs = backbone_pairs(topology.torsions)
        for t, h in zip(topology.torsions, histograms(angles).sum(0), strict=True):
            pooled[f"{t.kind} {_residue(t)}"] = pooled[f"{t.kind} {_residue(t)}"] + h
        for (k, _), h in zip(pairs, joint_histograms(angles, pairs).sum(0), strict=True):
            name = f"joint {_residue(topology.torsions[k])}"
            pooled[name] = pooled[name] + h
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(cache, **pooled)
    return dict(pooled)


def pooled_for(torsions: Sequence[Torsion], pooled: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Baseline histograms of a peptide: (K, 100) of torsions, (P, 2500) of phi-psi pairs; NaN where unseen."""
    single = [pooled.get(f"{t.kind} {_residue(t)}", np.full(100, np.nan)) for t in torsions]
    joint = [pooled.get(f"joint {_residue(torsions[k])}", np.full(2500, np.nan)) for k, _ in backbone_pairs(torsions)]
    return np.array(single).reshape(-1, 100), np.array(joint).reshape(-1, 2500)

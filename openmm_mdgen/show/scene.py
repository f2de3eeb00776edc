"""What the page shows of a trajectory: some of its frames superposed on the first, torsions, and two lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from MDAnalysis import AtomGroup
from MDAnalysis.lib.qcprot import CalcRMSDRotationalMatrix

from openmm_mdgen.convert.attributes import texts
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.torsions import Torsion, backbone_pairs, torsion_angles, torsions_of
from openmm_mdgen.peptide.naming import atom_to_element

MOST_FRAMES, MOST_ATOMS, MOST_POSITIONS = 2000, 20_000, 1_000_000
_BOND = 2.2  # Å: atoms of a torsion that are further apart belong to two chains


@dataclass(frozen=True)
class Residue:
    """Backbone torsions of one residue, degrees, one per frame."""

    label: str
    phi: np.ndarray
    psi: np.ndarray


@dataclass(frozen=True)
class Series:
    """A quantity over time, one value per frame."""

    label: str
    values: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A trajectory as it is shown.

    Attributes
    ----------
    names, elements, resnames : tuple of str
    resids : (N,) int ndarray
        From 1, in order of residues.
    frames : (T, N, 3) float32 ndarray
        Å, superposed on the first by heavy atoms, the centre of the first at the origin.
    times : (T,) ndarray
        ps.
    n_frames : int
        Of the trajectory, of which every ``n``-th is shown.
    residues : tuple of Residue
        Those that have phi and psi.
    series : tuple of Series
    """

    names: tuple[str, ...]
    elements: tuple[str, ...]
    resnames: tuple[str, ...]
    resids: np.ndarray
    frames: np.ndarray
    times: np.ndarray
    n_frames: int
    residues: tuple[Residue, ...]
    series: tuple[Series, ...]


def scene_of(atoms: AtomGroup) -> Scene:
    """Read a trajectory for the page; longer ones are thinned evenly.

    Parameters
    ----------
    atoms : AtomGroup
        What to show, of a Universe with a trajectory.

    Raises
    ------
    MDGenError
        If there are too many atoms, or positions are no numbers.
    """
    if len(atoms) > MOST_ATOMS:
        raise MDGenError(
            f"{len(atoms)} atoms are too many for a page, the limit is {MOST_ATOMS}; choose some with --select protein"
        )
    trajectory = atoms.universe.trajectory
    n_frames = len(trajectory)
    most = max(1, min(MOST_FRAMES, MOST_POSITIONS // len(atoms)))
    shown = np.unique(np.linspace(0, n_frames - 1, min(most, n_frames)).round().astype(int))
    frames, times = np.empty((len(shown), len(atoms), 3), np.float32), np.empty(len(shown))
    for k, frame in enumerate(shown):
        step = trajectory[int(frame)]
        frames[k], times[k] = atoms.positions, step.time
        if not np.isfinite(frames[k]).all():
            raise MDGenError(f"frame {frame} has positions that are not numbers; remove it or make it again")
    elements = tuple(
        atom_to_element(str(name), element).capitalize()
        for name, element in zip(atoms.names, texts(atoms, "elements"), strict=True)
    )
    heavy = np.array([e != "H" for e in elements])
    laid = laid_on_first(frames, heavy if heavy.sum() >= 3 else np.ones(len(atoms), bool))
    order = {residue.ix: k for k, residue in enumerate(atoms.residues)}
    resids = np.array([order[ix] for ix in atoms.resindices]) + 1
    return Scene(
        names=tuple(atoms.names),
        elements=elements,
        resnames=tuple(atoms.resnames),
        resids=resids,
        frames=laid,
        times=times,
        n_frames=n_frames,
        residues=_residues(atoms, resids - 1, laid),
        series=_series(atoms, laid, heavy),
    )


def laid_on_first(frames: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Frames (T, N, 3) in Å turned and moved onto the first by the atoms ``which`` (N,) of bool, centred at 0."""
    points = frames[:, which].astype(float)
    centres = points.mean(1, keepdims=True)
    points = points - centres
    out = np.empty_like(frames)
    for k, moving in enumerate(points):
        rotation = np.zeros(9)
        CalcRMSDRotationalMatrix(moving, points[0], len(moving), rotation, None)
        out[k] = (frames[k] - centres[k]) @ rotation.reshape(3, 3).T
    return out


def _residues(atoms: AtomGroup, resindices: np.ndarray, frames: np.ndarray) -> tuple[Residue, ...]:
    """Backbone torsions of every residue that has both, degrees."""
    sequence = tuple(str(name) for name in atoms.residues.resnames)
    index = {(int(r), str(name)): k for k, (r, name) in enumerate(zip(resindices, atoms.names, strict=True))}
    torsions = [t for t in torsions_of(index, sequence) if t.backbone and _is_bonded(t, frames[0])]
    angles = np.rad2deg(torsion_angles(frames, torsions))
    return tuple(
        Residue(f"{torsions[a].resname} {torsions[a].residue + 1}", angles[:, a], angles[:, b])
        for a, b in backbone_pairs(torsions)
    )


def _is_bonded(torsion: Torsion, positions: np.ndarray) -> bool:
    steps = np.diff(positions[list(torsion.atoms)], axis=0)
    return bool((np.linalg.norm(steps, axis=-1) < _BOND).all())


def _series(atoms: AtomGroup, frames: np.ndarray, heavy: np.ndarray) -> tuple[Series, ...]:
    """Radius of gyration, and how far the ends of the chain are apart."""
    chosen = frames[:, heavy] if heavy.any() else frames
    spread = chosen - chosen.mean(1, keepdims=True)
    found = [Series("radius of gyration (Å)", np.sqrt((spread**2).sum(-1).mean(-1)))]
    alphas = [k for k, name in enumerate(atoms.names) if name == "CA"]
    if len(alphas) > 1:
        ends = frames[:, alphas[0]] - frames[:, alphas[-1]]
        found.append(Series("end to end (Å)", np.linalg.norm(ends, axis=-1)))
    return tuple(found)

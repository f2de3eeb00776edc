"""One side of a comparison, read once: torsions and checks of every frame, positions of some."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import MDAnalysis as mda
import numpy as np
from MDAnalysis.coordinates.base import ProtoReader

from openmm_mdgen.convert.attributes import has
from openmm_mdgen.convert.locations import one_location
from openmm_mdgen.convert.trajectories import open_trajectory, select_atoms, stored_interval
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.load import atom_order, frame_chunks
from openmm_mdgen.evaluation.structure import StructureFrames, check_structure
from openmm_mdgen.evaluation.topology import Topology, heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles

Source: TypeAlias = "mda.Universe | mda.AtomGroup | str | Path"

CHAIN_FRAMES = 1000
SHOWN_FRAMES = 100
_LARGE = 200
_CHECKED = 2000


@dataclass(frozen=True)
class Sample:
    """Trajectories of one side.

    Attributes
    ----------
    angles : list of (T, K) float32 ndarray
        Radians, per trajectory.
    checks : StructureFrames
        Of every frame; of at most 2000 evenly spaced ones above 200 heavy atoms.
    positions : (F, N, 3) float32 ndarray
        Å, at most 1000 evenly spaced frames.
    dt : float
        ps between frames.
    atoms : list of AtomGroup
        What was read, hydrogens included.
    """

    angles: list[np.ndarray]
    checks: StructureFrames
    positions: np.ndarray
    dt: float
    atoms: list[mda.AtomGroup]

    @property
    def n_frames(self) -> int:
        return sum(len(a) for a in self.angles)


def open_sources(
    sources: Source | Sequence[Source], topology: str | Path | None, select: str, side: str
) -> list[mda.AtomGroup]:
    """Atom groups of trajectories given as Universes, AtomGroups, files or patterns such as ``md/*.xtc``.

    Raises
    ------
    MDGenError
        For no file, a file that cannot be read, or a file without a topology.
    """
    items: list[Source] = list(sources) if isinstance(sources, list | tuple) else [sources]
    groups = []
    for item in items:
        if isinstance(item, str | Path):
            groups += [_open(path, topology, side) for path in _expand(str(item), side)]
        else:
            groups.append(item.atoms)
    if not groups:
        raise MDGenError(f"0 {side} trajectories were given; give at least one")
    chosen = [select_atoms(g, select, f"{side} select") for g in groups]
    return [one_location(atoms, tell=k == 0) for k, atoms in enumerate(chosen)]


def _expand(pattern: str, side: str) -> list[str]:
    found = sorted(glob.glob(pattern)) or ([pattern] if Path(pattern).exists() else [])
    if not found:
        raise MDGenError(f"no {side} file matches {pattern}; check the path")
    return found


def _open(path: str, topology: str | Path | None, side: str) -> mda.AtomGroup:
    universe = open_trajectory(path, topology, side)
    if not has(universe.atoms, "names", "resnames"):
        raise MDGenError(f"{side} {path} has no atom or residue names; give --topology, such as a PDB file")
    return universe.atoms


def reference_topology(atoms: mda.AtomGroup, n_frames: int = 200) -> Topology:
    """Topology of a reference; bond lengths are means over evenly spaced frames."""
    heavy, trajectory = heavy_atoms(atoms), atoms.universe.trajectory
    topology = topology_of(heavy)
    i, j = topology.bonds.T
    lengths = []
    for ts in trajectory[:: max(1, len(trajectory) // n_frames)]:
        xyz = ts.positions[heavy.indices]
        lengths.append(np.linalg.norm(xyz[i] - xyz[j], axis=-1))
    return replace(topology, bond_lengths=np.nanmean(lengths, axis=0))


def read_sample(atoms: Sequence[mda.AtomGroup], topology: Topology, discard: float = 0.0) -> Sample:
    """Read all frames.

    Parameters
    ----------
    atoms : sequence of AtomGroup
        One per trajectory.
    topology : Topology
        Of the reference; atoms are put in its order.
    discard : float
        ps left out at the start of every trajectory.

    Raises
    ------
    MDGenError
        When atoms differ, intervals differ, nothing is left, or positions are not numbers.
    """
    dt = _common_interval(atoms)
    start = round(discard / dt)
    lengths = [len(g.universe.trajectory) - start for g in atoms]
    if min(lengths) < 1:
        raise MDGenError(f"a trajectory has {min(lengths) + start} frames and {start} are discarded; discard fewer")
    every = max(1, sum(lengths) // CHAIN_FRAMES)
    stride = 1 if topology.n_atoms <= _LARGE else max(1, sum(lengths) // _CHECKED)
    angles, checks, kept, seen = [], [], [], 0
    for group in atoms:
        heavy = heavy_atoms(group)
        order, parts = atom_order(heavy, topology), []
        for chunk in frame_chunks(group.universe, heavy, start):
            xyz = chunk[:, order]
            parts.append(torsion_angles(xyz, topology.torsions))
            checks.append(check_structure(xyz[-seen % stride :: stride], topology))
            kept.append(xyz[-seen % every :: every].copy())
            seen += len(xyz)
        angles.append(np.concatenate(parts))
    return Sample(angles, StructureFrames.joined(checks), np.concatenate(kept), dt, list(atoms))


def _interval(trajectory: ProtoReader) -> float:
    filename = trajectory.filename
    return stored_interval(trajectory, Path(str(filename)).name if filename else "a trajectory")


def _common_interval(atoms: Sequence[mda.AtomGroup]) -> float:
    intervals = sorted({round(_interval(group.universe.trajectory), 4) for group in atoms})
    if intervals[-1] - intervals[0] > 1e-3 * intervals[-1]:
        raise MDGenError(
            f"trajectories of one side have {intervals[0]:g} and {intervals[-1]:g} ps between frames; use one interval"
        )
    return intervals[0]

"""Trajectories to arrays of heavy atoms: the only file here that reads any."""

from __future__ import annotations

from collections.abc import Iterator

import MDAnalysis as mda
import numpy as np

from openmm_mdgen.convert.trajectories import select_atoms
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.topology import Topology, heavy_atoms, heavy_slots


def atom_order(atoms: mda.AtomGroup, topology: Topology) -> np.ndarray:
    """Indices into `atoms` (heavy) that put them in the order of `topology`.

    Raises
    ------
    MDGenError
        When sequences or atoms differ.
    """
    slots = heavy_slots(atoms)
    sequence = tuple({residue: kind for residue, kind, _ in sorted(slots)}.values())
    if sequence != topology.sequence:
        raise MDGenError(
            f"topologies differ: {'-'.join(sequence[:12])} against {'-'.join(topology.sequence[:12])}; "
            "give trajectories of one peptide"
        )
    found = {(residue, name): place for place, (residue, _, name) in enumerate(slots)}
    wanted = [(int(r), n) for r, n in zip(topology.residues, topology.names, strict=True)]
    differing = sorted(set(wanted) ^ set(found))
    if differing:
        residue, name = differing[0]
        raise MDGenError(
            f"topologies differ in {len(differing)} heavy atoms, the first is {name} of residue {residue + 1} "
            f"({sequence[residue]}); give both sides the same atoms"
        )
    return np.array([found[w] for w in wanted], int)


def read_frames(universe: mda.Universe, select: str = "all", start: int = 0) -> np.ndarray:
    """Heavy-atom positions of all frames, (T, N, 3) float32 Å."""
    return np.concatenate(list(frame_chunks(universe, heavy_atoms(select_atoms(universe, select)), start)))


def frame_chunks(
    universe: mda.Universe, atoms: mda.AtomGroup, start: int = 0, stop: int | None = None, n: int = 5000
) -> Iterator[np.ndarray]:
    """Positions of `atoms`, (at most n, N, 3) float32 Å at a time.

    Raises
    ------
    MDGenError
        When a position is not a number.
    """
    indices, frames = atoms.indices, range(len(universe.trajectory))[start:stop]
    for first in range(0, len(frames), n):
        part = frames[first : first + n]
        block = np.empty((len(part), len(indices), 3), np.float32)
        for row, ts in zip(block, universe.trajectory[part.start : part.stop], strict=True):
            row[:] = ts.positions[indices]
        bad = ~np.isfinite(block).all((1, 2))
        if bad.any():
            name = universe.trajectory.filename or "the trajectory"
            raise MDGenError(
                f"frame {part[int(bad.argmax())]} of {name} has positions that are not numbers; "
                "remove the frame or generate it again"
            )
        yield block

"""Molecules whose torsions follow a known process."""

from __future__ import annotations

from pathlib import Path

import MDAnalysis as mda
import numpy as np
from MDAnalysis.coordinates.memory import MemoryReader

from openmm_mdgen.evaluation.topology import Topology, heavy_atoms, topology_of


def two_state_chain(n: int, leave: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """(n,) states 0 and 1 of a chain that leaves 0 and 1 with the given probabilities, from its equilibrium."""
    state = int(rng.random() < leave[0] / sum(leave))
    out = np.empty(n, int)
    for k, draw in enumerate(rng.random(n)):
        out[k] = state
        state = 1 - state if draw < leave[state] else state
    return out


def chain(n: int, transition: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) states of a Markov chain."""
    cumulative = transition.cumsum(1)
    out = np.zeros(n, int)
    for k, draw in enumerate(rng.random(n - 1)):
        out[k + 1] = np.searchsorted(cumulative[out[k]], draw)
    return out


def downstream(topology: Topology, atoms: tuple[int, int, int, int]) -> np.ndarray:
    """Atoms that turn with the fourth atom of a torsion: all that are reached from the third without the second."""
    _, b, c, _ = atoms
    neighbours: dict[int, list[int]] = {i: [] for i in range(topology.n_atoms)}
    for i, j in topology.bonds:
        neighbours[i].append(j)
        neighbours[j].append(i)
    seen, queue = {b, c}, [c]
    while queue:
        for atom in neighbours[queue.pop()]:
            if atom not in seen:
                seen.add(atom)
                queue.append(atom)
    return np.array(sorted(seen - {b, c}))


def turned(frames: np.ndarray, topology: Topology, atoms: tuple[int, int, int, int], by: np.ndarray) -> np.ndarray:
    """Frames (F, N, 3) with one torsion turned by angles (F,), radians (Rodrigues' rotation about the middle bond)."""
    moved = downstream(topology, atoms)
    origin = frames[:, atoms[2], None]
    axis = origin - frames[:, atoms[1], None]
    axis = axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    v = frames[:, moved] - origin
    cosine, sine = np.cos(by)[:, None, None], np.sin(by)[:, None, None]
    parallel = (axis * v).sum(-1, keepdims=True) * axis
    out = frames.copy()
    out[:, moved] = origin + cosine * v + sine * np.cross(axis, v) + (1 - cosine) * parallel
    return out


def heavy_universe(path: Path, frames: np.ndarray | None = None, dt: float = 10.0) -> mda.Universe:
    """Heavy atoms of a PDB file in memory, with frames (F, N, 3) Å."""
    universe = mda.Merge(heavy_atoms(mda.Universe(str(path)).atoms))
    shown = universe.atoms.positions[None] if frames is None else frames
    return universe.load_new(np.asarray(shown, np.float32), format=MemoryReader, dt=dt)


def toy_frames(path: Path, n: int, seed: int, slow: float = 0.02) -> np.ndarray:
    """(n, N, 3) Å: every torsion hops between two values 2 radians apart, the first slowly, with some noise."""
    rng = np.random.default_rng(seed)
    universe = heavy_universe(path)
    topology = topology_of(universe.atoms)
    frames = np.repeat(universe.atoms.positions[None].astype(float), n, axis=0)
    for k, torsion in enumerate(topology.torsions):
        leave = slow if k == 0 else 0.2
        states = two_state_chain(n, (leave, leave), rng)
        frames = turned(frames, topology, torsion.atoms, 2.0 * states + 0.2 * rng.standard_normal(n))
    return frames

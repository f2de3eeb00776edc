"""What a user calls for trajectories through given frames, or from a sequence alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real

import numpy as np
from MDAnalysis import AtomGroup, Universe

from openmm_mdgen.convert.structures import Source, load_structure
from openmm_mdgen.convert.times import Time, checked_time, whole_intervals
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.peptide.matching import match_atoms
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.tasks.protocols import ModelLike
from openmm_mdgen.trajectory.memory import frames_to_universe
from openmm_mdgen.weights.roles import as_interpolator, as_unconditional, tuned


def interpolate(
    start: Source | None,
    end: Source | None,
    n_paths: int = 16,
    time: Time = 1000.0,
    interval: Time = 10.0,
    through: Mapping[float, Source] | None = None,
    model: ModelLike = "peptide",
    seed: int = 0,
    device: str | None = None,
    steps: int | None = None,
    temperature: float | None = None,
) -> list[Universe]:
    """Transition paths: trajectories that pass through given frames.

    Parameters
    ----------
    start, end
        Structures at time 0 and at ``time``: path, Universe or AtomGroup (its current positions), (OpenMM Topology,
        positions), or Structure. Either may be None where ``through`` has a structure. The first one given decides
        atom order, names, bond lengths, angles and hydrogens; the others may list and name their atoms otherwise.
    n_paths
        Number of paths.
    time, interval
        Length of a path, and time between its frames, in ps.
    through
        More structures by their time in ps.
    model, seed, device, steps, temperature
        As for `simulate`; a temperature that the model did not learn is an error.

    Returns
    -------
    list of Universe
        The given frames are in every path exactly as they were. Between two of them the molecule as a whole turns and
        moves evenly, which is no dynamics.

    Raises
    ------
    MDGenError
        If structures differ in atoms or sequence, times do not fit, or the model cannot do it.

    Examples
    --------
    >>> paths = openmm_mdgen.interpolate("folded.pdb", "open.pdb", n_paths=16)
    >>> paths = openmm_mdgen.interpolate("a.pdb", None, time=600, through={200.0: "b.pdb"})
    """
    if isinstance(n_paths, bool) or not isinstance(n_paths, int) or n_paths < 1:
        raise MDGenError(f"n_paths {n_paths!r} must be a whole number of 1 or more; leave it out for 16")
    interval = checked_time(interval, "interval", "10.0")
    n_frames = whole_intervals(time, interval) + 1
    sources = _at_frames(start, end, through or {}, n_frames, interval)
    structures = {k: load_structure(source) for k, source in sources.items()}
    first = next(iter(structures.values()))
    Peptide.from_structure(first)
    keys = {k: _in_order(first, structure, k * interval) for k, structure in structures.items()}
    sampler = tuned(as_interpolator(model, device), steps, temperature).bind_paths(first, interval)
    seeds = [block_seed(seed, 0, path) for path in range(n_paths)]
    paths = sampler.sample(keys, n_frames, seeds)
    atoms = _atoms(next(iter(sources.values())), first)
    return [frames_to_universe(atoms, frames, interval) for frames in paths]


def unconditional(
    sequence: str,
    time: Time = 10_000.0,
    interval: Time = 10.0,
    replicas: int | None = None,
    model: ModelLike = "peptide",
    seed: int = 0,
    device: str | None = None,
    caps: str = "zwitterion",
    steps: int | None = None,
    temperature: float | None = None,
) -> Universe | list[Universe]:
    """Trajectories of a sequence, without any structure to start from.

    Parameters
    ----------
    sequence, caps
        As for `build.build_peptide`: ``"STHK"``, ``"ACE-A-NME"``. A built molecule gives atoms, bond lengths and
        hydrogens; its conformation is not used, and nothing needs to be equilibrated.
    time, interval
        Length and time between frames in ps; the first frame is at one interval.
    replicas
        Number of trajectories; they come as a list.
    model, seed, device, steps, temperature
        As for `simulate`; a temperature that the model did not learn is an error.

    Returns
    -------
    Universe, or list of Universe where `replicas` is given

    Examples
    --------
    >>> universe = openmm_mdgen.unconditional("STHK", time=10_000)
    """
    if replicas is not None and (isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1):
        raise MDGenError(f"replicas {replicas!r} must be a whole number of 1 or more; leave it out for one trajectory")
    interval = checked_time(interval, "interval", "10.0")
    n_frames = whole_intervals(time, interval)
    sampler = tuned(as_unconditional(model, device), steps, temperature)
    structure = load_structure(build_peptide(sequence, caps))
    seeds = [block_seed(seed, 0, replica) for replica in range(replicas or 1)]
    found = sampler.bind_sequence(structure, interval).sample(n_frames, seeds)
    universes = [frames_to_universe(structure, frames, interval, interval) for frames in found]
    return universes[0] if replicas is None else universes


def _at_frames(
    start: Source | None,
    end: Source | None,
    through: Mapping[float, Source],
    n_frames: int,
    interval: float,
) -> dict[int, Source]:
    """The given structures by frame number, in order."""
    if not isinstance(through, Mapping):
        raise MDGenError(f"through is a {type(through).__name__}; give a dict of times in ps and structures")
    times = list(through)
    wrong = [t for t in times if not isinstance(t, Real)]
    if wrong:
        raise MDGenError(f"key frame time {wrong[0]!r} is no number; give ps, such as 300.0")
    if times != sorted(times):
        raise MDGenError(f"key frames at {', '.join(f'{t:g}' for t in times)} ps are out of order; give them in time")
    keys: dict[int, Source] = {}
    if start is not None:
        keys[0] = start
    for at, source in through.items():
        frame = round(at / interval) if math.isfinite(at) else -1
        if not 0 <= frame < n_frames:
            span = (n_frames - 1) * interval
            raise MDGenError(
                f"a key frame at {at:g} ps is outside the span of 0 to {span:g} ps; move it or lengthen it"
            )
        if abs(frame * interval - at) > 1e-3 * interval:
            raise MDGenError(
                f"a key frame at {at:g} ps is no multiple of the interval {interval:g} ps; give {frame * interval:g}"
            )
        _put(keys, frame, source, interval)
    if end is not None:
        _put(keys, n_frames - 1, end, interval)
    if not keys:
        raise MDGenError("no structure is given; give start, end or through (unconditional() needs a sequence only)")
    return keys


def _put(keys: dict[int, Source], frame: int, source: Source, interval: float) -> None:
    if frame in keys:
        raise MDGenError(f"two key frames are given at {frame * interval:g} ps; leave one out")
    keys[frame] = source


def _in_order(first: Structure, other: Structure, time: float) -> np.ndarray:
    """(N, 3) Å: a key frame in the first one's atom order."""
    if len(other.names) != len(first.names):
        raise MDGenError(
            f"the structure at {time:g} ps has {len(other.names)} atoms, the first one {len(first.names)}; give the "
            "same molecule with the same atoms"
        )
    remedy = "give two conformations of one molecule, with the same atoms"
    positions: np.ndarray = other.positions[match_atoms(first, other, f"the structure at {time:g} ps", remedy)]
    return positions


def _atoms(source: Source, structure: Structure) -> Universe | AtomGroup | Structure:
    """What a Universe is made over: the user's own atoms where they have a Universe."""
    return source if isinstance(source, Universe | AtomGroup) else structure

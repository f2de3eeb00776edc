"""``openmm_mdgen.upsample``: a Universe over the same atoms, many times finer."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from MDAnalysis import AtomGroup, Merge, Universe
from MDAnalysis.coordinates.base import ProtoReader

from openmm_mdgen.convert.attributes import has
from openmm_mdgen.convert.locations import one_location
from openmm_mdgen.convert.times import Time, checked_time
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.gap import GapFiller, GapModel
from openmm_mdgen.trajectory.names import name_universe
from openmm_mdgen.upsampling.assemble import build_engine
from openmm_mdgen.upsampling.reader import UpsampledReader, even_spacing
from openmm_mdgen.upsampling.source import independent_copy
from openmm_mdgen.upsampling.spacing import checked_spacing, upsampling_factor


def upsample(
    universe: Universe | AtomGroup,
    interval: Time = 0.1,
    model: str | Path | GapModel | GapFiller = "peptide",
    seed: int = 0,
    *,
    temperature: float | None = None,
    device: str | None = None,
    dt: Time | None = None,
    others: str | None = None,
) -> Universe:
    """Make a trajectory finer, lazily: its own frames as they are, a model's frames between them.

    Parameters
    ----------
    universe
        A Universe with a trajectory, or some of its atoms: the result then has these only.
    interval
        Time between the frames of the result, a number in ps, a text such as ``"100fs"``, or a quantity; it divides the
        time between the frames of the trajectory.
    model
        A model's name or file; ``"linear"`` for rotation, translation and straight lines without a network; or an
        object as described in `openmm_mdgen.tasks.gap`.
    seed
        Of the model's noise; the same seed gives the same frames.
    temperature
        K, that of the simulation which the frames are from, for models that learned several; files do not say it.
        Default: the model's (350 K for the bundled one).
    device
        ``"cpu"``, ``"cuda"``, ...; default: CUDA where it is present.
    dt
        Time between the frames of the trajectory, likewise, where it does not say or says it wrong.
    others
        ``"interpolate"`` to move atoms that are not protein rigidly, residue by residue, between their places; by
        default they are refused.

    Returns
    -------
    MDAnalysis.Universe
        Independent of the one that was given; frame ``M * i`` is frame ``i`` of the original, exactly, after whatever
        transformations it has.

    Raises
    ------
    MDGenError
        If the interval does not divide the spacing, the spacing is unknown, there are atoms that the model does not
        know, or spacing, interval or temperature lie outside what the model learned.

    Notes
    -----
    Internal motion is the model's. How the molecule turned between two frames is not determined by them: rotation goes
    the shortest way at constant speed.

    Examples
    --------
    >>> fine = openmm_mdgen.upsample(mda.Universe("pep.pdb", "pep.xtc"), interval=0.1, temperature=300)
    >>> len(fine.trajectory)
    """
    kept = one_location(universe.atoms)
    universe = universe if len(kept) == len(universe.atoms) else kept
    interval = checked_time(interval, "interval", "0.1")
    dt = None if dt is None else checked_time(dt, "dt", "10")
    coarse = universe.universe
    name = _name(coarse)
    if not has(coarse, "trajectory") or coarse.trajectory.n_frames < 2:
        raise MDGenError(f"{name} has fewer than 2 frames, at least 2 are needed to fill the gap between them")
    source = independent_copy(coarse.trajectory)
    spacing = checked_spacing(_stored_spacing(source), dt, name)
    if dt is None:
        spacing = even_spacing(source, spacing)
    factor = upsampling_factor(spacing, interval, name)
    if factor == 1:
        raise MDGenError(f"the frames of {name} are {spacing:g} ps apart already; give an interval finer than that")
    indices = None if isinstance(universe, Universe) else universe.indices
    fine = _first_frame(universe, source, indices)
    engine = build_engine(
        fine.atoms, spacing, factor, model=model, seed=seed, temperature=temperature, device=device, others=others
    )
    fine.trajectory = UpsampledReader(source, engine, spacing, indices)
    return name_universe(fine, coarse.filename)


def _first_frame(universe: Universe | AtomGroup, source: ProtoReader, indices: np.ndarray | None) -> Universe:
    """The atoms, or those with these indices, at the first frame of a trajectory."""
    first = source[0]
    fine = _without_frames(universe) if indices is None else Merge(universe)
    fine.load_new(first.positions[slice(None) if indices is None else indices], dimensions=first.dimensions)
    return fine


def _without_frames(universe: Universe) -> Universe:
    """The same atoms, without a trajectory: copying one reads a frame, by which transformations may move atoms."""
    return Universe(universe._topology.copy(), to_guess=(), context=universe._context.copy())


def _name(universe: Universe) -> str:
    filename = universe.trajectory.filename if has(universe, "trajectory") else None
    return Path(str(filename)).name if filename else "the trajectory"


def _stored_spacing(source: ProtoReader) -> float:
    """ps between frames; 0 where the trajectory does not say and MDAnalysis would assume 1 ps."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        spacing = float(source[0].dt)
    return 0.0 if any("no dt information" in str(warning.message) for warning in caught) else spacing

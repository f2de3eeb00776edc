"""What a user calls on one line: generated trajectories as MDAnalysis Universes."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import overload

from MDAnalysis import AtomGroup, Merge, Universe

from openmm_mdgen.convert.locations import one_location
from openmm_mdgen.convert.mdanalysis import structure_to_universe
from openmm_mdgen.convert.structures import Source, file_to_atoms, load_structure
from openmm_mdgen.convert.times import Time, checked_time, whole_intervals
from openmm_mdgen.convert.trajectories import select_atoms
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.protocols import ModelInfo, ModelLike, model_info
from openmm_mdgen.trajectory import reader as _reader  # noqa: F401  registers the format
from openmm_mdgen.trajectory.bound_model import BoundModel
from openmm_mdgen.trajectory.names import name_universe
from openmm_mdgen.trajectory.opened import OpenedRecipe, Replica, open_recipe
from openmm_mdgen.trajectory.recipe import Recipe
from openmm_mdgen.weights.familiarity import warn_of_the_unfamiliar
from openmm_mdgen.weights.roles import as_simulator, sampled_temperature, with_steps


@overload
def simulate(
    structure: Source,
    time: Time,
    interval: Time = ...,
    model: ModelLike = ...,
    seed: int = ...,
    replicas: None = ...,
    device: str | None = ...,
    temperature: float | None = ...,
    equilibrate: Time = ...,
    hydrogens: str = ...,
    select: str | None = ...,
    steps: int | None = ...,
    relax: bool = ...,
    strict: bool = ...,
    thermalise: int = ...,
) -> Universe: ...
@overload
def simulate(
    structure: Source,
    time: Time,
    interval: Time = ...,
    model: ModelLike = ...,
    seed: int = ...,
    *,
    replicas: int,
    device: str | None = ...,
    temperature: float | None = ...,
    equilibrate: Time = ...,
    hydrogens: str = ...,
    select: str | None = ...,
    steps: int | None = ...,
    relax: bool = ...,
    strict: bool = ...,
    thermalise: int = ...,
) -> list[Universe]: ...
def simulate(
    structure: Source,
    time: Time,
    interval: Time = 10.0,
    model: ModelLike = "peptide",
    seed: int = 0,
    replicas: int | None = None,
    device: str | None = None,
    temperature: float | None = None,
    equilibrate: Time = 0.0,
    hydrogens: str = "moving",
    select: str | None = None,
    steps: int | None = None,
    relax: bool = False,
    strict: bool = False,
    thermalise: int = 0,
) -> Universe | list[Universe]:
    """A generated trajectory as a Universe; its frames are made when they are read.

    Parameters
    ----------
    structure
        Path, Universe or AtomGroup (its current positions), (OpenMM Topology, positions), or Structure: the start, and
        the source of bond lengths and angles.
    time
        Length: a number in ps, a text such as ``"10ns"``, or a quantity. Frames are at interval, 2 interval, ..., time;
        the start is not one of them.
    interval
        Time between frames, likewise.
    model
        Bundled or registered name, path of weights, or an object with ``next_block`` or ``bind``.
    seed
        The same seed gives the same frames.
    replicas
        Number of trajectories from the same start; they come as a list.
    device
        ``"cpu"``, ``"cuda"``, ...; default: CUDA where it is present.
    temperature
        Kelvin, of the ensemble. Where the model did not learn it, the nearest that it did is sampled, with a warning.
    equilibrate
        Time generated before the first frame and left out.
    hydrogens
        ``"moving"``: drawn about where they were placed, as in MD, with the bond lengths of side chains and carbonyls
        that the model holds fixed; ``"thermal"``: so are those angles, which takes longer; ``"quiet"``: as in the
        start. ``"moving-1"``: hydrogens alone, as ``"moving"`` once was and as recipes of then say.
    select
        These atoms of the structure only: an MDAnalysis selection such as ``"protein"``.
    steps
        Solver steps per block; default: the model's. Such a trajectory cannot be written as a recipe.
    relax
        Whether every frame is minimised for a short while (ff14SB, OBC2) when it is read, see
        `openmm_mdgen.trajectory.transformations.Relax`; the trajectory goes on from the unrelaxed ones.
    strict
        Whether a temperature that the model did not learn is an error.
    thermalise
        Steps of 2 fs of real Langevin dynamics (ff14SB, OBC2) that every frame is run for when it is read; see
        `openmm_mdgen.trajectory.thermalise.Thermalise`. The trajectory goes on from frames without it.

    Returns
    -------
    Universe, or list of Universe where `replicas` is given
        Over the start's atoms; frames are made when they are read.

    Raises
    ------
    MDGenError
        If the structure, a time, the interval or the model is not usable: it says value, limit and remedy.

    Examples
    --------
    >>> universe = openmm_mdgen.simulate("pep.pdb", time=10_000)
    >>> runs = openmm_mdgen.simulate("pep.pdb", time=1_000, replicas=16, equilibrate=500)
    """
    interval = checked_time(interval, "interval", "10.0")
    n_frames = whole_intervals(time, interval, "time")
    skip = whole_intervals(equilibrate, interval, "equilibrate") if equilibrate else 0
    if replicas is not None and (isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1):
        raise MDGenError(f"replicas {replicas!r} must be a whole number of 1 or more; leave it out for one trajectory")
    structure = _selected(structure, select)
    model = model if steps is None else with_steps(as_simulator(model, device), steps)
    recipe = Recipe(
        model,
        _kept(structure),
        n_frames,
        interval,
        seed=seed,
        skip=skip,
        temperature=temperature,
        hydrogens=hydrogens,
    )
    if temperature is not None:
        info = model_info(BoundModel(recipe, device=device).task)
        recipe = replace(recipe, temperature=sampled_temperature(temperature, info, strict=strict))
    opened = open_recipe(recipe)
    found = opened.replicas(range(replicas or 1), device=device)
    universes = [_universe(structure, opened, replica) for replica in found]
    warn_of_the_unfamiliar(universes[0].trajectory.model_info, opened.structure)
    if relax:
        for universe in universes:
            _relax(universe)
    if thermalise:
        _thermalise(universes, thermalise, temperature, model_info(found[0].bound.task), seed)
    return universes[0] if replicas is None else universes


def _selected(structure: Source, select: str | None) -> Source:
    """Some of a structure's atoms; the structure as it is for None."""
    if select is None:
        return structure
    if isinstance(structure, Universe | AtomGroup):
        return select_atoms(structure, select)
    if isinstance(structure, str | PathLike):
        return select_atoms(file_to_atoms(Path(structure)), select)
    return select_atoms(structure_to_universe(load_structure(structure)), select)


def _relax(universe: Universe) -> None:
    from openmm_mdgen.trajectory.transformations import Relax  # brings a force field and torch

    universe.trajectory.add_transformations(Relax(universe.atoms))


def _thermalise(universes: list[Universe], steps: int, temperature: float | None, info: ModelInfo, seed: int) -> None:
    """Real dynamics after every frame."""
    from openmm_mdgen.trajectory.thermalise import thermalise_replica  # brings OpenMM

    for replica, universe in enumerate(universes):
        run = thermalise_replica(universe.atoms, steps, temperature, info, seed, replica)
        universe.trajectory.add_transformations(run)


def _kept(structure: Source) -> Path | Structure:
    """What a recipe holds of the source: the path of a file, else the structure itself."""
    if isinstance(structure, str | PathLike):
        return Path(structure).absolute()
    return load_structure(structure)


def _universe(structure: Source, opened: OpenedRecipe, replica: Replica) -> Universe:
    """A Universe that keeps what the user's own object knows of its atoms."""
    if isinstance(structure, Universe | AtomGroup):
        universe = Merge(one_location(structure.atoms, tell=False))
        universe.load_new(replica.recipe, replica=replica)
        return name_universe(universe)
    return name_universe(Universe(opened.topology.copy(), replica.recipe, replica=replica), structure)

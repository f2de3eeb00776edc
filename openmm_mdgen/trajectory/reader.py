"""The MDAnalysis edge: a ``.mdgen`` recipe read as a trajectory like any other."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import ClassVar

from MDAnalysis import Universe
from MDAnalysis.coordinates.base import ReaderBase, WriterBase
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.lib.util import store_init_arguments

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.propagator import Propagator
from openmm_mdgen.tasks.protocols import ModelInfo, ModelLike, Simulator, model_info
from openmm_mdgen.trajectory.names import GENERATED, GeneratedName, name_universe
from openmm_mdgen.trajectory.opened import Replica, open_recipe
from openmm_mdgen.trajectory.parser import MDGenParser
from openmm_mdgen.trajectory.recipe import Recipe
from openmm_mdgen.trajectory.recipe_file import library_versions, read_n_atoms, read_recipe
from openmm_mdgen.trajectory.writing import frame_writer

__all__ = ["MDGenParser", "MDGenReader", "recipe_to_universe"]


def _leave_threads_alone() -> None:
    """A forked child has none of its parent's threads, and hangs where it waits for them.

    So it does not use torch's pool, and does not collect what its parent left: an OpenMM Context among it would wait
    for its own threads to end.
    """
    gc.freeze()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


if sys.platform != "win32":  # where nothing forks
    os.register_at_fork(after_in_child=_leave_threads_alone)


class MDGenReader(ReaderBase):  # type: ignore[misc]  # comes without types
    """Frames of a `.mdgen` recipe, generated on demand.

    Frame 0 is the first generated frame, at ``time = dt``, as in a file written by an OpenMM reporter. Frames are made
    in blocks; blocks used last stay in memory, and every order of access gives the same bits on one machine.

    Parameters
    ----------
    filename
        Path of a ``.mdgen`` file, or a `Recipe`.
    model
        Used instead of the model that the recipe names (its file was moved, say); its content must be the same.
    device
        Default: the CPU for a recipe made there, else the best there is.
    cache
        Folder in which finished blocks are kept for other readers and later sessions; safe under several readers.
    replica
        What `OpenedRecipe.replicas` gave for the recipe: shares model and blocks with other readers.

    Notes
    -----
    Opening loads the model and makes no frame; frames are made where positions or a frame are asked for.

    Limitations: reaching a frame the first time generates every block before it,
    since each starts where the one before ended. There are no velocities, forces or unit cell. Pickles hold the recipe,
    the current frame and the known starts of blocks, not the frames.

    Examples
    --------
    >>> universe = mda.Universe("pep.pdb", "pep.mdgen")
    >>> universe.trajectory[500].time
    """

    format: ClassVar[list[str]] = ["MDGEN"]
    units: ClassVar[Mapping[str, str | None]] = {"time": "ps", "length": "Angstrom"}

    @staticmethod
    def _format_hint(thing: object) -> bool:
        return isinstance(thing, Recipe) or (isinstance(thing, GeneratedName) and isinstance(thing.stands_for, Recipe))

    @store_init_arguments  # type: ignore[untyped-decorator]  # comes without types
    def __init__(
        self,
        filename: str | PathLike[str] | Recipe,
        convert_units: bool = True,
        n_atoms: int | None = None,
        model: ModelLike | None = None,
        device: str | None = None,
        cache: str | PathLike[str] | None = None,
        replica: Replica | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(filename, convert_units=convert_units, **kwargs)
        if isinstance(filename, GeneratedName):
            filename = filename.stands_for
        if isinstance(filename, Recipe):
            self.filename = GeneratedName(GENERATED, filename)
        if replica is None:
            recipe = filename if isinstance(filename, Recipe) else read_recipe(filename)
            replica = open_recipe(recipe).replicas([recipe.replica], model, device, cache)[0]
            self._kwargs["replica"] = replica
        self._recipe, self._bound, self._blocks = replica.recipe, replica.bound, replica.blocks
        self.n_atoms = self._blocks.n_atoms
        self.n_frames = self._recipe.n_frames
        if n_atoms not in (None, self.n_atoms):
            raise MDGenError(
                f"the topology has {n_atoms} atoms, the recipe's structure has {self.n_atoms}; open the recipe with "
                "the structure that it was written for"
            )
        self._ts = self._Timestep(self.n_atoms, **({"dt": self._recipe.interval} | self._ts_kwargs))
        self._ts.frame, self._ts.time = 0, self._ts.dt
        self._has_positions = False

    @property
    def ts(self) -> Timestep:
        """The current frame; made now where it was not asked for before."""
        if not self._has_positions:
            self._read_frame(self._ts.frame)
        return self._ts

    @ts.setter
    def ts(self, ts: Timestep) -> None:
        self._ts, self._has_positions = ts, True

    @property
    def dt(self) -> float:
        """ps between frames."""
        return float(self._ts.dt)

    @property
    def frame(self) -> int:
        """Number of the current frame."""
        return int(self._ts.frame)

    @property
    def time(self) -> float:
        """ps of the current frame."""
        return float(self._ts.time)

    @classmethod
    def parse_n_atoms(cls, filename: str, **kwargs: object) -> int:
        """Number of atoms of a ``.mdgen`` file."""
        return read_n_atoms(filename)

    @property
    def model(self) -> Propagator | Simulator:
        """The loaded model."""
        return self._bound.task

    @property
    def model_info(self) -> ModelInfo:
        """What the model says of itself: name, temperatures and ranges."""
        return model_info(self.model)

    @property
    def recipe(self) -> Recipe:
        """The recipe, with what is known of the frames made here; for `write_recipe`."""
        model = self.model_info
        origin = replace(
            self._recipe.origin,
            model_hash=model.content_hash,
            first_block=self._blocks.first_checksum(),
            device=model.device,
            precision=model.precision,
            versions=library_versions(),
        )
        return replace(self._recipe, origin=origin)

    def Writer(self, filename: str | PathLike[str], n_atoms: int | None = None, **kwargs: object) -> WriterBase:
        """A writer for frames of this trajectory, with its times; see `frame_writer`."""
        first_time = self.dt + self.ts.data.get("time_offset", 0.0)
        return frame_writer(filename, n_atoms or self.n_atoms, self.dt, first_time, **kwargs)

    def __repr__(self) -> str:
        name = "recipe" if isinstance(self.filename, GeneratedName) else self.filename
        return f"<{type(self).__name__} {name} with {self.n_frames} frames of {self.n_atoms} atoms>"

    def close(self) -> None:
        """Nothing is held open."""

    def _reopen(self) -> None:
        self._ts.frame = -1
        self._ts.time = 0.0  # auxiliary readers deduce the time of frame 0 from it
        self._has_positions = True  # none are asked for before the first frame

    def _read_frame(self, frame: int) -> Timestep:
        ts = self._ts
        ts.positions = self._blocks.frame(self._recipe.skip + frame)
        self._has_positions = True
        ts.frame = frame
        ts.time = (frame + 1) * ts.dt
        return ts

    def _read_next_timestep(self, ts: Timestep | None = None) -> Timestep:
        if self._ts.frame >= self.n_frames - 1:
            raise EOFError(f"the trajectory has {self.n_frames} frames")
        return self._read_frame(self._ts.frame + 1)


def recipe_to_universe(
    recipe: Recipe | str | PathLike[str],
    model: ModelLike | None = None,
    device: str | None = None,
    cache: str | PathLike[str] | None = None,
) -> Universe:
    """A Universe of a recipe alone: its atoms and its frames.

    Parameters
    ----------
    recipe
        Path of a ``.mdgen`` file, or a `Recipe`.
    model, device, cache
        As for `MDGenReader`.

    Raises
    ------
    MDGenError
        If the recipe, its files or its model cannot be used.

    Examples
    --------
    >>> universe = recipe_to_universe("pep.mdgen", cache="blocks/")
    """
    opened = open_recipe(recipe if isinstance(recipe, Recipe) else read_recipe(recipe))
    made = opened.replicas([opened.recipe.replica], model, device, cache)[0]
    if isinstance(recipe, Recipe):
        return name_universe(Universe(opened.topology, made.recipe, replica=made))
    return name_universe(Universe(opened.topology, str(recipe), replica=made), str(recipe))

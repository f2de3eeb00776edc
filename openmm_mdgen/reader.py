"""The MDAnalysis edge: a ``.mdgen`` recipe read as a trajectory like any other."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

from MDAnalysis.coordinates.base import ReaderBase, WriterBase
from MDAnalysis.coordinates.DCD import DCDWriter
from MDAnalysis.coordinates.PDB import PDBWriter
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.core._get_readers import get_writer_for
from MDAnalysis.lib.util import store_init_arguments

from openmm_mdgen.blocks import Blocks
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.recipe import Recipe
from openmm_mdgen.recipe_file import library_versions, read_n_atoms, read_recipe
from openmm_mdgen.recipe_topology import MDGenParser
from openmm_mdgen.tasks.propagator import Propagator

__all__ = ["MDGenParser", "MDGenReader", "frame_writer"]


def _one_torch_thread() -> None:
    """A forked child hangs in torch's thread pool if its parent has used it: leave the pool alone there."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # absent on Windows, where nothing forks
    os.register_at_fork(after_in_child=_one_torch_thread)


class BoundModel:
    """The propagator of a recipe, loaded when first called for; only the recipe is pickled.

    Parameters
    ----------
    recipe
        What to load.
    model
        Used instead of the recipe's model; its content must be the same.
    device
        As for `openmm_mdgen.checkpoint.load_task`; default: the CPU for a recipe made there, else the best there is.
    """

    def __init__(self, recipe: Recipe, model: Any = None, device: str | None = None) -> None:
        self.recipe = recipe
        self.model = recipe.model if model is None else model
        self.device = device or ("cpu" if recipe.origin.device == "cpu" else None)
        self._task: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_task": None}

    def __call__(self) -> Propagator:
        """The propagator, bound to the recipe's structure and interval."""
        task = self.task
        if hasattr(task, "bind"):
            return task.bind(self.recipe.load_structure(), self.recipe.interval)
        return task

    @property
    def task(self) -> Any:
        """What `load_task` gives, checked against the recipe.

        Raises
        ------
        MDGenError
            If the model is not the one that the recipe was written with.
        """
        if self._task is None:
            from openmm_mdgen.checkpoint import load_task  # brings torch: only where frames are made

            task = load_task(self.model, self.device)
            expected, found = self.recipe.origin.model_hash, getattr(task, "content_hash", "")
            if expected and found != expected:
                raise MDGenError(
                    f"model {self.model!r} has content {found[:12] or 'unknown'}, the recipe was written with "
                    f"{expected[:12]}; install the version that it names, pass it by model=, or write the recipe again"
                )
            self._task = task
        return self._task


class MDGenReader(ReaderBase):
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
    blocks
        Shares the blocks of another reader of the same recipe; used by `copy`.

    Notes
    -----
    Limitations: opening generates the first block. Reaching a frame the first time generates every block before it,
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
    def _format_hint(thing: Any) -> bool:
        return isinstance(thing, Recipe)

    @store_init_arguments
    def __init__(
        self,
        filename: str | PathLike[str] | Recipe,
        convert_units: bool = True,
        n_atoms: int | None = None,
        model: Any = None,
        device: str | None = None,
        cache: str | PathLike[str] | None = None,
        blocks: Blocks | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filename, convert_units=convert_units, **kwargs)
        if isinstance(filename, Recipe):
            self.filename = None
        self._recipe = filename if isinstance(filename, Recipe) else read_recipe(filename)
        self._bound = BoundModel(self._recipe, model, device)
        structure = self._recipe.load_structure()
        self.n_atoms = len(structure.names)
        self.n_frames = self._recipe.n_frames
        if n_atoms not in (None, self.n_atoms):
            raise MDGenError(
                f"the topology has {n_atoms} atoms, the recipe's structure has {self.n_atoms}; open the recipe with "
                "the structure that it was written for"
            )
        if blocks is None:
            blocks = Blocks(
                self._bound,
                self._recipe.load_start(structure),
                self._recipe.seed,
                replica=self._recipe.replica,
                expected=self._recipe.origin.first_block,
                cache=None if cache is None else Path(cache),
            )
            blocks.first_checksum()
        self._blocks = blocks
        self._kwargs["blocks"] = blocks
        self.ts = self._Timestep(self.n_atoms, **({"dt": self._recipe.interval} | self._ts_kwargs))
        self._read_frame(0)

    @classmethod
    def parse_n_atoms(cls, filename: str, **kwargs: Any) -> int:
        """Number of atoms of a ``.mdgen`` file."""
        return read_n_atoms(filename)

    @property
    def recipe(self) -> Recipe:
        """The recipe, with what is known of the frames made here; for `openmm_mdgen.recipe_file.write_recipe`."""
        task = self._bound.task
        origin = replace(
            self._recipe.origin,
            model_hash=getattr(task, "content_hash", ""),
            first_block=self._blocks.first_checksum(),
            device=str(getattr(task, "device", "")),
            precision=str(getattr(task, "precision", "")),
            versions=library_versions(),
        )
        return replace(self._recipe, origin=origin)

    def Writer(self, filename: str | PathLike[str], n_atoms: int | None = None, **kwargs: Any) -> WriterBase:
        """A writer for frames of this trajectory, with its times; see `frame_writer`."""
        first_time = self.dt + self.ts.data.get("time_offset", 0.0)
        return frame_writer(filename, n_atoms or self.n_atoms, self.dt, first_time, **kwargs)

    def close(self) -> None:
        """Nothing is held open."""

    def _reopen(self) -> None:
        self.ts.frame = -1
        self.ts.time = 0.0  # auxiliary readers deduce the time of frame 0 from it

    def _read_frame(self, frame: int) -> Timestep:
        self.ts.positions = self._blocks.frame(self._recipe.skip + frame)
        self.ts.frame = frame
        self.ts.time = (frame + 1) * self.ts.dt
        return self.ts

    def _read_next_timestep(self, ts: Timestep | None = None) -> Timestep:
        if self.ts.frame >= self.n_frames - 1:
            raise EOFError(f"the trajectory has {self.n_frames} frames")
        return self._read_frame(self.ts.frame + 1)


def frame_writer(
    filename: str | PathLike[str], n_atoms: int, dt: float, first_time: float | None = None, **kwargs: Any
) -> WriterBase:
    """A writer of several frames whose files carry the right times, for any format that MDAnalysis writes.

    Parameters
    ----------
    filename
        The extension says which format.
    n_atoms
        Atoms per frame.
    dt
        Picoseconds between frames.
    first_time
        Time of the first frame in ps; default ``dt``. DCD headers hold it as whole multiples of `dt`; formats that
        store a time per frame take it from the Timestep.

    Raises
    ------
    MDGenError
        If the extension is not one of a trajectory format.

    Examples
    --------
    >>> with frame_writer("out.dcd", u.atoms.n_atoms, dt=10.0) as writer:
    ...     for _ in u.trajectory:
    ...         writer.write(u.atoms)
    """
    try:
        writer = get_writer_for(str(filename), format=kwargs.pop("format", None), multiframe=True)
    except (TypeError, ValueError) as error:
        raise MDGenError(
            f"{str(filename)!r} has no extension of a trajectory format that MDAnalysis writes; use .dcd, .xtc, .trr, "
            ".nc, .xyz or .pdb"
        ) from error
    if issubclass(writer, DCDWriter):
        istart = round((dt if first_time is None else first_time) / dt)
        return writer(str(filename), n_atoms=n_atoms, **({"dt": dt, "istart": istart} | kwargs))
    if issubclass(writer, PDBWriter):
        kwargs.pop("dt", None)
    return writer(str(filename), n_atoms=n_atoms, **kwargs)

"""Writers of trajectory files whose times are right, in any format that MDAnalysis writes."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from MDAnalysis import AtomGroup, Universe
from MDAnalysis.coordinates.base import WriterBase
from MDAnalysis.coordinates.DCD import DCDWriter
from MDAnalysis.coordinates.PDB import PDBWriter
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.coordinates.XTC import XTCWriter
from MDAnalysis.core._get_readers import get_writer_for
from MDAnalysis.lib.util import NamedStream

from openmm_mdgen.convert.attributes import has
from openmm_mdgen.convert.mdanalysis import NO_SEGMENT, structure_to_universe
from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.peptide.structure import Structure

_NO_CELL = np.zeros((3, 3), np.float32)


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
    writer = frame_writer_class(filename, kwargs.pop("format", None))
    if issubclass(writer, DCDWriter):
        istart = round((dt if first_time is None else first_time) / dt)
        return writer(str(filename), n_atoms=n_atoms, **({"dt": dt, "istart": istart} | kwargs))
    if issubclass(writer, PDBWriter):
        kwargs.pop("dt", None)
        kwargs["multiframe"] = True
    return writer(str(filename), n_atoms=n_atoms, **kwargs)


def frame_writer_class(filename: str | PathLike[str], format: str | None = None) -> type[WriterBase]:
    """The writer class of an extension (or of a format named apart), for several frames.

    Raises
    ------
    MDGenError
        If the extension is not one of a trajectory format.

    Examples
    --------
    >>> frame_writer_class("out.xtc").__name__
    'XTCFrameWriter'
    """
    try:
        writer: type[WriterBase] = get_writer_for(str(filename), format=format, multiframe=True)
    except (TypeError, ValueError) as error:
        raise MDGenError(
            f"{str(filename)!r} has no extension of a trajectory format that MDAnalysis writes; use .dcd, .xtc, .trr, "
            ".nc, .xyz or .pdb"
        ) from error
    faster: dict[type[WriterBase], type[WriterBase]] = {PDBWriter: PDBFrameWriter, XTCWriter: XTCFrameWriter}
    return next((ours for theirs, ours in faster.items() if issubclass(writer, theirs)), writer)


class XTCFrameWriter(XTCWriter):  # type: ignore[misc]  # MDAnalysis has no types
    """MDAnalysis' writer, without the work on a unit cell that is not there, which takes most of its time."""

    def __init__(self, *arguments: Any, dt: float | None = None, **options: Any) -> None:
        super().__init__(*arguments, dt=dt, **options)
        self._spacing = dt  # early versions of MDAnalysis take none

    def _write_next_frame(self, obj: Any) -> None:
        ts = obj.trajectory.ts if isinstance(obj, Universe) else None
        if ts is None or ts.dimensions is not None or self._spacing is not None or not self._convert_units:
            super()._write_next_frame(obj)
            return
        positions = self.convert_pos_to_native(ts.positions, inplace=False)
        self._xdr.write(positions, _NO_CELL, ts.data.get("step", ts.frame), ts.time, 10.0**self.precision)


class PDBFrameWriter(PDBWriter):  # type: ignore[misc]  # MDAnalysis has no types
    """MDAnalysis' writer, which leaves chain and segment blank where atoms have none, instead of naming them."""

    def _write_timestep(self, ts: Timestep, multiframe: bool = False) -> None:
        atoms = self.obj.atoms
        blank = {}
        if not has(atoms, "chainIDs") or not any(atoms.chainIDs):
            blank["{chainID:1s}"] = " "
        if not has(atoms, "segids") or set(atoms.segids) == {NO_SEGMENT}:
            blank["{segID:<4s}"] = "    "
        for field, text in blank.items():
            self.fmt: dict[str, str] = {record: line.replace(field, text) for record, line in self.fmt.items()}
        super()._write_timestep(ts, multiframe=multiframe)


def structure_to_pdb(structure: Structure) -> tuple[Structure, str]:
    """PDB text of a structure under its own names and numbers, and the structure at the positions that the text holds.

    Frames that start from that structure can be made again from the text.
    """
    text = io.StringIO()
    stream = NamedStream(text, "structure.pdb", reset=False, close=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with PDBFrameWriter(stream, bonds=None, multiframe=False) as writer:
            writer.write(structure_to_universe(structure).atoms)
    written = [[float(f"{x:.3f}") for x in row] for row in structure.positions.tolist()]
    return replace(structure, positions=np.array(written)), text.getvalue()


def write_fitting_topology(atoms: AtomGroup, n_atoms: int, output: Path) -> Path | None:
    """A PDB file beside a trajectory that has only some of the atoms of the user's topology.

    Parameters
    ----------
    atoms
        What the trajectory has.
    n_atoms
        Atoms of the user's topology.
    output
        The trajectory file; the topology has its name with another extension.

    Returns
    -------
    Path or None
        None where the user's topology fits, or the output is a PDB file itself.

    Raises
    ------
    MDGenError
        If another structure has the name.
    """
    path = output.with_suffix(".pdb")
    if len(atoms) == n_atoms or output == path:
        return None
    _, text = structure_to_pdb(atomgroup_to_structure(atoms))
    if path.exists() and _ids(path.read_text(encoding="utf-8")) != _ids(text):
        raise MDGenError(
            f"{str(path)!r} exists and would be overwritten by the output's topology; choose another -o name or move "
            "the file"
        )
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return path


def _ids(text: str) -> list[str]:
    """What PDB text calls its atoms."""
    return [line[11:27] for line in text.splitlines() if line.startswith(("ATOM", "HETATM"))]

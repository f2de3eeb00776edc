"""Writers of trajectory files whose times are right, in any format that MDAnalysis writes."""

from __future__ import annotations

from os import PathLike
from typing import Any

from MDAnalysis.coordinates.base import WriterBase
from MDAnalysis.coordinates.DCD import DCDWriter
from MDAnalysis.coordinates.PDB import PDBWriter
from MDAnalysis.core._get_readers import get_writer_for

from openmm_mdgen.errors import MDGenError


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
    'XTCWriter'
    """
    try:
        out: type[WriterBase] = get_writer_for(str(filename), format=format, multiframe=True)
        return out
    except (TypeError, ValueError) as error:
        raise MDGenError(
            f"{str(filename)!r} has no extension of a trajectory format that MDAnalysis writes; use .dcd, .xtc, .trr, "
            ".nc, .xyz or .pdb"
        ) from error

"""Files opened and atoms selected by MDAnalysis; whatever goes wrong is said in one line."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

from MDAnalysis import AtomGroup, Universe
from MDAnalysis.coordinates.base import ProtoReader
from MDAnalysis.exceptions import SelectionError

from openmm_mdgen.convert.selection import select_known
from openmm_mdgen.convert.structures import open_universe
from openmm_mdgen.errors import MDGenError

_REWRITE = "open it in MDAnalysis as Universe(topology, trajectory, dt=10.0), in ps, or write it so to an XTC file"


def open_topology(path: str | PathLike[str]) -> Universe:
    """Universe of a topology file alone.

    Raises
    ------
    MDGenError
        If it is missing or cannot be read.
    """
    return _open([path], f"topology {str(path)!r}", "give a PDB, PSF, PRMTOP or GRO file")


def open_trajectory(
    path: str | PathLike[str], topology: str | PathLike[str] | None = None, what: str = "trajectory"
) -> Universe:
    """Universe of a trajectory and its topology; `what` is what errors call it.

    Raises
    ------
    MDGenError
        If a file is missing or cannot be read, or the two do not fit.

    Examples
    --------
    >>> open_trajectory("md.xtc", "pep.pdb").trajectory.n_frames
    """
    if topology is None:
        return _open([path], f"{what} {str(path)!r}", "give a topology beside it")
    return _open([topology, path], f"{what} {str(path)!r} with topology {str(topology)!r}", "check both")


def stored_interval(trajectory: ProtoReader, name: str) -> float:
    """ps between the frames of a trajectory, `name` being what errors call it.

    Raises
    ------
    MDGenError
        If it does not say: MDAnalysis takes some formats without times to have a frame every 1 ps.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        interval = float(trajectory.dt)
    if any("no dt information" in str(warning.message) for warning in caught):
        raise MDGenError(f"{name} does not say the time between its frames; {_REWRITE}")
    if not interval > 0:
        raise MDGenError(f"{name} stores {interval:g} ps between frames; {_REWRITE}")
    return interval


def select_atoms(atoms: Universe | AtomGroup, selection: str | None, name: str = "select") -> AtomGroup:
    """Atoms of an MDAnalysis selection, all of them for None; `name` is what errors call it.

    ``protein`` includes the caps and every residue name that is known here, see `select_known`.

    Raises
    ------
    MDGenError
        If it is no selection, or matches nothing.
    """
    if selection is None:
        return atoms.atoms
    try:
        found = select_known(atoms, selection)
    except (SelectionError, AttributeError, ValueError, TypeError) as error:
        raise MDGenError(
            f"{name} {selection!r} is no MDAnalysis selection ({_first_line(error)}); write for example 'protein'"
        ) from error
    if not found.n_atoms:
        raise MDGenError(f"{name} {selection!r} finds 0 of {atoms.atoms.n_atoms} atoms; write for example 'protein'")
    return found


def _open(paths: list[str | PathLike[str]], what: str, remedy: str) -> Universe:
    for path in paths:
        if not Path(path).exists():
            raise MDGenError(f"file {str(path)!r} does not exist; check the path")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No coordinate reader found")
            return open_universe(*paths)
    except Exception as error:  # parsers raise anything; the user needs one line
        raise MDGenError(f"{what} cannot be read ({_first_line(error)}); {remedy}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

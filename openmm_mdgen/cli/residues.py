"""Residue numbers and trajectories as the command line takes them."""

from __future__ import annotations

import re
from pathlib import Path

import click
from MDAnalysis import AtomGroup, Universe
from MDAnalysis.exceptions import SelectionError

from openmm_mdgen.errors import MDGenError

_ITEM = re.compile(r"(\d+)(?:-(\d+))?")


class Residues(click.ParamType):
    """Residue numbers: ``2,3`` or ``2-4`` or both."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """The numbers, in order."""
        if isinstance(value, list):
            return value
        found: set[int] = set()
        for item in str(value).split(","):
            match = _ITEM.fullmatch(item.strip())
            if match is None:
                raise MDGenError(f"--residues {value!r} are no residue numbers; write for example 2,3 or 2-4")
            found |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
        if not found:
            raise MDGenError(f"--residues {value!r} names none; write for example 2,3 or 2-4")
        return sorted(found)


def open_trajectory(topology: Path, trajectory: Path, select: str | None) -> AtomGroup:
    """The atoms of a trajectory.

    Raises
    ------
    MDGenError
        If a file is missing or cannot be read, or the selection finds nothing.
    """
    for path in (topology, trajectory):
        if not path.is_file():
            raise MDGenError(f"file {str(path)!r} does not exist; check the path")
    try:
        universe = Universe(str(topology), str(trajectory))
    except Exception as error:  # readers raise anything; the user needs one line
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MDGenError(f"{trajectory.name} cannot be read with {topology.name} ({reason}); check both") from error
    if select is None:
        return universe.atoms
    try:
        atoms = universe.select_atoms(select)
    except (SelectionError, AttributeError) as error:
        raise MDGenError(f"--select {select!r} is no MDAnalysis selection ({error}); write 'protein'") from error
    if not atoms.n_atoms:
        raise MDGenError(f"--select {select!r} finds 0 atoms in {topology.name}; write for example 'protein'")
    return atoms

"""What Universes of generated frames call their files: names that other analyses can hold, and open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from MDAnalysis import Universe

GENERATED = "generated"


class GeneratedName(str):
    """A name that MDAnalysis opens as what it stands for.

    Analyses ask a Universe or trajectory for its ``filename``, print it, and open it once more with other coordinates;
    what was never a file has this.

    Parameters
    ----------
    name : str
    stands_for : MDAnalysis Topology or Recipe

    Examples
    --------
    >>> again = mda.Universe(universe.filename, universe.trajectory.timeseries(order="fac"))
    """

    stands_for: Any

    def __new__(cls, name: str, stands_for: Any) -> GeneratedName:
        """A string that knows what it stands for."""
        new = super().__new__(cls, name)
        new.stands_for = stands_for
        return new

    def __getnewargs__(self) -> tuple[str, Any]:  # type: ignore[override]
        return str(self), self.stands_for


def name_universe(universe: Universe, file: object = None) -> Universe:
    """Give a Universe a ``filename`` that opens as its topology: a file's name where it came from one."""
    name = str(file) if isinstance(file, str | Path) else GENERATED
    universe.filename = GeneratedName(name, universe._topology)
    return universe

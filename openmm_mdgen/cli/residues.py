"""Residue numbers as the command line takes them."""

from __future__ import annotations

import re

import click

from openmm_mdgen.errors import MDGenError

_ITEM = re.compile(r"(\d+)(?:-(\d+))?")


class Residues(click.ParamType):  # type: ignore[type-arg]  # generic for mypy only
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

"""Residue numbers as the command line takes them."""

from __future__ import annotations

import re

import click

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.labels import is_residue_name

_PLAIN = re.compile(r"-?\d+")
_PLAIN_RANGE = re.compile(r"(-?\d+)-(-?\d+)")


class Residues(click.ParamType):  # type: ignore[type-arg]  # generic for mypy only
    """Residue names: ``2,3`` or ``2-4`` or both, ``-1,0``, ``52A``, ``B:27``."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[int | str]:
        """The numbers and names, in order; which residues they are is found out with the structure."""
        if isinstance(value, list):
            return value
        found: list[int | str] = []
        for item in (text.strip() for text in str(value).split(",")):
            if not is_residue_name(item):
                raise MDGenError(f"--residues {value!r} are no residue numbers; write for example 2,3 or 2-4 or 52A")
            plain = _PLAIN_RANGE.fullmatch(item)
            if plain and int(plain[1]) > int(plain[2]):
                raise MDGenError(f"--residues {value!r} names none; write for example 2,3 or 2-4")
            found.append(int(item) if _PLAIN.fullmatch(item) else item)
        return found

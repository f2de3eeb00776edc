"""Times and counts as the command line takes them."""

from __future__ import annotations

import math

import click

from openmm_mdgen.convert.times import text_to_picoseconds
from openmm_mdgen.errors import MDGenError


def text_to_time(text: str, *, zero: bool = False, option: str = "") -> float:
    """Picoseconds of a time with its unit, above zero or, with `zero`, from it on; errors name the option.

    Raises
    ------
    MDGenError
        If it is no time, has no unit, or is too small.

    Examples
    --------
    >>> text_to_time("10ns"), text_to_time("0.1 ps")
    (10000.0, 0.1)
    """
    time = text_to_picoseconds(text)
    if time is None:
        shown = f"{option} {text!r}".strip()
        raise MDGenError(f"{shown} is not a time; write a number and fs, ps, ns, us or ms, as in 10ns")
    if not (math.isfinite(time) and (time > 0 or (zero and time == 0))):
        raise MDGenError(
            f"{option or 'time'} {text!r} must be {'0 or more' if zero else 'above 0'}; write for example 10ns"
        )
    return time


class Time(click.ParamType):  # type: ignore[type-arg]  # generic for mypy only
    """A time with its unit, such as ``10ns``; becomes picoseconds.

    Parameters
    ----------
    zero
        Whether it may be 0.
    """

    name = "time"

    def __init__(self, zero: bool = False) -> None:
        self.zero = zero

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Time in ps."""
        if isinstance(value, float):
            return value
        return text_to_time(str(value), zero=self.zero, option=_option(param))


class Count(click.ParamType):  # type: ignore[type-arg]  # generic for mypy only
    """A whole number from `least` on.

    Parameters
    ----------
    least
        The smallest number allowed.
    """

    name = "number"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        shown = f"{_option(param)} {value}".strip()
        try:
            number = int(str(value))
        except ValueError as error:
            raise MDGenError(f"{shown} is no whole number; give {self.least} or more") from error
        if number < self.least:
            raise MDGenError(f"{shown} is below {self.least}; give {self.least} or more")
        return number


def _option(param: click.Parameter | None) -> str:
    """How the user writes the option; empty for an argument."""
    return max(param.opts, key=len) if isinstance(param, click.Option) else ""

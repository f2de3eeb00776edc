"""Times and counts as the command line takes them."""

from __future__ import annotations

import math
import re

import click

from openmm_mdgen.errors import MDGenError

_UNITS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6, "µs": 1e6, "ms": 1e9}  # ps
_TIME = re.compile(r"([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*([a-zµ]+)", re.IGNORECASE)
_ROUNDING = 1e-6  # of an interval: what a time may be off a whole number of them


def text_to_time(text: str) -> float:
    """Picoseconds of a positive time with its unit.

    Raises
    ------
    MDGenError
        If it is no time, has no unit, or is not above zero.

    Examples
    --------
    >>> text_to_time("10ns"), text_to_time("0.1 ps")
    (10000.0, 0.1)
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or match[2].lower() not in _UNITS:
        raise MDGenError(f"{text!r} is not a time; write a number and fs, ps, ns, us or ms, as in 10ns")
    try:
        time = float(match[1]) * _UNITS[match[2].lower()]
    except ValueError as error:
        raise MDGenError(f"{text!r} is not a time; write a number and fs, ps, ns, us or ms, as in 10ns") from error
    if not (math.isfinite(time) and time > 0):
        raise MDGenError(f"time {text!r} must be above 0; write for example 10ns")
    return time


def time_to_text(time: float) -> str:
    """A time in ps with the unit that suits it: 10000.0 -> ``"10 ns"``."""
    unit = next((unit for unit in ("ms", "us", "ns", "ps") if time >= _UNITS[unit]), "fs")
    return f"{time / _UNITS[unit]:.6g} {unit}"


def time_to_frames(time: float, interval: float) -> tuple[int, bool]:
    """Whole intervals that cover a time (both in ps), and whether the time had to be rounded up to them."""
    n_frames = math.ceil(time / interval - _ROUNDING)
    return n_frames, abs(n_frames * interval - time) > _ROUNDING * interval


class Time(click.ParamType):
    """A positive time with its unit, such as ``10ns``; becomes picoseconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Time in ps."""
        return value if isinstance(value, float) else text_to_time(str(value))


class Count(click.ParamType):
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
        option = f"{max(param.opts, key=len)} " if param is not None else ""
        try:
            number = int(str(value))
        except ValueError as error:
            raise MDGenError(f"{option}{value} is no whole number; give {self.least} or more") from error
        if number < self.least:
            raise MDGenError(f"{option}{number} is below {self.least}; give {self.least} or more")
        return number

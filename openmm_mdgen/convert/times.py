"""Times as users write them, numbers, texts and quantities, become picoseconds."""

from __future__ import annotations

import math
import re
import warnings
from typing import TypeAlias

import numpy as np
from openmm import unit

from openmm_mdgen.errors import MDGenError, MDGenWarning

Time: TypeAlias = "float | str | unit.Quantity"

PICOSECONDS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6, "µs": 1e6, "μs": 1e6, "ms": 1e9}
"""Of the units that a text may name; the two micro signs are different letters."""
_ROUNDING = 1e-6  # of an interval: what a time may be off a whole number of them
_LONG = {"femtosecond": "fs", "picosecond": "ps", "nanosecond": "ns", "microsecond": "us", "millisecond": "ms"}
_TEXT = re.compile(r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?)[\s*]*([a-zµμ]+)", re.IGNORECASE)


def text_to_picoseconds(text: str) -> float | None:
    """Picoseconds of a text with its unit; None where it is no time.

    Examples
    --------
    >>> text_to_picoseconds("10ns"), text_to_picoseconds("0.1 ps"), text_to_picoseconds("4 femtoseconds")
    (10000.0, 0.1, 0.004)
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        return None
    name = match[2].lower()
    scale = PICOSECONDS.get(_LONG.get(name.removesuffix("s"), name))
    return None if scale is None else float(match[1]) * scale


def to_picoseconds(time: Time, name: str = "time", example: str = "10*picoseconds") -> float:
    """Picoseconds of a number (ps), a text with its unit, or a quantity of time.

    Parameters
    ----------
    time : float, str or openmm.unit.Quantity
        ``1000``, ``"1ns"`` or ``1*nanosecond``.
    name : str
        Of the argument, for the error.
    example : str
        A sensible value, for the error.

    Raises
    ------
    MDGenError
        If it is no time. Its sign and size are the caller's to check.

    Examples
    --------
    >>> to_picoseconds("1ns"), to_picoseconds(4 * unit.femtoseconds)
    (1000.0, 0.004)
    """
    found: float | None = None
    if isinstance(time, unit.Quantity):
        if time.unit.is_compatible(unit.picosecond) and np.ndim(time._value) == 0:
            found = float(time.value_in_unit(unit.picosecond))
    elif isinstance(time, str):
        found = text_to_picoseconds(time)
    elif is_number(time):
        found = float(time)
    if found is None:
        shown = str(time) if unit.is_quantity(time) else repr(time)
        raise MDGenError(
            f"{name} {shown} is no time; give {name}={example}, a text with its unit such as '10ps', or a number in ps"
        )
    return found


def checked_time(time: Time, name: str, example: str) -> float:
    """Picoseconds above zero; see `to_picoseconds`.

    Raises
    ------
    MDGenError
        If it is no time, or not finite and above zero.
    """
    found = to_picoseconds(time, name, example)
    if not (math.isfinite(found) and found > 0):
        raise MDGenError(f"{name} {found:g} ps must be above 0; give for example {name}={example}")
    return found


def whole_intervals(time: Time, interval: float, name: str = "time", stacklevel: int = 2) -> int:
    """How many intervals cover a time: at least one, rounded up with a warning.

    Parameters
    ----------
    time : float, str or openmm.unit.Quantity
        See `to_picoseconds`.
    interval : float
        ps, above zero.
    name : str
        Of the argument or option, for messages.
    stacklevel : int
        As of `warnings.warn`, counted from the caller.

    Raises
    ------
    MDGenError
        If it is no time, or not finite and above zero.

    Warns
    -----
    MDGenWarning
        Where the time is not a multiple of the interval.

    Examples
    --------
    >>> whole_intervals("1ns", 10.0)
    100
    """
    found = checked_time(time, name, "1000")
    number = math.ceil(found / interval - _ROUNDING)
    if abs(number * interval - found) > _ROUNDING * interval:
        warnings.warn(
            f"{name} {time_to_text(found)} is not a multiple of the interval {time_to_text(interval)}; it is rounded "
            f"up to {time_to_text(number * interval)}",
            MDGenWarning,
            stacklevel=stacklevel + 1,
        )
    return number


def time_to_text(time: float) -> str:
    """A time in ps with the unit that suits it: 10000.0 -> ``"10 ns"``."""
    name = next((name for name in ("ms", "us", "ns", "ps") if time >= PICOSECONDS[name]), "fs")
    return f"{time / PICOSECONDS[name]:.6g} {name}"


def is_number(value: object) -> bool:
    """Whether a value is one plain number, Python's or numpy's."""
    if isinstance(value, bool | np.bool_):
        return False
    return isinstance(value, int | float | np.integer | np.floating) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"
    )

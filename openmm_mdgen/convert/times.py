"""Times as users write them, numbers, texts and quantities, become picoseconds."""

from __future__ import annotations

import math
import re
from typing import Any, TypeAlias

import numpy as np
from openmm import unit

from openmm_mdgen.errors import MDGenError

Time: TypeAlias = "float | str | unit.Quantity"

PICOSECONDS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6, "µs": 1e6, "μs": 1e6, "ms": 1e9}
"""Of the units that a text may name; the two micro signs are different letters."""
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


def to_picoseconds(time: Any, name: str = "time", example: str = "10*picoseconds") -> float:
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
    if unit.is_quantity(time):
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


def checked_time(time: Any, name: str, example: str) -> float:
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


def is_number(value: Any) -> bool:
    """Whether a value is one plain number, Python's or numpy's."""
    if isinstance(value, bool | np.bool_):
        return False
    return isinstance(value, int | float | np.integer | np.floating) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"
    )

"""Whether a time is one that a model learned."""

from __future__ import annotations

from openmm_mdgen.errors import MDGenError

TOLERANCE = 1e-3
"""Relative: times come from headers in single precision and from quotients."""


def is_within(value: float, learned: tuple[float, float]) -> bool:
    """Whether a value lies between the smallest and the largest learned, ends included."""
    return learned[0] * (1 - TOLERANCE) <= value <= learned[1] * (1 + TOLERANCE)


def check_time(
    what: str, value: float, learned: tuple[float, float] | None, model: str, remedy: str = "choose one inside it"
) -> None:
    """Raise `MDGenError` where a time in ps is outside what was learned; None is no limit.

    Examples
    --------
    >>> check_time("an interval", 0.1, (1.0, 100.0), "model 'peptide'")
    Traceback (most recent call last):
    openmm_mdgen.errors.MDGenError: an interval of 0.1 ps is outside model 'peptide's range 1 to 100 ps; choose ...
    """
    if learned is not None and not is_within(value, learned):
        raise MDGenError(
            f"{what} of {value:g} ps is outside {model}'s range {learned[0]:g} to {learned[1]:g} ps; {remedy}"
        )

"""How many frames fit between two: spacing, target interval and the factor between them (ps)."""

from __future__ import annotations

import math

from openmm_mdgen.errors import MDGenError

_TOLERANCE = 1e-4  # relative; float32 DELTA and the AKMA unit leave about 1e-5


def checked_spacing(stored: float, dt: float | None, name: str) -> float:
    """Distance of the frames in ps: `dt` where it is given, else what the file says.

    Raises
    ------
    MDGenError
        If neither says, or `dt` is not positive.
    """
    if dt is not None and not (math.isfinite(dt) and dt > 0):
        raise MDGenError(f"dt={dt:g} ps is not a spacing of frames; give a positive number of ps")
    spacing = stored if dt is None else dt
    if not (math.isfinite(spacing) and spacing > 0):
        raise MDGenError(
            f"{name} does not say how far its frames are apart (it says {stored:g} ps); give --dt (dt=) in ps"
        )
    return spacing


def upsampling_factor(spacing: float, interval: float, name: str) -> int:
    """Frames every `interval` ps for each frame every `spacing` ps; 1 where the file is as fine already.

    Raises
    ------
    MDGenError
        If the interval is not positive, is coarser than the spacing, or does not divide it.
    """
    if not (math.isfinite(interval) and interval > 0):
        raise MDGenError(f"interval {interval:g} ps is not a time between frames; give a positive number of ps")
    ratio = spacing / interval
    factor = round(ratio)
    if ratio < 1 - _TOLERANCE:
        raise MDGenError(
            f"interval {interval:g} ps is coarser than the frames of {name} ({spacing:g} ps apart); give a finer one, "
            "or the true spacing with --dt (dt=) where the file says it wrong"
        )
    if abs(ratio - factor) > _TOLERANCE * ratio:
        below, above = spacing / math.ceil(ratio), spacing / math.floor(ratio)
        raise MDGenError(
            f"interval {interval:g} ps does not divide the {spacing:g} ps between the frames of {name}; "
            f"choose {below:.6g} or {above:.6g} ps"
        )
    return factor

"""What names mean to other systems: two that differ in case may be one file, and Windows keeps some for devices."""

from __future__ import annotations

import os
from pathlib import Path

_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in range(1, 10))}


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, also where macOS and Windows see no difference between a.dcd and A.dcd."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    alike = one.name.casefold() == other.name.casefold()
    return alike and one.exists() and other.exists() and os.path.samefile(one, other)


def is_device(name: str) -> bool:
    """Whether Windows takes the name for a device, whatever its extension; one is a tripeptide, PRN."""
    return os.name == "nt" and name.split(".")[0].rstrip().casefold() in _DEVICES

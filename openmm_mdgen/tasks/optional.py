"""What a model of any package may offer beyond what it must: everything that is optional is asked for here."""

from __future__ import annotations

from typing import Any


def optional(model: object, name: str, default: Any = None) -> Any:
    """An attribute where it has one; also through ``__getattr__``, which isinstance of a Protocol overlooks."""
    return getattr(model, name, default)


def offers(model: object, verb: str) -> bool:
    """Whether it has a method of this name."""
    return callable(optional(model, verb))

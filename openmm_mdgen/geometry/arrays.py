"""What lets one formula serve numpy arrays and torch tensors alike; torch is not imported for arrays."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", np.ndarray, "Tensor")


def library(x: np.ndarray | Tensor) -> Any:
    """numpy or torch, whichever `x` is of."""
    return np if isinstance(x, np.ndarray) else sys.modules["torch"]


def cross(a: Array, b: Array) -> Array:
    """Cross product of vectors (..., 3)."""
    if isinstance(a, np.ndarray):
        return np.cross(a, b)
    product: Array = library(a).linalg.cross(a, b)
    return product

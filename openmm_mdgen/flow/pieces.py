"""A batch in pieces that fit into memory: smaller ones where a device says that it has no more."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError, MDGenWarning


def in_pieces(call: Callable[[slice], Tensor], n: int, size: int) -> Tensor:
    """What ``call`` makes of a batch, piece by piece.

    Parameters
    ----------
    call
        Which entries -> their result, of which each depends on its own entry alone.
    n
        Entries of the batch.
    size
        Of a piece, at most; halved as often as a device runs out of memory.

    Raises
    ------
    MDGenError
        Where a single entry does not fit.

    Warns
    -----
    MDGenWarning
        Where a smaller piece is tried.

    Examples
    --------
    >>> in_pieces(lambda part: x[part].square(), len(x), 16)
    """
    found: list[Tensor] = []
    done, size = 0, min(size, n)
    while done < n:
        try:
            found.append(call(slice(done, done + size)))
        except torch.OutOfMemoryError as error:
            size = _smaller(size, error)
        else:
            done += size
    return torch.cat(found)


def _smaller(size: int, error: torch.OutOfMemoryError) -> int:
    if size <= 1:
        raise MDGenError(
            "out of memory: a single window does not fit on the device; choose device='cpu' (--device cpu), a shorter "
            "chain or a smaller network"
        ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = size // 2
    warnings.warn(f"out of memory: {half} windows at a time are tried in place of {size}", MDGenWarning, stacklevel=4)
    return half

"""Windows of a batch side by side: a thread for each core, and each thread's operations on one core.

Small operations gain little from several cores; whole windows gain nearly as much as there are cores.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TypeVar

import torch

T = TypeVar("T")
FEWEST = 4
"""Windows that a thread is worth: the fewer there are, the more of its time goes to Python, which threads share."""


def in_parts(work: Callable[[slice], T], n: int) -> list[T]:
    """What ``work`` makes of the parts of ``range(n)``, in order, as many side by side as torch has threads.

    Parameters
    ----------
    work : callable
        Called with a slice; its torch operations use this thread's share of the threads.
    n : int

    Examples
    --------
    >>> np.concatenate(in_parts(lambda part: frames_of(starts[part]), len(starts)))
    """
    threads = torch.get_num_threads()
    n_parts = max(1, min(threads, n // FEWEST))
    if n_parts == 1:
        return [work(slice(0, n))]
    parts = [slice(*ends) for ends in pairwise(n * k // n_parts for k in range(n_parts + 1))]
    try:
        with ThreadPoolExecutor(n_parts, initializer=partial(torch.set_num_threads, threads // n_parts)) as pool:
            return list(pool.map(work, parts))
    finally:
        torch.set_num_threads(threads)  # which is also how many a thread gets that the caller starts later

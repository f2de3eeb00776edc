"""A whole solution as one CUDA graph: a window of one peptide waits for the start of each of its thousands of kernels.

Used where ``OPENMM_MDGEN_CUDA_GRAPHS=1`` asks for it. Noise is drawn on the CPU as without it, so seeds mean the same.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

SWITCH = "OPENMM_MDGEN_CUDA_GRAPHS"
MOST_WINDOWS = 64  # together: 256 gain 8 % on an H100
_KEPT = 4  # graphs of a network, each with the memory of one solution
_WARM_UP = 3  # calls that choose kernels and their memory, before one is captured

Inputs = tuple[Tensor | None, ...]
Solve = Callable[..., Tensor]

_known: WeakKeyDictionary[nn.Module, OrderedDict[Hashable, Captured | None]] = WeakKeyDictionary()
_lock = threading.Lock()  # replays of a graph write to the same memory


def wants_graph(inputs: Inputs, solver: str) -> bool:
    """Whether a solution is to be replayed: asked for, on CUDA, few windows, and no solver that looks at its error."""
    first = inputs[0]
    if first is None or first.device.type != "cuda" or os.environ.get(SWITCH) != "1":
        return False
    return len(first) <= MOST_WINDOWS and solver != "dopri5"


def replayed(network: nn.Module, settings: Hashable, solve: Solve, inputs: Inputs) -> Tensor:
    """``solve(*inputs)`` as the replay of a graph, captured at the first call with inputs of such shapes.

    Parameters
    ----------
    network
        Whose weights the solution uses: where they move, their graphs are made anew.
    settings
        What else the solution depends on.
    solve
        ``solve(*inputs) -> Tensor``; must neither wait for the device nor draw random numbers. Where it cannot be
        captured, it is called.
    inputs
        On the device; None where there is none.
    """
    shapes = tuple(None if x is None else (tuple(x.shape), x.dtype, str(x.device)) for x in inputs)
    key = (settings, shapes, tuple(p.data_ptr() for p in network.parameters()))
    with _lock:
        graphs = _known.setdefault(network, OrderedDict())
        if key not in graphs:
            graphs[key] = _capture(solve, inputs)
            while len(graphs) > _KEPT:
                graphs.popitem(last=False)
        graphs.move_to_end(key)
        graph = graphs[key]
        return solve(*inputs) if graph is None else graph.replay(inputs)


class Captured:
    """A graph, what it reads and what it writes.

    Parameters
    ----------
    graph : torch.cuda.CUDAGraph
    inputs : tuple of Tensor or None
        Memory that it reads.
    output : Tensor
        Memory that it writes.
    """

    def __init__(self, graph: torch.cuda.CUDAGraph, inputs: Inputs, output: Tensor) -> None:
        self.graph, self.inputs, self.output = graph, inputs, output

    def replay(self, inputs: Inputs) -> Tensor:
        """The solution for other numbers."""
        for mine, new in zip(self.inputs, inputs, strict=True):
            if mine is not None and new is not None:
                mine.copy_(new)
        self.graph.replay()
        return self.output.clone()


def _capture(solve: Solve, inputs: Inputs) -> Captured | None:
    """The graph of a solution; None where the device refuses."""
    mine = tuple(None if x is None else x.clone() for x in inputs)
    try:
        with _on_device(mine[0]):
            current, side = torch.cuda.current_stream(), torch.cuda.Stream()
            side.wait_stream(current)
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP):
                    solve(*mine)
            current.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                output = solve(*mine)
    except RuntimeError:
        return None
    return Captured(graph, mine, output)


def _on_device(x: Tensor | None) -> AbstractContextManager[object]:
    return torch.cuda.device(None if x is None else x.device)

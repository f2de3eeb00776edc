"""Devices that are not there: torch's fake tensors have a device and a shape and hold no numbers.

Under `fake_device` an operation on tensors of two devices raises, and so does everything that would make the host wait
for the device to read a number (``bool``, ``float``, ``.item()``, ``.tolist()``, ``.numpy()``).
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only

from openmm_mdgen.flow import sampler


class DeviceError(AssertionError):
    """Something that the device cannot do."""


class Watch(TorchDispatchMode):
    """Counts copies between devices; raises where a device is given numbers that it does not have (float64 on MPS)."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        sources = {x.device.type for x in tree_iter((args, kwargs)) if isinstance(x, Tensor) and x.ndim}
        for x in tree_iter(out):
            if not isinstance(x, Tensor):
                continue
            if x.device.type == "mps" and x.dtype == torch.float64:
                raise DeviceError(f"{func} makes float64 on mps")
            if func is torch.ops.aten._to_copy.default and sources and x.device.type not in sources:
                self.copies[f"{min(sources)} to {x.device.type}"] += 1
        return out


class _WithoutDriver(TorchFunctionMode):
    """Indexing, negation and attention by the operations that they are made of: the compiled way asks for a driver."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__getitem__ and isinstance(args[0], FakeTensor) and args[0].device.type != "cpu":
            return _indexed(*args)
        if func is Tensor.__invert__:
            return torch.ops.aten.bitwise_not(*args)
        if func is F.scaled_dot_product_attention and args[0].device.type == "mps":
            return (args[0] @ args[1].mT).softmax(-1) @ args[2]
        return func(*args, **(kwargs or {}))


def _indexed(x: Tensor, key: Any) -> Tensor:
    """``x[key]``."""
    keys = list(key) if isinstance(key, tuple) else [key]
    used = sum(1 for k in keys if k is not None and k is not Ellipsis)
    if Ellipsis in [k for k in keys if not isinstance(k, Tensor)]:
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (x.ndim - used)
    dim, tensors = 0, [None] * x.ndim
    for k in keys:
        if isinstance(k, int):
            x = torch.ops.aten.select.int(x, dim, k)
            continue
        if k is None:
            x = torch.ops.aten.unsqueeze(x, dim)
        elif isinstance(k, slice):
            x = torch.ops.aten.slice.Tensor(x, dim, k.start, k.stop, k.step or 1)
        else:
            tensors[dim : dim + 1] = [torch.as_tensor(k)]
        dim += 1
    return torch.ops.aten.index.Tensor(x, tensors[:dim]) if any(t is not None for t in tensors) else x


class _Times(list[float]):
    """Flow times that are numbers already: they are made and read on the CPU, which the solver may."""

    def tolist(self) -> list[float]:
        return self


def _flow_times(n_steps: int, warp: float = 1.0) -> _Times:
    return _Times(1 - (1 - k / n_steps) ** warp for k in range(n_steps + 1))


@contextmanager
def fake_device(monkeypatch: Any) -> Iterator[Watch]:
    """Everything inside is fake; real tensors that enter become fake ones on the CPU."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (9, 0))
    monkeypatch.setattr(sampler, "flow_times", _flow_times)
    with FakeTensorMode(allow_non_fake_inputs=True), _WithoutDriver(), Watch() as watch:
        yield watch


def on_device(module: nn.Module, device: str) -> nn.Module:
    """A copy of a module whose parameters and buffers are fake and lie on the device; call it under the mode."""
    twins: dict[int, Any] = {
        id(x): nn.Parameter(empty(x, device), requires_grad=False) for x in module.parameters()
    } | {id(x): empty(x, device) for x in module.buffers()}
    return copy.deepcopy(module, twins)


def empty(like: Tensor, device: str) -> Tensor:
    """A fake tensor of the same shape and kind."""
    return torch.empty(like.shape, dtype=like.dtype, device=device)


def fake(tree: Any) -> Any:
    """The same tuples with fake tensors on the CPU in place of real ones."""
    return tree_map_only(Tensor, lambda x: x if isinstance(x, FakeTensor) else empty(x, "cpu"), tree)

"""Muon: momentum whose matrix is made orthogonal before it is applied (Jordan et al. 2024), batched by shape.

`torch.optim.Muon` takes one matrix at a time, in bfloat16 always: thousands of small kernels on a GPU, and emulated on
processors without bfloat16. Here all matrices of one shape go through the iteration together, in the precision that is
fast.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from openmm_mdgen.tasks.model import has_fast_bf16

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic whose iteration drives singular values to about 1
_STEPS = 5


class Muon(torch.optim.Optimizer):
    """Muon for matrices.

    Parameters
    ----------
    params : iterable of Parameter
        Matrices only.
    lr : float
        Scaled by 0.2 sqrt(larger side), so that an update is as large as AdamW's at the same rate.
    weight_decay : float
        Decoupled.
    momentum : float
        Nesterov's.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float = 1e-3, weight_decay: float = 0.02, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape[tuple(p.shape)].append(p)
            for matrices in by_shape.values():
                self._step(group, matrices)

    def _step(self, group: dict[str, Any], matrices: list[Tensor]) -> None:
        gradients = [p.grad for p in matrices if p.grad is not None]
        for p in matrices:
            if "momentum_buffer" not in self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum_buffer"] for p in matrices]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        ahead = torch.stack(torch._foreach_lerp(gradients, buffers, group["momentum"]))
        update = orthogonal(ahead).to(matrices[0].dtype)
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        scale = group["lr"] * 0.2 * max(matrices[0].shape) ** 0.5
        torch._foreach_add_(matrices, list(update.unbind()), alpha=-scale)


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (N, A, B) with about the same singular vectors and singular values near 1 (Newton-Schulz)."""
    x = matrices.to(torch.bfloat16 if has_fast_bf16(matrices.device) else torch.float32)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / x.flatten(1).norm(dim=1)[:, None, None].clamp_min(1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    out: Tensor = x.mT if tall else x
    return out

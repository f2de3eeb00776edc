"""Flow matching of the velocity network: the loss, the optimizers and the moving average."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from openmm_mdgen.interpolant import sample_path
from openmm_mdgen.tokens import N_IDENTITIES
from openmm_mdgen.train.windows import Batch, Design


def flow_loss(network: nn.Module, batch: Batch, generator: torch.Generator, channel_weight: Tensor) -> Tensor:
    """Mean squared error of the velocity over the tokens that count.

    A channel weighs as the square root of how many values it has, so that rare ones (chi3, chi4) are learned too, times
    ``channel_weight`` (C,): lengths and angles, which are noise at most intervals, weigh less.
    """
    x_1, c = batch.tokens, batch.conditioning
    x_0 = torch.randn(x_1.shape, generator=generator).to(x_1) * c.exists.unsqueeze(1)
    t = torch.rand(x_1.shape[:1], generator=generator).to(x_1)
    path = sample_path(x_0, x_1, t)
    error = (network(path.x_t, t, c).float() - path.velocity).square() * batch.counts
    count = batch.counts.sum((0, 1, 2)).float()
    weight = channel_weight.to(x_1) * count.sqrt()
    return (weight * error.sum((0, 1, 2)) / count.clamp_min(1)).sum() / weight.sum()


def identity_loss(network: Any, design: Design) -> Tensor:
    """Cross entropy of the identities that are asked for; 0 where none is."""
    logits = network.identities(design.conditioning)
    loss = F.cross_entropy(logits.mT, design.identity.clamp_max(N_IDENTITIES - 1), reduction="none")
    return (loss * design.free).sum() / design.free.sum().clamp_min(1)


class TrainingLoss(nn.Module):
    """All losses of a network in one forward call, which is what training in several processes needs.

    Parameters
    ----------
    network : nn.Module
    channel_weight : Tensor (C,)
        As for `flow_loss`.
    identity_weight : float
        Of the identities' cross entropy beside the flow's loss.
    """

    def __init__(self, network: nn.Module, channel_weight: Tensor, identity_weight: float) -> None:
        super().__init__()
        self.network, self.identity_weight = network, identity_weight
        self._channel_weight = channel_weight

    def forward(self, draw: Callable[[], tuple[Batch, torch.Generator]]) -> tuple[Tensor, Tensor]:
        """The loss to minimise, and the flow's part of it, of the batch and noise that ``draw`` returns."""
        batch, generator = draw()
        flow = flow_loss(self.network, batch, generator, self._channel_weight)
        if batch.design is None:
            return flow, flow.detach()
        return flow + self.identity_weight * identity_loss(self.network, batch.design), flow.detach()


def build_optimizers(network: nn.Module, muon_rate: float, adamw_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks (AdamW before torch 2.9), AdamW for the rest; groups know their rate."""
    matrices = [p for p in network.get_submodule("blocks").parameters() if p.ndim == 2 and min(p.shape) > 6]
    inside = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in inside]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.01)]
    if hasattr(torch.optim, "Muon"):
        optimizers.append(torch.optim.Muon(matrices, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"))
    else:
        optimizers.append(torch.optim.AdamW(matrices, betas=(0.9, 0.98), weight_decay=0.02))
    for optimizer, rate in zip(optimizers, (adamw_rate, muon_rate), strict=True):
        for group in optimizer.param_groups:
            group["peak"] = rate
    return optimizers


def rate_factor(step: int, n_steps: int, warmup: int, decay: float) -> float:
    """Warm-up, constant, then linear to zero over the last ``decay`` of the run."""
    left = (n_steps - step) / max(1.0, decay * n_steps)
    return min(1.0, (step + 1) / warmup, max(0.0, left))


def set_rate(optimizers: list[torch.optim.Optimizer], factor: float) -> None:
    """Scale every group's rate from its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Move the average towards the network: with ``decay`` per step, faster at the start of a run."""
    weight = 1 - min(decay, (step + 1) / (step + 10))
    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, weight)

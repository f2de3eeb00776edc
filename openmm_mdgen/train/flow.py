"""Flow matching of the velocity network: the loss, the optimizers and the moving average."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from openmm_mdgen.flow.interpolant import sample_path
from openmm_mdgen.tokens.gaps import with_motion
from openmm_mdgen.tokens.noise_colour import sine_transform
from openmm_mdgen.train.muon import Muon
from openmm_mdgen.train.windows import Batch


def flow_loss(
    network: nn.Module, batch: Batch, generator: torch.Generator, channel_weight: Tensor, hidden_neighbours: float = 0.0
) -> Tensor:
    """Mean squared error of the velocity over the tokens that count.

    A channel weighs as the square root of how many values it has, so that rare ones (chi3, chi4) are learned too, times
    ``channel_weight`` (C,): lengths and angles, which are noise at most intervals, weigh less. The share
    ``hidden_neighbours`` of residues is not shown its neighbours, so that less is learned of sequences by heart.
    """
    x_1, c = batch.tokens, batch.conditioning
    x_0 = torch.randn(x_1.shape, generator=generator, device=generator.device).to(x_1) * c.exists.unsqueeze(1)
    t = draw_times(len(x_1), generator).to(x_1)
    path = sample_path(x_0, x_1, t)
    if hidden_neighbours:
        drawn = torch.rand(c.sequence.shape, generator=generator, device=generator.device)
        c = c._replace(neighbours_told=(drawn >= hidden_neighbours).to(c.sequence.device))
    told = c if batch.colour is None else with_motion(c, path.x_t, batch.colour)
    error = network(path.x_t, t, told).float() - path.velocity
    if batch.colour is not None:
        error = slow_modes(error)
    error = error.square() * batch.counts
    count = batch.counts.sum((0, 1, 2)).float()
    weight = channel_weight.to(x_1) * count.sqrt()
    out: Tensor = (weight * error.sum((0, 1, 2)) / count.clamp_min(1)).sum() / weight.sum()
    return out


def slow_modes(error: Tensor) -> Tensor:
    """Errors (B, N, L, C) by mode k of the gap, squares weighted by k^-1/2: slow ones move torsions most."""
    n = error.shape[1]
    weight = torch.arange(1, n + 1, device=error.device).float().rsqrt().sqrt()
    weight = weight / weight.square().mean().sqrt()
    with torch.autocast(error.device.type, enabled=False):
        return torch.einsum("kn,bnlc->bklc", weight[:, None] * sine_transform(n).to(error), error)


def draw_times(n: int, generator: torch.Generator) -> Tensor:
    """Flow times (n,): one in four uniform, others logit-normal (Esser et al., ICML 2024).

    The middle is where it is decided which well a torsion falls into; at the ends most of the loss cannot be lowered.
    """
    device = generator.device
    uniform = torch.rand(n, generator=generator, device=device)
    normal = torch.randn(n, generator=generator, device=device)
    which = torch.rand(n, generator=generator, device=device)
    return torch.where(which < 0.25, uniform, normal.sigmoid())


class TrainingLoss(nn.Module):
    """The loss of a network in one forward call, which is what training in several processes needs.

    Parameters
    ----------
    network : nn.Module
    channel_weight : Tensor (C,)
    hidden_neighbours : float
        As for `flow_loss`.
    """

    def __init__(self, network: nn.Module, channel_weight: Tensor, hidden_neighbours: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self._channel_weight = channel_weight
        self._hidden_neighbours = hidden_neighbours

    def forward(self, draw: Callable[[], tuple[Batch, torch.Generator]]) -> Tensor:
        """`flow_loss` of the batch and noise that ``draw`` returns."""
        batch, generator = draw()
        return flow_loss(self.network, batch, generator, self._channel_weight, self._hidden_neighbours)


def build_optimizers(network: nn.Module, muon_rate: float, adamw_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for the rest; groups know their rate."""
    matrices = [p for p in network.get_submodule("blocks").parameters() if p.ndim == 2 and min(p.shape) > 6]
    inside = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in inside]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.01)]
    optimizers.append(Muon(matrices, weight_decay=0.02))
    for optimizer, rate in zip(optimizers, (adamw_rate, muon_rate), strict=True):
        for group in optimizer.param_groups:
            group["peak"] = rate
    return optimizers


def compile_blocks(network: nn.Module) -> None:
    """Compile the blocks, once for windows of every shape; parameters and their names stay as they are."""
    for block in network.get_submodule("blocks").children():
        block.compile(dynamic=True)


def rate_factor(step: float, n_steps: int, warmup: int, decay: float) -> float:
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
    torch._foreach_lerp_(list(average.parameters()), [p.detach() for p in network.parameters()], weight)

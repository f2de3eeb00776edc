"""Flow matching of the published network: initial weights, the loss of every window, the moving average."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from openmm_mdgen.flow.interpolant import sample_path
from openmm_mdgen.published.layers import Modulation
from openmm_mdgen.published.network import PublishedNetwork
from openmm_mdgen.published.tokens import EncodedTokens


@torch.no_grad()
def initialize(network: PublishedNetwork, seed: int) -> None:
    """Weights to start from: gates, readout and invariant point attention begin at zero, so that layers do nothing."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02, generator=generator)
    zero: list[nn.Module] = [network.readout.linear]
    zero += [module[1] for module in network.modules() if isinstance(module, Modulation)]
    zero += [layer.get_submodule("ipa.out") for layer in network.key_layers]
    for module in zero:
        for parameter in module.parameters():
            nn.init.zeros_(parameter)


class ProteinLoss(nn.Module):
    """The loss in one forward call, which is what training in several processes needs.

    Parameters
    ----------
    network : PublishedNetwork
    """

    def __init__(self, network: PublishedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, draw: Callable[[], tuple[EncodedTokens, Sequence[int]]]) -> Tensor:
        """Squared error of the velocity, a mean over each window's own channels and then over windows.

        Parameters
        ----------
        draw : callable
            Returns the batch, and a seed a window, of its noise and flow time: neither depends on the batch or process
            that it is in. A callable, since Lightning takes arguments apart.
        """
        batch, seeds = draw()
        parameter = next(self.network.parameters())
        x_1, counts = batch.values.to(parameter), batch.counts.to(parameter)
        x_0, t = (x.to(parameter) for x in draw_noise(batch, seeds))
        path = sample_path(x_0, x_1, t)
        told = batch.conditioning.to(parameter.device, parameter.dtype)
        error = (self.network(path.x_t, t, told).float() - path.velocity).square() * counts
        each: Tensor = error.flatten(1).sum(1) / counts.flatten(1).sum(1).clamp_min(1)
        return each.mean()


def draw_noise(batch: EncodedTokens, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Noise (B, T, L, C), drawn for the residues that are there, and flow times (B,)."""
    noise, times = torch.zeros(batch.values.shape), torch.empty(len(seeds))
    for k, seed in enumerate(seeds):
        generator = torch.Generator().manual_seed(seed)
        times[k] = torch.rand((), generator=generator)
        n = int(batch.conditioning.mask[k].sum())
        noise[k, :, :n] = torch.randn(noise[k, :, :n].shape, generator=generator)
    return noise, times


def window_seeds(seed: int, step: int, numbers: Sequence[int]) -> list[int]:
    """A seed for each window of a step."""
    return [((seed + 1) * 1_000_003 + step) * 4096 + number for number in numbers]


def split(batch: EncodedTokens, size: int) -> list[EncodedTokens]:
    """The windows of a batch in pieces of at most ``size``."""
    return [_part(batch, slice(k, k + size)) for k in range(0, len(batch.values), size)]


def _part(batch: EncodedTokens, which: slice) -> EncodedTokens:
    told = batch.conditioning
    conditioning = type(told)(
        **{name: getattr(told, name)[which] for name in ("values", "given", "first", "last", "residues", "mask")}
    )
    return EncodedTokens(batch.values[which], batch.counts[which], conditioning)

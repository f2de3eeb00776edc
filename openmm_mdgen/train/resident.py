"""Windows drawn where the network is trained: the whole cache lies on the device, so no batch travels.

A processor draws ten batches of 65536 frame-residues a second, a GPU trains on more than twice as many; drawn there,
they need no processor. Windows whose residues are given in part (inpainting) need the
geometry of the chain, window by window, and go on being drawn by the processor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.tokens.tokens import (
    N_TORSIONS,
    Conditioning,
    Normalization,
    internal_to_channels,
    internal_to_tokens,
    sequence_to_indices,
)
from openmm_mdgen.train.cache import Segment
from openmm_mdgen.train.windows import Batch, Coverage, WindowBatches, draw_given


@dataclass(frozen=True)
class _Pool:
    """Trajectories of one length that have frames at one interval: a row each."""

    weight: float
    n_frames: int  # of a window
    start: Tensor  # (N,), first row in the cache
    stride: Tensor  # (N,)
    room: Tensor  # (N,), how many first frames there are
    kelvin: Tensor  # (N,)
    sequence: Tensor  # (N, L)
    exists: Tensor  # (N, L, 16) of bool


class ResidentWindows:
    """Batches as `WindowBatches` draws them, drawn on a device; batch k is a pure function of (seed, k) there.

    Parameters
    ----------
    windows : WindowBatches
        Whose shares and trajectories are taken.
    device
    """

    channel_weight = WindowBatches.channel_weight

    def __init__(self, windows: WindowBatches, device: torch.device | str) -> None:
        self.windows, self.config = windows, windows.config
        self.device = torch.device(device)
        scale = windows.normalization
        self._normalization = Normalization(scale.mean.to(device), scale.std.to(device))
        self._frames = torch.from_numpy(np.array(windows.cache.data)).float().to(device)  # (R, 16)
        self._pools = {key: _pool(pool, self.config.n_frames, self.device) for key, pool in windows.pools.items()}

    def coverage(self) -> Coverage:
        """What the data have of what is wanted."""
        return self.windows.coverage()

    def is_inpainting(self, seed: int, step: int) -> bool:
        """Whether batch number ``step`` has residues that are given in part, which are not drawn here."""
        share = self.config.residues
        return bool(share) and np.random.default_rng([seed, step, 1]).random() < share

    def inpainting(self) -> WindowBatches:
        """What draws those."""
        windows = self.windows
        return WindowBatches(windows.cache, windows.normalization, replace(self.config, residues=1.0))

    def draw(self, seed: int, step: int) -> Batch:
        """Batch number ``step`` of the run with this seed; of those that do not inpaint."""
        rng = np.random.default_rng([seed, step])
        interval = self.windows.draw_interval(rng)
        pools = {n: pool for (dt, n), pool in self._pools.items() if dt == interval}
        lengths = sorted(pools)
        weight = np.array([pools[n].weight * n for n in lengths])
        n_residues = int(rng.choice(lengths, p=weight / weight.sum()))
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        return self._batch(pools[n_residues], n_residues, interval, generator)

    def _batch(self, pool: _Pool, n_residues: int, interval: float, generator: torch.Generator) -> Batch:
        config, device, n_frames = self.config, self.device, pool.n_frames
        b = max(1, config.n_tokens // (n_frames * n_residues))

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=device)

        chosen = torch.randint(len(pool.start), (b,), generator=generator, device=device)
        frame = torch.arange(n_frames, device=device).expand(b, -1)
        frame = torch.where(uniform(b, 1) < config.reversed, n_frames - 1 - frame, frame)
        first = (uniform(b).double() * pool.room[chosen]).long()
        frame = first.unsqueeze(-1) + frame * pool.stride[chosen].unsqueeze(-1)
        row = pool.start[chosen].unsqueeze(-1) + frame * n_residues  # (B, T)
        internal = self._frames[row.unsqueeze(-1) + torch.arange(n_residues, device=device)]  # (B, T, L, 16)
        shaken = internal.clone()
        amount = config.perturbation * uniform(b, 1, 1, 1) * (uniform(b, 1, 1, 1) < config.perturbed)
        shape = (b, n_frames, n_residues, N_TORSIONS)
        shaken[..., :N_TORSIONS] += amount * torch.randn(shape, generator=generator, device=device)
        exists = pool.exists[chosen]
        mask, channels = exists.unsqueeze(1), internal_to_channels(exists)
        given = draw_given(config, uniform(b), uniform(b, n_frames), uniform(b, 2))
        return Batch(
            tokens=internal_to_tokens(internal, mask, self._normalization),
            counts=channels.unsqueeze(1) & ~given[:, :, None, None],
            conditioning=Conditioning(
                sequence=pool.sequence[chosen],
                exists=channels,
                given=given.unsqueeze(-1).expand(-1, -1, n_residues),
                values=internal_to_tokens(shaken, mask, self._normalization),
                interval=torch.full((b,), interval, device=device),
                temperature=pool.kelvin[chosen],
            ),
        )


def _pool(pool: list[tuple[Segment, int]], most: int, device: torch.device) -> _Pool:
    n_frames = min(most, max(s.n_frames // k for s, k in pool))
    long = [(s, k) for s, k in pool if s.n_frames // k >= n_frames]

    def tensor(values: list[float]) -> Tensor:
        return torch.tensor(values, device=device)

    return _Pool(
        weight=sum(s.n_frames / k for s, k in pool),
        n_frames=n_frames,
        start=tensor([s.start for s, _ in long]),
        stride=tensor([k for _, k in long]),
        room=tensor([s.n_frames - (n_frames - 1) * k for s, k in long]),
        kelvin=tensor([float(s.temperature) for s, _ in long]),
        sequence=torch.stack([sequence_to_indices(s.residue_types) for s, _ in long]).to(device),
        exists=torch.stack([torch.tensor(s.exists) for s, _ in long]).to(device),
    )

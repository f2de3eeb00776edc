"""The published velocity network (Jing et al., NeurIPS 2024).

Key frames go through invariant point attention, then all tokens through blocks over residues and over frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.dirichlet import simplex_velocity
from openmm_mdgen.published.layers import FlowTime, IdentityHead, KeyLayer, Layer, Readout
from openmm_mdgen.published.residues import UNKNOWN_RESIDUE
from openmm_mdgen.published.rigids import Rigids, rotation_to_eigenvector, rotation_to_quaternion
from openmm_mdgen.published.tokens import N_IDENTITY, N_OFFSET, PublishedConditioning


class PublishedNetwork(nn.Module):
    """Velocity of tokens at a flow time, given key frames and tokens.

    Parameters
    ----------
    config : PublishedConfig

    Examples
    --------
    >>> velocity = network.velocity(conditioning)      # what does not change between solver steps is computed here
    >>> x_1 = integrate(velocity, x_0, solver="dopri5")
    """

    positions: Tensor | None

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embed_token = nn.Linear(config.n_channels, width)
        self.embed_values = nn.Linear(config.n_given, width)
        self.embed_given = nn.Embedding(2, width)
        self.embed_residue = nn.Embedding(UNKNOWN_RESIDUE + 1, width) if config.residue_identity else None
        ends = config.key_frames == "ends"
        self.embed_forward = nn.Linear(N_OFFSET, width) if ends else None
        self.embed_backward = nn.Linear(N_OFFSET, width) if ends else None
        positions = _sinusoidal_table(config.n_positions, width) if config.n_positions else None
        self.register_buffer("positions", positions)
        self.flow_time = FlowTime(width, config.time_scale)
        self.key_layers = nn.ModuleList(KeyLayer(config) for _ in range(config.n_layers))
        self._layers = [Layer(config) for _ in range(config.n_layers)]
        self.layers = nn.ModuleList(self._layers)
        self.readout = Readout(width, config.n_channels)
        self.identity = IdentityHead(width) if config.design else None

    def forward(self, x_t: Tensor, t: Tensor, conditioning: PublishedConditioning) -> Tensor:
        """What the network was trained to predict.

        Parameters
        ----------
        x_t : Tensor (B, T, L, C)
        t : Tensor (B,)
            Flow time.
        conditioning : PublishedConditioning

        Returns
        -------
        Tensor (B, T, L, C)
            Velocity; in the simplex channels, logits.
        """
        return self._forward(x_t, t, self._prepare(conditioning))

    def velocity(self, conditioning: PublishedConditioning) -> Callable[[Tensor, Tensor], Tensor]:
        """``velocity(x_t (B, T, L, C), t (B,))`` for a solver, logits turned into the velocity on the simplex."""
        fixed = self._prepare(conditioning)

        def velocity(x_t: Tensor, t: Tensor) -> Tensor:
            out = self._forward(x_t, t, fixed)
            if self.identity is None:
                return out
            n = self.config.n_given
            flow = simplex_velocity(
                x_t[..., n:], out[..., n:], float(t[0]), self.config.alpha_max, self.config.temperature
            )
            return torch.cat((out[..., :n], flow), -1)

        return velocity

    def _prepare(self, conditioning: PublishedConditioning) -> _Fixed:
        """All that depends neither on x_t nor on t."""
        self._check_sizes(conditioning)
        token = self.embed_values(conditioning.values) + self.embed_given(conditioning.given.long())
        if self.positions is not None:
            token = token + self.positions
        kernels = [layer.kernel(token.shape[1]) for layer in self._layers]
        mask = conditioning.mask
        return _Fixed(token, self._key_streams(conditioning), mask, None if bool(mask.all()) else mask, kernels)

    def _key_streams(self, conditioning: PublishedConditioning) -> list[tuple[Tensor, Rigids]]:
        """Start (B, L, C) of each key-frame stream and the rigids it runs on."""
        first, last = conditioning.first, conditioning.last
        residue = 0 if self.embed_residue is None else self.embed_residue(conditioning.residues)
        if self.embed_forward is None or self.embed_backward is None:
            return [(first.translation.new_zeros(*first.translation.shape[:-1], self.config.width) + residue, first)]
        backward = self.embed_backward(self._features(last.inverse() @ first)) + residue
        forward = self.embed_forward(self._features(first.inverse() @ last)) + residue
        return [(backward, first), (forward, last)]

    def _features(self, rigids: Rigids) -> Tensor:
        """(B, L, 7)."""
        to_quaternion = rotation_to_eigenvector if self.config.key_sign == "eigensolver" else rotation_to_quaternion
        return torch.cat((to_quaternion(rigids.rotation), rigids.translation), -1)

    def _check_sizes(self, conditioning: PublishedConditioning) -> None:
        n_residues = conditioning.residues.shape[-1]
        if self.positions is not None and n_residues != self.config.n_positions:
            raise MDGenError(
                f"{n_residues} residues do not fit this checkpoint, whose positional table holds exactly "
                f"{self.config.n_positions}; choose a peptide of {self.config.n_positions} residues or a bundled model"
            )

    def _forward(self, x_t: Tensor, t: Tensor, fixed: _Fixed) -> Tensor:
        time = self.flow_time(t)
        x = fixed.token + self.embed_token(x_t) + self._key_embedding(x_t, time, fixed).unsqueeze(1)
        for layer, kernel in zip(self._layers, fixed.kernels, strict=True):
            x = layer(x, time, fixed.padding, kernel)
        out: Tensor = self.readout(x, time)
        if self.identity is None:
            return out
        logits = self.identity(x)[:, None].expand(-1, x.shape[1], -1, -1)
        found: Tensor = out + functional.pad(logits, (self.config.n_given, 0))
        return found

    def _key_embedding(self, x_t: Tensor, time: Tensor, fixed: _Fixed) -> Tensor:
        """(B, L, C), the sum of the key-frame streams."""
        streams = [x for x, _ in fixed.streams]
        if self.identity is not None:
            simplex = self.identity.embed(x_t[..., -N_IDENTITY:].mean(1))
            streams = [x + simplex for x in streams]
        for layer in self.key_layers:
            streams = [
                layer(x, time, rigids, fixed.mask, fixed.padding)
                for x, (_, rigids) in zip(streams, fixed.streams, strict=True)
            ]
        return sum(streams[1:], streams[0])


@dataclass(frozen=True)
class _Fixed:
    token: Tensor  # B T L C
    streams: list[tuple[Tensor, Rigids]]
    mask: Tensor  # B L
    padding: Tensor | None  # the mask, if it hides anything
    kernels: list[Tensor | None]


def _sinusoidal_table(n: int, width: int) -> Tensor:
    """(1, n, width)."""
    frequency = 10_000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    angle = torch.arange(n, dtype=torch.float64).unsqueeze(-1) * frequency
    return torch.cat((angle.sin(), angle.cos()), -1).float().unsqueeze(0)

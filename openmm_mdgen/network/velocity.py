"""The velocity network: a transformer over all residues of all frames of a window, for any number of either."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from openmm_mdgen.tokens.places import N_PLACE
from openmm_mdgen.tokens.spans import N_SPAN
from openmm_mdgen.tokens.tokens import AFTER, BEFORE, N_CHANNELS, N_GIVEN, N_TYPES, UNKNOWN, Conditioning


@dataclass(frozen=True)
class VelocityConfig:
    """Shape of a `VelocityNetwork`, saved with its weights.

    Attributes
    ----------
    width, depth, heads : int
    patch : int
        Frames that share a token inside the network.
    channels, given_channels : int
        Channels of a token, and how many of the first are conditioned on.
    inpaints : bool
        Whether it is told spans.
    tempered : bool
        Whether it is told the temperature.
    places : int
        Residues of the one molecule whose places it is told and makes, in the last channels; 0 for none.
    """

    width: int = 192
    depth: int = 6
    heads: int = 6
    patch: int = 2
    mlp_ratio: int = 4
    channels: int = N_CHANNELS
    given_channels: int = N_GIVEN
    inpaints: bool = False
    tempered: bool = False
    places: int = 0


def sinusoidal_embedding(x: Tensor, width: int, highest: float = 1000.0) -> Tensor:
    """Sines and cosines (B, width) of x (B,) at frequencies from 1 down to 1 / highest."""
    frequencies = torch.exp(-math.log(highest) * torch.arange(width // 2, device=x.device) / (width // 2))
    phases = x.float().unsqueeze(-1) * frequencies
    return torch.cat((phases.sin(), phases.cos()), -1)


def rotary_tables(n_frames: int, n_residues: int, head_width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (n_frames * n_residues, head_width / 2): half the pairs turn in time, half along the chain."""
    quarter = head_width // 4
    in_time = torch.exp(-math.log(500.0) * torch.arange(quarter, device=device) / quarter)
    in_chain = torch.exp(-math.log(30.0) * torch.arange(quarter, device=device) / quarter)
    time = torch.arange(n_frames, device=device).float()[:, None, None] * in_time
    chain = torch.arange(n_residues, device=device).float()[None, :, None] * in_chain
    shape = (n_frames, n_residues, quarter)
    angles = torch.cat((time.expand(shape), chain.expand(shape)), -1).flatten(0, 1)
    return angles.cos(), angles.sin()


def rotate_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position encoding of x (B, H, S, D) by tables (S, D / 2)."""
    a, b = x.chunk(2, -1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


def attend(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None) -> Tensor:
    """Attention of (B, H, S, D) with key_mask (B, 1, 1, S).

    The fused kernel is the fastest but for its backward pass on CPUs, which plain matrix products beat by 2.4 to 1 at
    S = 128.
    """
    if q.device.type != "cpu" or not q.requires_grad:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=key_mask)
    scores = torch.bmm((q * q.shape[-1] ** -0.5).flatten(0, 1), k.flatten(0, 1).mT).unflatten(0, q.shape[:2])
    if key_mask is not None:
        scores = scores.masked_fill(~key_mask, -torch.inf)
    out: Tensor = torch.bmm(scores.softmax(-1).to(v.dtype).flatten(0, 1), v.flatten(0, 1)).unflatten(0, q.shape[:2])
    return out


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm of x (B, S, D), shifted and scaled by (B, 1, D)."""
    return F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift


class Attention(nn.Module):
    """Self-attention over all tokens of a window, with normalised queries and keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.q_norm, self.k_norm = nn.LayerNorm(width // heads), nn.LayerNorm(width // heads)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], key_mask: Tensor | None) -> Tensor:
        """x (B, S, D), key_mask (B, 1, 1, S) -> (B, S, D)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = rotate_pairs(self.q_norm(q).to(v.dtype), *rotary), rotate_pairs(self.k_norm(k).to(v.dtype), *rotary)
        y = attend(q, k, v, key_mask)
        out: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention and a multilayer perceptron, both modulated by flow time and interval."""

    def __init__(self, config: VelocityConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads)
        self.up = nn.Linear(config.width, config.mlp_ratio * config.width, bias=False)
        self.down = nn.Linear(config.mlp_ratio * config.width, config.width, bias=False)
        self.bias = nn.Parameter(torch.zeros(6, config.width))

    def forward(self, x: Tensor, c: Tensor, rotary: tuple[Tensor, Tensor], key_mask: Tensor | None) -> Tensor:
        """x (B, S, D), c (B, 6, D) -> (B, S, D)."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = (c + self.bias).unsqueeze(2).unbind(1)
        x = x + gate_1 * self.attention(modulate(x, shift_1, scale_1), rotary, key_mask)
        out: Tensor = x + gate_2 * self.down(F.gelu(self.up(modulate(x, shift_2, scale_2)), approximate="tanh"))
        return out


class VelocityNetwork(nn.Module):
    """Velocity of tokens, given the sequence, the interval and any set of given tokens.

    Positions along time and chain enter as differences only (rotary), so windows and chains of any length are legal.
    One modulation of flow time and interval is shared by all blocks, up to a bias each, which keeps the network small.

    Examples
    --------
    >>> network = VelocityNetwork(VelocityConfig(width=32, depth=2, heads=2))
    >>> velocity = network(x_t, t, conditioning)
    """

    def __init__(self, config: VelocityConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.type_embedding = nn.Embedding(N_TYPES, width)
        self.before_embedding = nn.Embedding(N_TYPES, width)
        self.after_embedding = nn.Embedding(N_TYPES, width)
        n_told = config.given_channels + (2 * N_PLACE if config.places else 0)
        self.token_in = nn.Linear(config.patch * (config.channels + n_told + 1), width)
        n_conditions = 3 if config.tempered else 2
        self.condition = nn.Sequential(nn.Linear(n_conditions * 64, width), nn.SiLU(), nn.Linear(width, 6 * width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.final_modulation = nn.Linear(6 * width, 2 * width)
        self.token_out = nn.Linear(width, config.patch * config.channels)
        if config.inpaints:
            self.span_in = nn.Linear(config.patch * N_SPAN, width, bias=False)
        if config.places:
            self.place_embedding = nn.Parameter(torch.zeros(config.places, width))
        self._initialize()

    def _initialize(self) -> None:
        for embedding in (self.type_embedding, self.before_embedding, self.after_embedding):
            nn.init.normal_(embedding.weight, std=0.5)
        for layer in (self.token_out, self.final_modulation):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for block in self.blocks:
            assert isinstance(block, Block)
            nn.init.zeros_(block.down.weight)
            nn.init.zeros_(block.attention.out.weight)
            nn.init.ones_(block.bias[2]), nn.init.ones_(block.bias[5])
        if self.config.inpaints:
            nn.init.zeros_(self.span_in.weight)

    def sequence_embedding(self, sequence: Tensor, neighbours_told: Tensor | None = None) -> Tensor:
        """Embedding (B, L, D) of each residue in sequence (B, L), and of its neighbours where told (B, L), or all."""
        real = sequence != UNKNOWN
        before = torch.cat((torch.full_like(sequence[:, :1], BEFORE), sequence[:, :-1]), 1)
        after = torch.cat((sequence[:, 1:], torch.full_like(sequence[:, :1], UNKNOWN)), 1)
        after = torch.where(real & (after == UNKNOWN), AFTER, after)
        if neighbours_told is not None:
            before, after = (torch.where(neighbours_told, x, UNKNOWN) for x in (before, after))
        out: Tensor = self.type_embedding(sequence) + self.before_embedding(before) + self.after_embedding(after)
        return out

    def forward(self, x_t: Tensor, t: Tensor, given: Conditioning) -> Tensor:
        """Velocity (B, T, L, C) of tokens x_t (B, T, L, C) at flow time t (B,)."""
        patch, n_residues = self.config.patch, x_t.shape[2]
        mask = given.given.unsqueeze(-1).to(x_t.dtype)
        values = given.values[..., : self.config.given_channels] * mask
        if self.config.places:
            places = given.values[..., -N_PLACE:] * mask
            values = torch.cat((values, places, held(places, given.given)), -1)
        x = _to_patches(torch.cat((x_t, values, mask), -1), patch)  # (B, T / p, L, p * C')
        x = self.token_in(x) + self.sequence_embedding(given.sequence, given.neighbours_told).unsqueeze(1)
        if self.config.places:
            x = x + self.place_embedding
        if given.span is not None:
            x = x + self.span_in(_to_patches(given.span.to(x_t.dtype), patch))
        rotary = rotary_tables(x.shape[1], n_residues, self.config.width // self.config.heads, x_t.device)
        key_mask = given.residue_mask
        if key_mask is not None:
            key_mask = key_mask[:, None].expand(-1, x.shape[1], -1).flatten(1)[:, None, None]  # (B, 1, 1, S)
        c = self.condition(self._conditions(t, given).to(x.dtype)).unflatten(-1, (6, -1))  # (B, 6, D)
        x = x.flatten(1, 2)  # (B, T / p * L, D)
        for block in self.blocks:
            x = block(x, c, rotary, key_mask)
        shift, scale = self.final_modulation(F.silu(c.flatten(1))).unsqueeze(1).chunk(2, -1)
        velocity = self.token_out(modulate(x, shift, scale)).unflatten(1, (-1, n_residues))
        return _from_patches(velocity, patch, x_t.shape[1]) * given.exists.unsqueeze(1)

    def _conditions(self, t: Tensor, given: Conditioning) -> Tensor:
        told = [sinusoidal_embedding(100 * t, 64), sinusoidal_embedding(20 * given.interval.log(), 64)]
        if self.config.tempered:
            if given.temperature is None:
                raise ValueError("this network is told the temperature; give Conditioning.temperature")
            told.append(sinusoidal_embedding(20 * (given.temperature / 350).log(), 64))
        return torch.cat(told, -1)


def held(values: Tensor, given: Tensor) -> Tensor:
    """Values (B, T, L, C) of the given frame nearest in time, for every frame; all residues are given (B, T, L) alike.

    Where a residue was is the best guess of where it is: told in every token, it need not be looked up.
    """
    frames = torch.arange(values.shape[1], device=values.device)
    apart = (frames[:, None] - frames).abs() + len(frames) * (~given[:, None, :, 0])  # (B, T, T)
    nearest = apart.argmin(-1)[..., None, None].expand_as(values)
    return values.gather(1, nearest)


def _to_patches(x: Tensor, patch: int) -> Tensor:
    """(B, T, L, C) -> (B, ceil(T / p), L, p * C), zeros where T does not divide."""
    x = F.pad(x, (0, 0, 0, 0, 0, -x.shape[1] % patch))
    out: Tensor = x.unflatten(1, (-1, patch)).transpose(2, 3).flatten(3)
    return out


def _from_patches(x: Tensor, patch: int, n_frames: int) -> Tensor:
    """(B, ceil(T / p), L, p * C) -> (B, T, L, C)."""
    out: Tensor = x.unflatten(3, (patch, -1)).transpose(2, 3).flatten(1, 2)[:, :n_frames]
    return out

"""A velocity network prepared for its evaluations on a CPU, where what lies between the products takes half the time.

The same function as `VelocityNetwork`, up to rounding, of windows that share flow time, interval and temperature: their
modulation is a constant, computed once, which layer norms take as weight and bias; given tokens and residues enter
once for all evaluations; queries and keys are centred in the weights and turned as complex numbers; and the
perceptron's activation is part of its product.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple
from weakref import WeakKeyDictionary, proxy

import torch
import torch.nn.functional as F
from torch import Tensor

from openmm_mdgen.network.velocity import Block, VelocityNetwork, _from_patches, _to_patches, rotary_tables
from openmm_mdgen.tokens.tokens import Conditioning

_KEPT = 256  # modulations: flow times of a few intervals and temperatures
_PARTS = {
    *("type_embedding", "before_embedding", "after_embedding", "token_in", "condition", "blocks"),
    *("final_modulation", "token_out", "span_in"),
}
_prepared: WeakKeyDictionary[VelocityNetwork, tuple[int, FastVelocity]] = WeakKeyDictionary()


class _Layer(NamedTuple):
    """One block's weights, in the precision of products but for the last three, which are in float32."""

    qkv: Tensor  # (3 D, D), heads' pairs of queries and keys side by side, their means taken out
    out: Tensor
    up: Tensor
    down: Tensor
    scale: Tensor  # (2, 1, D / H) of queries and keys
    shift: Tensor  # (2, 1, D / H / 2) complex
    bias: Tensor  # (6, D)


class _Modulation(NamedTuple):
    """What flow time, interval and temperature decide: (6, D) for each block, (2, D) for the end."""

    blocks: list[Tensor]
    end: Tensor


def prepared(network: VelocityNetwork, told: Conditioning, precision: torch.dtype) -> FastVelocity | None:
    """The network prepared for this conditioning, kept for the next; None where only the network itself will do."""
    if not _fits(network, told):
        return None
    version = sum(p._version for p in network.parameters())
    found = _prepared.get(network)
    if found is None or found[0] != version or found[1].precision != precision:
        found = version, FastVelocity(network, precision)
        _prepared[network] = found
    return found[1]


def _fits(network: VelocityNetwork, told: Conditioning) -> bool:
    on_cpu = told.values.device.type == "cpu" and next(network.parameters()).device.type == "cpu"
    config = network.config
    known = {name for name, _ in network.named_children()} <= _PARTS
    known &= network.token_in.in_features == config.patch * (config.channels + config.given_channels + 1)
    shared = [told.interval, *([] if told.temperature is None else [told.temperature])]
    even = config.width // config.heads % 4 == 0
    return on_cpu and known and even and told.residue_mask is None and all(bool((x == x[0]).all()) for x in shared)


class FastVelocity:
    """A network's weights as evaluations on a CPU want them.

    Parameters
    ----------
    network : VelocityNetwork
        Must live as long as it is used; it is not kept alive.
    precision : torch.dtype
        Of the products: bfloat16 or float32.

    Examples
    --------
    >>> velocity = FastVelocity(network, torch.float32).told(conditioning)
    >>> velocity(x_t, t)
    """

    def __init__(self, network: VelocityNetwork, precision: torch.dtype) -> None:
        self.network = proxy(network)
        self.precision = precision
        self._layers = [self._layer(block) for block in network.blocks if isinstance(block, Block)]
        patch, channels = network.config.patch, network.config.channels
        columns = network.token_in.weight.to(precision).unflatten(1, (patch, -1))
        self._noisy, self._given = (
            x.flatten(1).contiguous() for x in columns.split([channels, columns.shape[2] - channels], 2)
        )
        self._modulations: dict[tuple[float, ...], _Modulation] = {}

    def _layer(self, block: Block) -> _Layer:
        attention, heads = block.attention, block.attention.heads
        q, k, v = attention.qkv.weight.float().unflatten(0, (3, heads, -1))
        q, k = (_paired((x - x.mean(1, keepdim=True)).transpose(1, 2)).transpose(1, 2) for x in (q, k))
        norms = attention.q_norm, attention.k_norm
        size = q.shape[1] ** -0.25  # of the scores, half of it in either
        scale = torch.stack([_paired(norm.weight.float()) for norm in norms]).unsqueeze(1) * size
        shift = torch.stack([_paired(norm.bias.float()) for norm in norms]).unsqueeze(1) * size
        products = torch.stack((q, k, v)).flatten(0, 2), attention.out.weight, block.up.weight, block.down.weight
        qkv, out, up, down = (x.to(self.precision).contiguous() for x in products)
        return _Layer(qkv, out, up, down, scale, _complex(shift), block.bias.float())

    def told(self, given: Conditioning) -> TokenVelocity:
        """The velocity of windows with this conditioning, as `integrate` takes it."""
        network, config = self.network, self.network.config
        mask = given.given.unsqueeze(-1).float()
        values = torch.cat((given.values[..., : config.given_channels].float() * mask, mask), -1)
        x = F.linear(
            _to_patches(values, config.patch).to(self.precision), self._given, network.token_in.bias.to(self.precision)
        )
        constant = x + network.sequence_embedding(given.sequence, given.neighbours_told).unsqueeze(1)
        if given.span is not None:
            span = _to_patches(given.span.to(self.precision), config.patch)
            constant = constant + F.linear(span, network.span_in.weight.to(self.precision))
        turns = torch.complex(*rotary_tables(x.shape[1], x.shape[2], config.width // config.heads, x.device))
        return TokenVelocity(self, given, constant, turns[:, None, None])

    def modulation(self, t: float, given: Conditioning) -> _Modulation:
        """Of windows at one flow time, which share interval and temperature."""
        shared = (given.interval, *([] if given.temperature is None else [given.temperature]))
        key = (t, *(float(x[0]) for x in shared))
        found = self._modulations.get(key)
        if found is None:  # another thread may empty the dictionary meanwhile
            if len(self._modulations) >= _KEPT:
                self._modulations.clear()
            found = self._modulations[key] = self._modulated(t, given.part(slice(0, 1)))
        return found

    def _modulated(self, t: float, one: Conditioning) -> _Modulation:
        network = self.network
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == torch.bfloat16):
            c = network.condition(network._conditions(torch.tensor([t]), one).float())
            end = network.final_modulation(F.silu(c)).float().view(2, -1)
        blocks = [c.float().view(6, -1) + layer.bias for layer in self._layers]
        for scale in (*(m[k] for m in blocks for k in (1, 4)), end[1]):
            scale += 1
        return _Modulation(blocks, end)

    def block(self, x: Tensor, layer: _Layer, m: Tensor, turns: Tensor) -> Tensor:
        """x (B, S, D) after one block modulated by m (6, D), positions encoded by turns (S, 1, 1, D / H / 2)."""
        y = F.layer_norm(x, x.shape[-1:], m[1], m[0]).to(self.precision)
        x = torch.addcmul(x, m[2], self._attention(y, layer, turns))
        y = F.layer_norm(x, x.shape[-1:], m[4], m[3]).to(self.precision)
        return torch.addcmul(x, m[5], F.linear(_linear_gelu(y, layer.up), layer.down))

    def _attention(self, y: Tensor, layer: _Layer, turns: Tensor) -> Tensor:
        heads = self.network.config.heads
        qkv = F.linear(y, layer.qkv).unflatten(-1, (3, heads, -1))  # (B, S, 3, H, D / H)
        v = qkv[:, :, 2].transpose(1, 2).flatten(0, 1)
        qk = qkv[:, :, :2] * layer.scale  # float32
        length = torch.linalg.vector_norm(qkv[:, :, :2], dim=-1, keepdim=True, dtype=torch.float32)
        qk *= (length.square_().div_(qk.shape[-1]).add_(1e-5)).rsqrt_()
        turned = torch.view_as_complex(qk.unflatten(-1, (-1, 2))).add_(layer.shift).mul_(turns)
        qk = torch.view_as_real(turned).flatten(-2)
        q, k = qk.permute(2, 0, 3, 1, 4).to(self.precision, memory_format=torch.contiguous_format).flatten(1, 2)
        out = torch.bmm(torch.bmm(q, k.mT).softmax(-1), v)  # (B H, S, D / H)
        return F.linear(out.unflatten(0, (-1, heads)).transpose(1, 2).flatten(2), layer.out)


class TokenVelocity:
    """Velocity (B, T, L, C) of tokens x_t (B, T, L, C), at flow times t (B,) that are all one."""

    def __init__(self, fast: FastVelocity, given: Conditioning, constant: Tensor, turns: Tensor) -> None:
        self._fast, self._given, self._constant, self._turns = fast, given, constant, turns
        self._exists = given.exists.unsqueeze(1)

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        """As `VelocityNetwork.forward`, in float32."""
        fast, network = self._fast, self._fast.network
        patch, precision = network.config.patch, fast.precision
        modulation = fast.modulation(float(t[0]), self._given)
        x = self._constant + F.linear(_to_patches(x_t, patch).to(precision), fast._noisy)
        x = x.flatten(1, 2)
        for layer, m in zip(fast._layers, modulation.blocks, strict=True):
            x = fast.block(x, layer, m, self._turns)
        shift, scale = modulation.end
        y = F.layer_norm(x, x.shape[-1:], scale, shift).to(precision)
        y = F.linear(y, *(p.to(precision) for p in (network.token_out.weight, network.token_out.bias)))
        velocity = _from_patches(y.unflatten(1, (-1, x_t.shape[2])), patch, x_t.shape[1])
        out: Tensor = velocity.float() * self._exists
        return out


def _paired(x: Tensor) -> Tensor:
    """(..., D), whose halves rotate together, with each pair side by side."""
    out: Tensor = x.unflatten(-1, (2, -1)).transpose(-1, -2).flatten(-2)
    return out


def _complex(x: Tensor) -> Tensor:
    return torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())


def _linear_gelu(x: Tensor, weight: Tensor) -> Tensor:
    """The tanh approximation of GELU of a product, in one pass where torch was built with oneDNN."""
    if _has_fused_gelu():
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "gelu", [], "tanh")
        return out
    plain: Tensor = F.gelu(F.linear(x, weight), approximate="tanh")
    return plain


@cache
def _has_fused_gelu() -> bool:
    """Whether the operation is there and right, since torch keeps it for its own compiler."""
    x, weight = torch.linspace(-3, 3, 16).view(2, 8), torch.linspace(-1, 1, 32).view(4, 8)
    try:
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "gelu", [], "tanh")
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return bool(torch.allclose(found, F.gelu(F.linear(x, weight), approximate="tanh"), atol=1e-5))

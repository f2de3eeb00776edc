"""Reading the published code's checkpoints: the only file that knows its names."""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.network import PublishedNetwork
from openmm_mdgen.published.tokens import PublishedTokens

_PREFIX = "model."
_OUTER_RESIDUES, _INNER_RESIDUES = (0, 3), (1, 2)  # of the published inpainting and design
_UNSUPPORTED = (
    "no_frames", "no_offsets", "no_rope", "interleave_ipa", "abs_time_emb", "dynamic_mpnn", "mpnn", "oracle",
    "design_key_frames", "no_design_torsion",
)  # fmt: skip
# ours -> theirs, applied in turn to a parameter's name
_NAMES = tuple(
    (re.compile(ours), theirs)
    for ours, theirs in (
        (r"^embed_token\.", "latent_to_emb."),
        (r"^embed_values\.", "cond_to_emb."),
        (r"^embed_given\.", "mask_to_emb."),
        (r"^embed_residue\.", "aatype_to_emb."),
        (r"^embed_forward\.", "latent_to_emb_f."),
        (r"^embed_backward\.", "latent_to_emb_r."),
        (r"^positions$", "pos_embed"),
        (r"^flow_time\.", "t_embedder."),
        (r"^readout\.", "emb_to_latent."),
        (r"^identity\.embed\.", "x_d_to_emb."),
        (r"^identity\.per_frame\.0\.", "fc1."),
        (r"^identity\.per_frame\.2\.", "fc2."),
        (r"^identity\.pooled\.0\.", "fc3."),
        (r"^identity\.pooled\.2\.", "emb_to_logits."),
        (r"^key_layers\.(\d+)\.norm\.", r"ipa_layers.\1.ipa_norm."),
        (r"^key_layers\.", "ipa_layers."),
        (r"\.modulation\.", ".adaLN_modulation."),
        (r"\.ipa\.query\.", ".ipa.linear_q."),
        (r"\.ipa\.key_value\.", ".ipa.linear_kv."),
        (r"\.ipa\.query_point\.", ".ipa.linear_q_points."),
        (r"\.ipa\.key_value_point\.", ".ipa.linear_kv_points."),
        (r"\.ipa\.point_weight$", ".ipa.head_weights"),
        (r"\.ipa\.out\.", ".ipa.linear_out."),
        (r"\.over_time\.project\.", ".mha_t.in_proj."),
        (r"\.over_time\.short_filter\.", ".mha_t.short_filter."),
        (r"\.over_time\.output\.", ".mha_t.out_proj."),
        (r"\.over_time\.long_filter\.features$", ".mha_t.filter_fn.pos_emb.z"),
        (r"\.over_time\.long_filter\.time$", ".mha_t.filter_fn.pos_emb.t"),
        (r"\.over_time\.long_filter\.decay$", ".mha_t.filter_fn.modulation.deltas"),
        (r"\.over_time\.long_filter\.skip$", ".mha_t.filter_fn.bias"),
        (r"\.long_filter\.hidden\.0\.", ".long_filter.implicit_filter.0."),
        (r"\.long_filter\.hidden\.1\.", ".long_filter.implicit_filter.2."),
        (r"\.long_filter\.hidden\.2\.", ".long_filter.implicit_filter.4."),
        (r"\.long_filter\.frequencies\.0$", ".long_filter.implicit_filter.1.freq"),
        (r"\.long_filter\.frequencies\.1$", ".long_filter.implicit_filter.3.freq"),
        (r"\.long_filter\.frequencies\.2$", ".long_filter.implicit_filter.5.freq"),
        (r"\.long_filter\.out\.", ".long_filter.implicit_filter.6."),
        (r"\.over_time\.long_filter\.", ".mha_t.filter_fn."),
        (r"\.over_residues\.", ".mha_l.attn."),
        (r"\.over_time\.", ".mha_t.attn."),
        (r"\.attn\.query\.", ".attn.q_proj."),
        (r"\.attn\.key\.", ".attn.k_proj."),
        (r"\.attn\.value\.", ".attn.v_proj."),
        (r"\.attn\.out\.", ".attn.out_proj."),
        (r"\.attn\.extra_key$", ".attn.bias_k"),
        (r"\.attn\.extra_value$", ".attn.bias_v"),
        (r"\.attn\.rotary\.inverse_period$", ".attn.rot_emb.inv_freq"),
        (r"\.mlp\.expand\.", ".fc1."),
        (r"\.mlp\.contract\.", ".fc2."),
    )
)


@dataclass(frozen=True)
class PublishedCheckpoint:
    """A published network, its tokens, and what the file says of the data.

    Attributes
    ----------
    network : PublishedNetwork
        In evaluation mode, float32, on the CPU.
    tokens : PublishedTokens
    n_frames : int
        Frames of a window.
    interval : float
        Time between frames in ps, as far as the file's flags tell.
    temperature : float
        K, of the training data.
    solver : str
        ODE solver of the published inference.
    is_average : bool
        Whether the weights are the moving average of training.
    """

    network: PublishedNetwork
    tokens: PublishedTokens
    n_frames: int
    interval: float
    temperature: float
    solver: str
    is_average: bool


def read_published(
    path: str | Path, *, key_sign: Literal["positive", "eigensolver"] = "positive"
) -> PublishedCheckpoint:
    """Read a Lightning checkpoint of the published code without running anything in it.

    Parameters
    ----------
    path : str or Path
    key_sign : {'positive', 'eigensolver'}, optional
        See `PublishedConfig`; 'eigensolver' to compare with the published code, number by number.

    Raises
    ------
    MDGenError
        For a missing or truncated file; one that holds other objects than tensors, plain values and argparse.Namespace;
        flags that none of the released settings has; missing, extra or misshaped tensors, which are named.

    Examples
    --------
    >>> checkpoint = read_published("forward_sim.ckpt")
    >>> velocity = checkpoint.network.velocity(checkpoint.tokens.encode(atom14, residues).conditioning)
    """
    content = _load(Path(path))
    flags = _flags(content, path)
    tokens, config = _flags_to_tokens(flags), replace(_flags_to_config(flags), key_sign=key_sign)
    network = PublishedNetwork(config)
    average = (content.get("ema") or {}).get("params")
    tensors = average or {name.removeprefix(_PREFIX): tensor for name, tensor in content["state_dict"].items()}
    _load_tensors(network, tensors, Path(path).name)
    return PublishedCheckpoint(
        network=network.eval().requires_grad_(False),
        tokens=tokens,
        n_frames=config.n_frames,
        interval=_flags_to_interval(flags),
        temperature=300.0 if _flag(flags, "atlas", False) else 350.0,
        solver=str(_flag(flags, "sampling_method", "dopri5")),
        is_average=bool(average),
    )


def published_name(name: str) -> str:
    """The published code's name of a parameter of `PublishedNetwork`."""
    for ours, theirs in _NAMES:
        name = ours.sub(theirs, name)
    return name


@contextmanager
def _namespaces_allowed() -> Iterator[None]:
    """Lets torch read argparse.Namespace; its own context manager came with torch 2.5."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals([argparse.Namespace])
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MDGenError(f"{path} is not a file; give the path of a published .ckpt file")
    try:
        with _namespaces_allowed():
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"holds {found[1]}, which could run code" if found else "is not a checkpoint"
        raise MDGenError(
            f"{path.name} {what}; only tensors, plain values and argparse.Namespace are read; "
            "get the file from its authors"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise MDGenError(
            f"{path.name} ({path.stat().st_size} bytes) is truncated or no checkpoint; download it again"
        ) from error
    return content


def _flags(content: object, path: str | Path) -> argparse.Namespace:
    """The training flags, once the file is known to have the published layout and settings that exist here."""
    name = Path(path).name
    flags = None
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        flags = (content.get("hyper_parameters") or {}).get("args")
    if not isinstance(flags, argparse.Namespace):
        raise MDGenError(
            f"{name} lacks state_dict or hyper_parameters['args']; give a checkpoint of the published code"
        )
    set_flags = [flag for flag in _UNSUPPORTED if _flag(flags, flag, False)]
    if not _flag(flags, "prepend_ipa", False):
        set_flags.append("prepend_ipa=False")
    for flag, value in (("path_type", "GVP"), ("prediction", "velocity")):
        if _flag(flags, flag, value) != value:
            set_flags.append(f"{flag}={_flag(flags, flag, value)}")
    if set_flags:
        raise MDGenError(
            f"{name} was trained with {', '.join(set_flags)}, which no released setting has; "
            "give a checkpoint without these flags"
        )
    return flags


def _flag(flags: argparse.Namespace, name: str, default: Any) -> Any:
    """A flag, or its default where an older file lacks it."""
    value = vars(flags).get(name)
    return default if value is None else value


def _flags_to_tokens(flags: argparse.Namespace) -> PublishedTokens:
    inpainting = bool(_flag(flags, "inpainting", False))
    ends = bool(_flag(flags, "tps_condition", False))
    return PublishedTokens(
        key_frames="ends" if ends or inpainting else "first",
        given="residues" if inpainting else "ends" if ends else "first",
        given_every=int(_flag(flags, "cond_interval", 0)),
        given_residues=_OUTER_RESIDUES if inpainting else (),
        designed_residues=_INNER_RESIDUES if _flag(flags, "design", False) else (),
        torsions_seen=not _flag(flags, "no_torsion", False),
    )


def _flags_to_config(flags: argparse.Namespace) -> PublishedConfig:
    tokens = _flags_to_tokens(flags)
    return PublishedConfig(
        n_given=tokens.n_given,
        key_frames=tokens.key_frames,
        width=flags.embed_dim,
        n_layers=flags.num_layers,
        n_heads=flags.mha_heads,
        ipa_heads=flags.ipa_heads,
        ipa_channels=flags.ipa_head_dim,
        ipa_query_points=flags.ipa_qk,
        ipa_value_points=flags.ipa_v,
        time_mixer="hyena" if _flag(flags, "hyena", False) else "attention",
        n_frames=flags.num_frames,
        n_positions=flags.crop if _flag(flags, "abs_pos_emb", False) else 0,
        residue_identity=not _flag(flags, "no_aa_emb", False),
        design=bool(_flag(flags, "design", False)),
        alpha_max=float(_flag(flags, "alpha_max", 8)),
        temperature=float(_flag(flags, "dirichlet_flow_temp", 1.0)),
        time_scale=float(_flag(flags, "time_multiplier", 100.0)),
    )


def _flags_to_interval(flags: argparse.Namespace) -> float:
    """ps: the saved step (0.1, proteins 10), times the stride in the data's suffix (``_i100``), the frame interval."""
    stride = re.search(r"_i(\d+)", str(_flag(flags, "suffix", "")))
    step = 10.0 if _flag(flags, "atlas", False) else 0.1
    return step * (int(stride[1]) if stride else 1) * int(_flag(flags, "frame_interval", 1))


def _load_tensors(network: PublishedNetwork, tensors: dict[str, Tensor], name: str) -> None:
    """Copy the tensors; name those that are missing, extra or misshaped."""
    ours = network.state_dict()
    wanted = {published_name(key): key for key in ours}
    problems = [f"{kind} {', '.join(found)}" for kind, found in _differences(ours, wanted, tensors).items() if found]
    if problems:
        raise MDGenError(f"{name} does not fit its own flags: {'; '.join(problems)}; download it again")
    network.load_state_dict({key: tensors[theirs].float() for theirs, key in wanted.items()})


def _differences(ours: dict[str, Tensor], wanted: dict[str, str], tensors: dict[str, Tensor]) -> dict[str, list[str]]:
    shared = [key for key in wanted if key in tensors]
    return {
        "missing": sorted(set(wanted) - set(tensors)),
        "extra": sorted(set(tensors) - set(wanted)),
        "misshaped": [
            f"{key} {tuple(tensors[key].shape)} instead of {tuple(ours[wanted[key]].shape)}"
            for key in shared
            if tensors[key].shape != ours[wanted[key]].shape
        ],
    }

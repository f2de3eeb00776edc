"""Small published checkpoints with random weights, in the layout of the published code."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch

from openmm_mdgen.published.checkpoint import published_name
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.network import PublishedNetwork

FLAGS = {
    "embed_dim": 16, "num_layers": 1, "mha_heads": 2, "ipa_heads": 2, "ipa_head_dim": 4, "ipa_qk": 2, "ipa_v": 2,
    "num_frames": 6, "crop": 4, "abs_pos_emb": True, "prepend_ipa": True, "sim_condition": True, "suffix": "_i100",
}  # fmt: skip
CONFIG = PublishedConfig(
    width=16, n_layers=1, n_heads=2, ipa_heads=2, ipa_channels=4, ipa_query_points=2, ipa_value_points=2, n_frames=6
)


def make_network(config: PublishedConfig = CONFIG, seed: int = 0) -> PublishedNetwork:
    """A network whose parameters are all random, gates and readout too."""
    torch.manual_seed(seed)
    network = PublishedNetwork(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval().requires_grad_(False)


def make_content(network: PublishedNetwork | None = None, **flags: Any) -> dict[str, Any]:
    """What ``torch.save`` of the published trainer holds."""
    network = network or make_network()
    state = {f"model.{published_name(name)}": tensor for name, tensor in network.state_dict().items()}
    return {"epoch": 1, "state_dict": state, "hyper_parameters": {"args": Namespace(**FLAGS | flags)}}


def write_checkpoint(folder: Path, content: dict[str, Any] | None = None, name: str = "toy.ckpt") -> Path:
    """The content as a file."""
    torch.save(content or make_content(), folder / name)
    return folder / name

"""Lightning's Fabric, for one process or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.model import has_fast_bf16

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def build_fabric(
    accelerator: str, devices: str, n_nodes: int, precision: str, *, unused_parameters: bool = False
) -> Fabric:
    """A launched Fabric.

    Parameters
    ----------
    accelerator, devices, n_nodes
        Lightning's.
    precision : str
        Lightning's name; 'auto' takes bf16 where the hardware has it.
    unused_parameters : bool
        Whether there are batches that leave some parameters without a gradient.

    Raises
    ------
    MDGenError
        If Lightning is not installed.
    """
    try:
        import lightning
    except ImportError as error:
        raise MDGenError(
            "training needs lightning, which is not installed; pip install 'openmm-mdgen[train]'"
        ) from error
    wanted: Any = precision
    if precision == "auto":
        cuda = torch.cuda.is_available() and accelerator != "cpu"
        wanted = "bf16-mixed" if has_fast_bf16(torch.device("cuda" if cuda else "cpu")) else "32-true"
    together = "ddp_find_unused_parameters_true" if unused_parameters else "ddp"
    fabric = lightning.Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=n_nodes,
        precision=wanted,
        strategy=together if _is_distributed(accelerator, devices, n_nodes) else "auto",
    )
    fabric.launch()
    return fabric


def _is_distributed(accelerator: str, devices: str, n_nodes: int) -> bool:
    """Whether several processes train together."""
    if n_nodes > 1 or devices not in ("auto", "1"):
        return True
    return devices == "auto" and accelerator in ("auto", "gpu", "cuda") and torch.cuda.device_count() > 1

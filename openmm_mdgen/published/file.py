"""Published checkpoints as safetensors files with their settings, and as tasks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.published.checkpoint import PublishedCheckpoint, read_published
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.network import PublishedNetwork
from openmm_mdgen.published.task import PublishedSettings, PublishedTask
from openmm_mdgen.published.tokens import PublishedTokens

FORMAT = "openmm-mdgen published 1"
"""``format`` in the metadata of a safetensors file made here."""


def import_published(
    source: str | Path,
    target: str | Path,
    *,
    interval: float | None = None,
    solver: str | None = None,
    n_steps: int = 20,
) -> Path:
    """Turn a Lightning checkpoint of the published code into a safetensors file.

    Parameters
    ----------
    source, target : str or Path
    interval : float, optional
        ps between frames, where the file's own flags are silent or wrong.
    solver : str, optional
        Default: as published.
    n_steps : int, optional
        Steps of solvers that have a fixed number.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    MDGenError
        See `read_published`; also if the target cannot be written.

    Examples
    --------
    >>> import_published("forward_sim.ckpt", "forward_sim.safetensors")
    """
    checkpoint = read_published(source)
    settings = checkpoint_to_settings(checkpoint, interval=interval, solver=solver, n_steps=n_steps)
    return save_published(checkpoint.network, settings, target)


def checkpoint_to_settings(
    checkpoint: PublishedCheckpoint, *, interval: float | None = None, solver: str | None = None, n_steps: int = 20
) -> PublishedSettings:
    """The settings of a checkpoint, some of them replaced."""
    if interval is not None and not interval > 0:
        raise MDGenError(f"interval {interval:g} ps is not above 0; give the time between two frames")
    return PublishedSettings(
        tokens=checkpoint.tokens,
        n_frames=checkpoint.n_frames,
        interval=checkpoint.interval if interval is None else interval,
        temperature=checkpoint.temperature,
        solver=solver or checkpoint.solver,
        n_steps=n_steps,
    )


def save_published(network: PublishedNetwork, settings: PublishedSettings, target: str | Path) -> Path:
    """Write network and settings to one safetensors file; an existing one is replaced only by a complete one."""
    target = Path(target)
    if target.suffix != ".safetensors":
        raise MDGenError(f"{target.name} does not end in .safetensors; choose such a name")
    metadata = {
        "format": FORMAT,
        "config": json.dumps(asdict(network.config)),
        "settings": json.dumps(asdict(settings)),
    }
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with replacing(target) as unfinished:
        try:
            save_file(tensors, unfinished, metadata)
        except SafetensorError as error:
            raise MDGenError(f"{target} cannot be written ({error}); choose another folder") from error
    return target


def load_published(path: str | Path, device: str | None = None) -> PublishedTask:
    """The task in a file: safetensors as written here, or a ``.ckpt`` of the published code.

    Parameters
    ----------
    path : str or Path
    device : str, optional
        Default: the CPU.

    Raises
    ------
    MDGenError
        For a file that is missing, truncated or of another kind.

    Examples
    --------
    >>> task = load_published("forward_sim.safetensors")
    """
    path = Path(path)
    if path.suffix == ".ckpt":
        checkpoint = read_published(path)
        network, settings = checkpoint.network, checkpoint_to_settings(checkpoint)
    else:
        network, settings = _load_safetensors(path)
    content_hash = _content_hash(network, settings)
    return PublishedTask(network.to(device or "cpu"), settings, path.stem, content_hash)


def is_published(path: str | Path) -> bool:
    """Whether a file is one for `load_published`: a ``.ckpt``, or safetensors written here."""
    if Path(path).suffix == ".ckpt":
        return True
    try:
        with safe_open(path, framework="pt") as file:
            return _has_format(file.metadata())
    except (OSError, SafetensorError):
        return False


def _has_format(metadata: dict[str, str] | None) -> bool:
    return (metadata or {}).get("format") == FORMAT


def _load_safetensors(path: Path) -> tuple[PublishedNetwork, PublishedSettings]:
    if not path.is_file():
        raise MDGenError(f"{path} is not a file; give the path of an imported checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise MDGenError(
            f"{path.name} ({path.stat().st_size} bytes) is truncated or no safetensors file; import it again"
        ) from error
    if not _has_format(metadata):
        raise MDGenError(f"{path.name} is no imported checkpoint; make one by openmm-mdgen import")
    network = PublishedNetwork(PublishedConfig(**json.loads(metadata["config"])))
    missing, extra = (sorted(names) for names in _name_differences(network.state_dict(), tensors))
    if missing or extra:
        raise MDGenError(f"{path.name} misses {missing} and has {extra} beside its settings; import it again")
    network.load_state_dict(tensors)
    return network, _settings_from(json.loads(metadata["settings"]))


def _name_differences(wanted: dict[str, Any], found: dict[str, Any]) -> tuple[set[str], set[str]]:
    return set(wanted) - set(found), set(found) - set(wanted)


def _settings_from(values: dict[str, Any]) -> PublishedSettings:
    tokens = values.pop("tokens")
    for name in ("given_residues", "designed_residues"):
        tokens[name] = tuple(tokens[name])
    return PublishedSettings(tokens=PublishedTokens(**tokens), **values)


def _content_hash(network: PublishedNetwork, settings: PublishedSettings) -> str:
    """SHA-256 over settings and tensors: the same for a checkpoint and what it was imported to."""
    digest = hashlib.sha256(json.dumps([asdict(network.config), asdict(settings)], sort_keys=True).encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().to(torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()

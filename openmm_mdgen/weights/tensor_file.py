"""Tensors and what is said of them in one .safetensors file."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a .safetensors file, which gets its name when it is complete.

    Raises
    ------
    MDGenError
        If it cannot be written.
    """
    with replacing(path) as unfinished:
        try:
            save_file(tensors, unfinished, metadata=metadata)
        except SafetensorError as error:
            raise MDGenError(f"{path} cannot be written ({error}); free space or choose another folder") from error


def check_free(path: Path, format: str) -> None:
    """Raise `MDGenError` where a file of another format lies, which a run would write over."""
    if path.exists() and read_tensors(path)[1].get("format") != format:
        raise MDGenError(f"{path} holds weights of another kind; name another folder with -o")


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file.

    Raises
    ------
    MDGenError
        If it is missing or damaged.
    """
    if not path.exists():
        raise MDGenError(
            f"weights file {path} does not exist; name a .safetensors file or one of `openmm-mdgen models`"
        )
    try:
        with safe_open(path, framework="pt") as handle:
            return {k: handle.get_tensor(k) for k in handle.keys()}, handle.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise MDGenError(
            f"weights file {path} is damaged or no .safetensors file ({error}); fetch or train it again"
        ) from error

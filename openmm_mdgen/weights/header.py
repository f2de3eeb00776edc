"""What a weights file says of itself, read from its header alone: no torch, no tensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.protocols import ModelInfo, network_tasks

ENTRY_POINTS = "openmm_mdgen.models"
VELOCITY = "openmm-mdgen velocity 1"
IDENTITIES = "openmm-mdgen identities 1"
_LONGEST = 100_000_000  # bytes, of a header in the format's own definition


def bundled_path(name: str) -> Path:
    """Where a bundled model's weights lie."""
    return Path(__file__).parent / f"{name}.safetensors"


def registered_models() -> dict[str, EntryPoint]:
    """Models that packages register, by name; of two of one name the first on the path."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=ENTRY_POINTS):
        found.setdefault(point.name, point)
    return dict(sorted(found.items()))


def read_header(path: Path) -> dict[str, str]:
    """Metadata of a .safetensors file.

    Raises
    ------
    MDGenError
        If it is missing or damaged.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            content = json.loads(file.read(length)) if length <= _LONGEST else None
    except OSError as error:
        raise MDGenError(f"weights file {path} cannot be read ({error.strerror}); check the path") from error
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise MDGenError(f"weights file {path} is damaged or no .safetensors file; fetch or train it again")
    return dict(content.get("__metadata__", {}))


def file_info(path: Path) -> ModelInfo:
    """What a file of our own weights says of itself.

    Raises
    ------
    MDGenError
        If it is missing, damaged, or of another kind.

    Examples
    --------
    >>> file_info(bundled_path("peptide")).lengths
    (1, 8)
    """
    metadata = read_header(path)
    try:
        about = json.loads(metadata["about"])
        if metadata["format"] not in (VELOCITY, IDENTITIES):
            raise ValueError(f"format {metadata['format']!r}")
        return ModelInfo(
            name=str(about["name"]),
            tasks=_tasks(metadata, about),
            content_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
            temperatures=_pair(about.get("temperatures")) or _pair([about.get("temperature", 350.0)] * 2),
            intervals=_pair(about.get("intervals")),
            spacings=_pair(about.get("spacings")),
            lengths=tuple(map(int, about["lengths"])),  # type: ignore[arg-type]  # two of them
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MDGenError(f"weights file {path} has unreadable metadata ({error}); fetch or train it again") from error


def own_weights(model: str | Path) -> Path | None:
    """The file of a model of our own, by path or bundled name; None for all that must be loaded to be known.

    Raises
    ------
    MDGenError
        If the file is damaged.
    """
    path, point = Path(model), registered_models().get(str(model))
    if path.suffix == ".safetensors" and path.is_file():
        return path if read_header(path).get("format") == VELOCITY else None
    is_bundled = point is not None and point.value.startswith("openmm_mdgen.") and bundled_path(point.name).is_file()
    return bundled_path(str(model)) if is_bundled else None


def _tasks(metadata: dict[str, str], about: dict[str, Any]) -> tuple[str, ...]:
    if metadata["format"] == IDENTITIES:
        return ("identities",)
    if about.get("task") == "upsample":
        return ("upsample",)
    return network_tasks(bool(json.loads(metadata["config"]).get("inpaints")))


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return (float(values[0]), float(values[1])) if values else None

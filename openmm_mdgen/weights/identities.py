"""The model that guesses identities, on disk: safetensors with everything that is needed to use it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.identity import (
    N_DISTANCES,
    N_EFFECTS,
    N_MOVING,
    N_STILL,
    PLACES,
    IdentityModel,
    IdentityTable,
    Place,
)
from openmm_mdgen.tokens.tokens import N_IDENTITIES
from openmm_mdgen.weights.header import IDENTITIES, bundled_path
from openmm_mdgen.weights.tensor_file import read_tensors, write_tensors

BUNDLED = "peptide-design"
_ABOUT = ("name", "temperature", "lengths", "training")
_FEATURES = {"still": N_STILL, "moving": N_MOVING}


def save_identities(path: Path, model: IdentityModel) -> None:
    """Write a .safetensors file; numbers are kept in float32."""
    tensors = {"frequencies": model.frequencies.float()}
    for kind, tables in (("still", model.still), ("moving", model.moving)):
        for place, table in tables.items():
            for field in fields(IdentityTable):
                tensors[f"{_prefix(kind, place)}{field.name}"] = getattr(table, field.name).float().contiguous()
    about = {k: getattr(model, k) for k in _ABOUT}
    write_tensors(path, tensors, {"format": IDENTITIES, "about": json.dumps(about)})


def load_identities(model: str | Path | IdentityModel) -> IdentityModel:
    """What an ``identities=`` argument means: a bundled name, a file, or the model itself.

    Raises
    ------
    MDGenError
        If the file is missing, damaged, or holds something else.

    Examples
    --------
    >>> model = load_identities("peptide-design")
    """
    if isinstance(model, IdentityModel):
        return model
    if not isinstance(model, str | Path):
        raise MDGenError(
            f"identities= got a {type(model).__name__}; give 'peptide-design' or weights that were trained with "
            "--task design"
        )
    bundled = bundled_path(str(model))
    path = bundled if bundled.exists() else Path(model)
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != IDENTITIES:
        raise MDGenError(
            f"weights file {path} is of format {metadata.get('format')!r}, not {IDENTITIES!r}, so it does not guess "
            "identities; train one with --task design"
        )
    try:
        about = json.loads(metadata["about"])
        tensors = {k: v.double() for k, v in tensors.items()}
        frequencies = tensors["frequencies"]
        if frequencies.shape != (N_IDENTITIES,):
            raise ValueError(f"frequencies are {tuple(frequencies.shape)}, not ({N_IDENTITIES},)")
        return IdentityModel(
            still=_tables(tensors, "still"),
            moving=_tables(tensors, "moving"),
            frequencies=frequencies,
            name=str(about["name"]),
            temperature=float(about["temperature"]),
            lengths=(int(about["lengths"][0]), int(about["lengths"][1])),
            training=dict(about["training"]),
            content_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise MDGenError(f"weights file {path} does not fit its model ({error}); fetch or train it again") from error


def _prefix(kind: str, place: Place) -> str:
    return f"{kind}.{place.length}.{place.place}."


def _tables(tensors: dict[str, Tensor], kind: str) -> dict[Place, IdentityTable]:
    found = {}
    for place in PLACES:
        prefix = _prefix(kind, place)
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if own:
            table = IdentityTable(**own)
            _check(table, _FEATURES[kind])
            found[place] = table
    return found


def _check(table: IdentityTable, n_features: int) -> None:
    """Raise `ValueError` where a tensor has another shape than the rest asks for."""
    d, s = table.basis.shape[-1], len(table.durations) - 1
    shapes = {
        "center": (N_DISTANCES,),
        "scale": (N_DISTANCES,),
        "mean": (n_features,),
        "basis": (n_features, d),
        "effects": (N_EFFECTS, d),
        "doubt": (N_EFFECTS, N_EFFECTS),
        "rest": (d, d),
        "freedom": (),
        "durations": (s + 1,),
        "noise": (s, d, d),
        "sharpness": (s + 1,),
    }
    for name, shape in shapes.items():
        found = getattr(table, name)
        if found.shape != torch.Size(shape):
            raise ValueError(f"{name} is {tuple(found.shape)}, not {shape}")
        if not found.isfinite().all():
            raise ValueError(f"{name} has values that are no numbers")
    if s < 1:
        raise ValueError("durations has one value, not two or more")
    if int(torch.linalg.cholesky_ex(table.rest).info):
        raise ValueError("rest is no covariance")

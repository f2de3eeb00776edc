"""From folders of MD to the weights that design guesses identities with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from openmm_mdgen.files.tables import write_csv
from openmm_mdgen.train.cache import open_cache
from openmm_mdgen.train.identity import IdentityConfig, Recovery, fit_identities, measure_recovery
from openmm_mdgen.weights.header import IDENTITIES
from openmm_mdgen.weights.identities import save_identities
from openmm_mdgen.weights.tensor_file import check_free


def train_design(
    data: Sequence[Path],
    validation: Sequence[Path],
    out: Path,
    *,
    name: str = "model",
    temperature: float | None = None,
    stride: int = 1,
    seed: int = 0,
) -> Path:
    """Fit what guesses identities to the MD in some folders.

    Parameters
    ----------
    data, validation : sequence of Path
        Folders of MD, see `build_cache`.
    out : Path
        Gets ``cache/``, ``model.safetensors`` and ``recovery.csv``: how well residues of peptides that were left out,
        and of those in ``validation``, are guessed.
    name : str
        Written into the weights.
    temperature : float, optional
        K, see `build_cache`.
    stride : int
        Keep every stride-th frame of the data.
    seed : int
        Which peptides are left out together.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    MDGenError
        When there is too little to learn from, or ``out`` holds a cache of other data or weights of another kind.

    Examples
    --------
    >>> weights = train_design([Path("my_md")], [], Path("run"))
    >>> openmm_mdgen.design(u, residues=[2], identities=weights)
    """
    path = out / "model.safetensors"
    check_free(path, IDENTITIES)
    cache = open_cache(data, out / "cache" / "train", stride=stride, temperature=temperature)
    held_out = (
        open_cache(validation, out / "cache" / "validation", stride=stride, temperature=temperature)
        if validation
        else None
    )
    kelvin = float(np.median([segment.temperature for segment in cache.segments]))
    model, recovered = fit_identities(cache, IdentityConfig(seed=seed), name=name, temperature=kelvin)
    rows = [("left out", r) for r in recovered]
    if held_out is not None:
        rows += [("validation", r) for r in measure_recovery(model, held_out)]
    save_identities(path, model)
    _write(rows, out / "recovery.csv")
    return path


def _write(rows: list[tuple[str, Recovery]], path: Path) -> None:
    places = [(who, r.place.length, r.place.place + 1, *r[1:4], *(f"{x:.4f}" for x in r[4:])) for who, r in rows]
    write_csv(path, [("peptides", "run", "place", *Recovery._fields[1:]), *places])

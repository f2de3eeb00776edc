"""The ``.mdgen`` file: a recipe as readable JSON, whose paths are relative to its own folder."""

from __future__ import annotations

import json
import os
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.hydrogens import from_file, in_file
from openmm_mdgen.tasks.protocols import ModelLike
from openmm_mdgen.trajectory.recipe import Origin, Recipe

FORMAT_VERSION = 1
_IDS = ("numbers", "icodes", "chain_ids", "segids", "altlocs")  # absent from recipes of older versions
_WEIGHTS = (".safetensors", ".ckpt")


def read_recipe(path: str | PathLike[str]) -> Recipe:
    """Read a ``.mdgen`` file; paths in it are relative to its folder.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Recipe

    Raises
    ------
    MDGenError
        If the file is missing, is not a recipe, or was written in a version of the format that is not known here.

    Examples
    --------
    >>> recipe = read_recipe("pep.mdgen")
    >>> recipe.n_frames, recipe.interval
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MDGenError(f"recipe {str(path)!r} cannot be read ({error.strerror}); check the path") from error
    except ValueError as error:
        raise MDGenError(
            f"{str(path)!r} is not a .mdgen recipe ({error}); write one with 'openmm-mdgen simulate -o x.mdgen'"
        ) from error
    if not isinstance(content, dict) or content.get("format") != "mdgen":
        raise MDGenError(
            f'{str(path)!r} is not a .mdgen recipe (no "format": "mdgen"); '
            "write one with 'openmm-mdgen simulate -o x.mdgen'"
        )
    if content.get("version") != FORMAT_VERSION or isinstance(content["version"], bool):
        raise MDGenError(
            f"{str(path)!r} has recipe version {content.get('version')!r}, this openmm-mdgen reads version "
            f"{FORMAT_VERSION}; upgrade openmm-mdgen or write the recipe again"
        )
    try:
        return _from_json(content, path.resolve().parent)
    except MDGenError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise MDGenError(f"recipe {str(path)!r} lacks or garbles an entry ({error}); write it again") from error


def read_n_atoms(path: str | PathLike[str]) -> int:
    """Number of atoms of a recipe's structure."""
    return len(read_recipe(path).load_structure().names)


def write_recipe(recipe: Recipe, path: str | PathLike[str]) -> None:
    """Write a ``.mdgen`` file: complete under its name, or not at all.

    Parameters
    ----------
    recipe
        What to keep, such as ``universe.trajectory.recipe``.
    path
        The file, which may exist.

    Raises
    ------
    MDGenError
        If the model is an object, which a text file cannot hold, or the file cannot be written.

    Examples
    --------
    >>> write_recipe(universe.trajectory.recipe, "pep.mdgen")
    """
    path = Path(path)
    text = json.dumps(_to_json(recipe.with_hashes(), path.absolute().parent), indent=1) + "\n"
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def library_versions() -> dict[str, str]:
    """Versions of the packages that take part in making frames."""
    found = {}
    for name in ("openmm-mdgen", "torch", "numpy", "MDAnalysis"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _to_json(recipe: Recipe, folder: Path) -> dict[str, Any]:
    origin = recipe.origin
    return {
        "format": "mdgen",
        "version": FORMAT_VERSION,
        "task": recipe.task,
        "model": _model_to_json(recipe.model, origin.model_hash, folder),
        "structure": _structure_to_json(recipe.structure)
        if isinstance(recipe.structure, Structure)
        else {"path": _relative(recipe.structure, folder), "hash": origin.structure_hash},
        "start": {"path": _relative(recipe.start, folder), "hash": origin.start_hash}
        if isinstance(recipe.start, Path)
        else None
        if recipe.start is None
        else {"positions": np.asarray(recipe.start, dtype=np.float64).tolist()},
        "n_frames": recipe.n_frames,
        "interval_ps": recipe.interval,
        "seed": recipe.seed,
        "replica": recipe.replica,
        "skip": recipe.skip,
        "hydrogens": in_file(recipe.hydrogens),
        **({} if recipe.temperature is None else {"temperature_K": recipe.temperature}),
        "first_block": origin.first_block,
        "device": origin.device,
        "precision": origin.precision,
        "versions": origin.versions,
    }


def _from_json(content: dict[str, Any], folder: Path) -> Recipe:
    model, structure, start = content["model"], content["structure"], content["start"]
    origin = Origin(
        model_hash=model["hash"],
        structure_hash=structure.get("hash", ""),
        start_hash=(start or {}).get("hash", ""),
        **{key: content.get(key, "") for key in ("first_block", "device", "precision")},
        versions=dict(content.get("versions", {})),
    )
    return Recipe(
        model=folder / model["path"] if "path" in model else str(model["name"]),
        structure=folder / structure["path"] if "path" in structure else _structure_from_json(structure),
        start=None
        if start is None
        else folder / start["path"]
        if "path" in start
        else np.array(start["positions"], dtype=float),
        n_frames=content["n_frames"],
        interval=content["interval_ps"],
        seed=content["seed"],
        replica=content.get("replica", 0),
        skip=content.get("skip", 0),
        hydrogens=from_file(content.get("hydrogens", "quiet")),  # as they were before files said so
        temperature=content.get("temperature_K"),
        task=content["task"],
        origin=origin,
    )


def _model_to_json(model: ModelLike, content_hash: str, folder: Path) -> dict[str, str]:
    if isinstance(model, Path) or (isinstance(model, str) and model.endswith(_WEIGHTS) and "://" not in model):
        return {"path": _relative(Path(model), folder), "hash": content_hash}
    if isinstance(model, str):
        return {"name": model, "hash": content_hash}
    raise MDGenError(
        f"a recipe file cannot hold a model object ({type(model).__name__}); pass the model by its name or by the path "
        "of its .safetensors file, or write the frames themselves"
    )


def _structure_to_json(structure: Structure) -> dict[str, Any]:
    return {
        "names": structure.names,
        "resnames": structure.resnames,
        "residues": np.asarray(structure.residues).tolist(),
        "chains": np.asarray(structure.chains).tolist(),
        "elements": structure.elements,
        "bonds": structure.bonds,
        "positions": np.asarray(structure.positions, dtype=np.float64).tolist(),
        "numbers": structure.numbers,
        "icodes": structure.icodes,
        "chain_ids": structure.chain_ids,
        "segids": structure.segids,
        "altlocs": structure.altlocs,
    }


def _structure_from_json(content: dict[str, Any]) -> Structure:
    return Structure(
        names=tuple(content["names"]),
        resnames=tuple(content["resnames"]),
        residues=np.array(content["residues"], dtype=int),
        chains=np.array(content["chains"], dtype=int),
        elements=tuple(content["elements"]),
        bonds=tuple((int(first), int(second)) for first, second in content["bonds"]),
        positions=np.array(content["positions"], dtype=np.float64).reshape(-1, 3),
        **{name: tuple(content.get(name, ())) for name in _IDS},
    )


def _relative(path: Path, folder: Path) -> str:
    """The path as seen from the folder; absolute where there is no such way (another drive)."""
    try:
        return Path(os.path.relpath(path.absolute(), folder.resolve())).as_posix()
    except ValueError:
        return path.absolute().as_posix()

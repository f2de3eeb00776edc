"""Which filler a model gives for a molecule, and whether it learned what is asked of it."""

from __future__ import annotations

import numpy as np
from MDAnalysis import AtomGroup

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.structures import atomgroup_to_structure
from openmm_mdgen.tasks.gap import GapFiller, GapModel

_TOLERANCE = 1e-3


def load_gap_model(model: str | GapModel | GapFiller) -> GapModel | GapFiller | None:
    """The object behind a name; None for ``"linear"``.

    Raises
    ------
    MDGenError
        If the name is unknown or the model does not fill gaps.
    """
    if isinstance(model, str) and model == "linear":
        return None
    if isinstance(model, GapModel | GapFiller):
        return model
    from openmm_mdgen.checkpoint import load_task

    task = load_task(model)
    if not isinstance(task, GapModel | GapFiller):
        raise MDGenError(f"model {model!r} does not fill gaps; give an upsampling model or model='linear'")
    return task


def model_identity(model: GapModel | GapFiller | None) -> str:
    """What an interrupted run must find again to go on."""
    return "linear" if model is None else f"{type(model).__name__} {getattr(model, 'content_hash', 'unhashed')}"


def bound_filler(
    model: GapModel | GapFiller, atoms: AtomGroup, bonds: np.ndarray, spacing: float, factor: int
) -> GapFiller:
    """The filler for one chain.

    Parameters
    ----------
    model
        A filler is used as it is, a model is bound to the chain.
    atoms
        One molecule, at the first key frame.
    bonds
        (B, 2) places in `atoms`.
    spacing
        Of the key frames, ps.
    factor
        New frames per key frame.

    Raises
    ------
    MDGenError
        If spacing or interval lie outside what the model learned.
    """
    if isinstance(model, GapFiller):
        return model
    interval = spacing / factor
    _check_range("key frames", spacing, getattr(model, "spacings", None), "--model linear or other frames")
    _check_range("interval", interval, getattr(model, "intervals", None), "another --interval")
    return model.bind_gaps(atomgroup_to_structure(atoms), spacing, interval)


def _check_range(what: str, value: float, learned: tuple[float, float] | None, remedy: str) -> None:
    if learned is None:
        return
    low, high = learned
    if not low * (1 - _TOLERANCE) <= value <= high * (1 + _TOLERANCE):
        raise MDGenError(
            f"{what} of {value:g} ps is outside what the model learned ({low:g} to {high:g} ps); choose {remedy}"
        )

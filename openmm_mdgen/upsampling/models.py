"""Which filler a model gives for a molecule, and whether it learned what is asked of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TypeGuard

import numpy as np

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.peptide.naming import atom_to_element
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.gap import ChainGapModel, GapFiller, GapModel
from openmm_mdgen.tasks.protocols import ModelLike, is_gap_filler, is_gap_model, model_info
from openmm_mdgen.tasks.ranges import check_time
from openmm_mdgen.tasks.upsample import Upsample
from openmm_mdgen.upsampling.gaps import Gaps
from openmm_mdgen.upsampling.molecules import superposition_weights
from openmm_mdgen.upsampling.named import NamedModel
from openmm_mdgen.upsampling.residual import Residual
from openmm_mdgen.upsampling.windows import (
    Window,
    WindowedGapFiller,
    amino_acids,
    residue_windows,
    window_structure,
    window_weights,
)
from openmm_mdgen.weights.roles import as_upsampler, tuned


def load_gap_model(
    model: ModelLike, device: str | None = None, temperature: float | None = None
) -> GapModel | GapFiller | None:
    """The object behind a name, at a temperature in K (None: its own); None for ``"linear"``.

    Raises
    ------
    MDGenError
        If the name is unknown, the model does not fill gaps, or is not one of that temperature.
    """
    if isinstance(model, str) and model == "linear":
        if temperature is not None:
            raise MDGenError(f"model 'linear' knows no temperature, {temperature:g} K was given; leave it out")
        return None
    if not isinstance(model, str | Path) and not (is_gap_model(model) or is_gap_filler(model)):
        raise MDGenError(f"model= got a {type(model).__name__} without fill or bind_gaps; see openmm_mdgen.tasks.gap")
    found = as_upsampler(model, device)
    if temperature is not None and model_info(found).temperatures is None:
        raise MDGenError(
            f"model {model_info(found).name!r} does not say what temperatures it knows, {temperature:g} K was given; "
            "leave it out, or give the model temperatures"
        )
    found = tuned(found, temperature=temperature)
    if isinstance(model, str | Path) and is_gap_model(found):
        return NamedModel(model, device, found, temperature)
    return found


def model_identity(model: GapModel | GapFiller | None) -> str:
    """What an interrupted run must find again to go on."""
    if model is None:
        return "linear"
    inner = model.loaded() if isinstance(model, NamedModel) else model
    kelvin = f" {inner.temperature:g} K" if isinstance(inner, Upsample) and inner.temperatures else ""
    return f"{type(inner).__name__} {model_info(model).content_hash or 'unhashed'}{kelvin}"


def molecule_gaps(model: GapModel | GapFiller, structure: Structure, spacing: float, factor: int) -> Gaps:
    """What fills one chain: a filler as it is, or a model bound to the chain, in windows where the chain is long.

    Parameters
    ----------
    model
        See `openmm_mdgen.tasks.gap`.
    structure
        One molecule with its bonds, at the first key frame.
    spacing
        Of the key frames, ps.
    factor
        New frames per key frame.

    Raises
    ------
    MDGenError
        If spacing or interval lie outside what the model learned, or the chain is too short for it.
    """
    symbols, bonds = _symbols(structure), np.array(structure.bonds, dtype=int).reshape(-1, 2)
    if not is_gap_model(model):
        assert is_gap_filler(model)
        return _gaps(model, bonds, symbols, factor)
    info = model_info(model)
    name = f"model {info.name!r}"
    check_time("a spacing of key frames", spacing, info.spacings, name, "choose --model linear or other frames")
    check_time("an interval", spacing / factor, info.intervals, name, "choose another --interval")
    longest = len(symbols) if info.lengths is None else info.lengths[1]
    windows = residue_windows(len(amino_acids(structure)), longest)
    if len(windows) == 1:
        return _gaps(model.bind_gaps(structure, spacing, spacing / factor), bonds, symbols, factor)
    warnings.warn(
        f"the chain has {len(amino_acids(structure))} residues, the model learned up to {longest}: it is filled by "
        f"overlapping windows, which is experimental",
        MDGenWarning,
        stacklevel=2,
    )
    if _takes_chains(model):
        return _gaps(model.bind_chain_gaps(structure, spacing, spacing / factor), bonds, symbols, factor)
    parts = [_window(model, structure, window, bonds, spacing, factor) for window in windows]
    return Gaps(WindowedGapFiller(structure, parts), factor, superposition_weights(symbols))


def _takes_chains(model: GapModel) -> TypeGuard[ChainGapModel]:
    return isinstance(model.loaded() if isinstance(model, NamedModel) else model, ChainGapModel)


def _window(
    model: GapModel, structure: Structure, residues: tuple[int, int], bonds: np.ndarray, spacing: float, factor: int
) -> Window:
    atoms, part = window_structure(structure, *residues)
    inside = np.searchsorted(atoms, bonds[np.isin(bonds, atoms).all(1)])
    gaps = _gaps(model.bind_gaps(part, spacing, spacing / factor), inside, _symbols(part), factor)
    return Window(atoms, gaps, window_weights(structure, atoms, *residues))


def _symbols(structure: Structure) -> np.ndarray:
    """(N,) elements, read off the names where they are not known."""
    return np.array(list(map(atom_to_element, structure.names, structure.elements)))


def _gaps(filler: GapFiller, bonds: np.ndarray, symbols: np.ndarray, factor: int) -> Gaps:
    return Gaps(filler, factor, superposition_weights(symbols), Residual(bonds, symbols))

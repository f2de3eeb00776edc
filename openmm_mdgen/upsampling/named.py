"""Models that were given by name: they are pickled as that name, not with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.gap import GapFiller, GapModel
from openmm_mdgen.tasks.protocols import ModelInfo, is_gap_model, model_info
from openmm_mdgen.weights.roles import as_upsampler, tuned


class NamedModel:
    """A model that is pickled as its name: readers travel to other processes without its weights.

    Parameters
    ----------
    name
        Name or file, for `openmm_mdgen.weights.roles.as_upsampler`.
    device
        Likewise.
    model
        What they gave.
    temperature
        K, of the motion; None for the model's own.
    """

    def __init__(self, name: str | Path, device: str | None, model: GapModel, temperature: float | None = None) -> None:
        self._name, self._device, self._temperature = name, device, temperature
        self._model: GapModel | None = model

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_model": None}

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""
        return model_info(self.loaded())

    def loaded(self) -> GapModel:
        """The model, loaded again after travelling."""
        if self._model is None:
            model = tuned(as_upsampler(self._name, self._device), temperature=self._temperature)
            if not is_gap_model(model):
                raise MDGenError(f"model {str(self._name)!r} is another one in this process; name it by its file")
            self._model = model
        return self._model

    def bind_gaps(self, structure: Structure, spacing: float, interval: float) -> GapFiller:
        """A filler that travels likewise."""
        return NamedFiller(self, "bind_gaps", structure, spacing, interval)

    def bind_chain_gaps(self, structure: Structure, spacing: float, interval: float) -> GapFiller:
        """A filler for a chain longer than the model learned, where it fills such chains."""
        return NamedFiller(self, "bind_chain_gaps", structure, spacing, interval)


class NamedFiller:
    """A `NamedModel` bound to a molecule."""

    def __init__(self, model: NamedModel, bind: str, structure: Structure, spacing: float, interval: float) -> None:
        self._model = model
        self._bind, self._binding = bind, (structure, spacing, interval)
        self._filler: GapFiller | None = None
        self._bound()

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_filler": None}

    def __getattr__(self, attribute: str) -> Any:
        """What the filler itself has, such as ``decoded``."""
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self._bound(), attribute)

    def _bound(self) -> GapFiller:
        if self._filler is None:
            self._filler = getattr(self._model.loaded(), self._bind)(*self._binding)
        assert self._filler is not None
        return self._filler

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """(G + 1, N, 3) Å -> (G, M - 1, N, 3) Å."""
        return self._bound().fill(key_frames, seeds)

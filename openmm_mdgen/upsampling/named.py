"""Models that were given by name: they are pickled as that name, not with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from openmm_mdgen.peptide.peptide import Structure
from openmm_mdgen.tasks.gap import GapFiller, GapModel


class NamedModel:
    """A model that is pickled as its name: readers travel to other processes without its weights.

    Parameters
    ----------
    name
        Name or file, for `openmm_mdgen.weights.checkpoint.load_task`.
    task
        What it gave.
    """

    def __init__(self, name: str, task: GapModel) -> None:
        self._name = name
        self._task: GapModel | None = task

    def __getstate__(self) -> dict[str, Any]:
        return {"_name": self._name, "_task": None}

    def __getattr__(self, attribute: str) -> Any:
        """What the model itself has, such as ``spacings``."""
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self.task(), attribute)

    def task(self) -> GapModel:
        """The model, loaded again after travelling."""
        if self._task is None:
            from openmm_mdgen.weights.checkpoint import load_task

            self._task = load_task(self._name)
        return self._task

    def bind_gaps(self, structure: Structure, spacing: float, interval: float) -> GapFiller:
        """A filler that travels likewise."""
        return NamedFiller(self, structure, spacing, interval)


class NamedFiller:
    """A `NamedModel` bound to a molecule."""

    def __init__(self, model: NamedModel, structure: Structure, spacing: float, interval: float) -> None:
        self._model = model
        self._binding = (structure, spacing, interval)
        self._filler: GapFiller | None = model.task().bind_gaps(*self._binding)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_filler": None}

    def __getattr__(self, attribute: str) -> Any:
        """What the filler itself has, such as ``decoded``."""
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self._bound(), attribute)

    def _bound(self) -> GapFiller:
        if self._filler is None:
            self._filler = self._model.task().bind_gaps(*self._binding)
        return self._filler

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """(G + 1, N, 3) Å -> (G, M - 1, N, 3) Å."""
        return self._bound().fill(key_frames, seeds)

"""The propagator of a recipe: loaded late, shared within a process, never pickled."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.propagator import Propagator
from openmm_mdgen.tasks.protocols import ModelLike, Simulator, bind_simulator, model_info
from openmm_mdgen.trajectory.recipe import Recipe
from openmm_mdgen.weights.roles import as_simulator


class BoundModel:
    """The propagator of a recipe, loaded when first called for; only the recipe is pickled.

    Parameters
    ----------
    recipe
        What to load.
    model
        Used instead of the recipe's model; its content must be the same.
    device
        As for `load_task`; default: the CPU for a recipe made there, else the best there is.
    structure
        The recipe's, where it was read already.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: ModelLike | None = None,
        device: str | None = None,
        structure: Structure | None = None,
    ) -> None:
        self.recipe = recipe
        self.model = recipe.model if model is None else model
        self.device = device or ("cpu" if recipe.origin.device == "cpu" else None)
        self._structure = structure
        self._task: Propagator | Simulator | None = None
        self._propagator: Propagator | None = None

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_task": None, "_propagator": None, "_structure": None}

    def __call__(self) -> Propagator:
        """The propagator, bound to the recipe's structure and interval once a process.

        Raises
        ------
        MDGenError
            As `task`, and if the model does not take this structure or interval.
        """
        if self._propagator is None:
            structure = self._structure or self.recipe.load_structure()
            self._propagator = bind_simulator(
                self.task,
                structure,
                self.recipe.interval,
                temperature=self.recipe.temperature,
                hydrogens=self.recipe.hydrogens,
            )
        return self._propagator

    @property
    def task(self) -> Propagator | Simulator:
        """The model, checked against the recipe.

        Raises
        ------
        MDGenError
            If the model does something else than simulating, or is not the one that the recipe was written with.
        """
        if self._task is None:
            task = _loaded(self.model, self.device)
            expected, found = self.recipe.origin.model_hash, model_info(task).content_hash
            if expected and found != expected and (earlier := _earlier(self.model, expected)) is not None:
                task = _loaded(earlier, self.device)
                found = expected
            if expected and found != expected:
                raise MDGenError(
                    f"model {self.model!r} has content {found[:12] or 'unknown'}, the recipe was written with "
                    f"{expected[:12]}; install the version that it names, pass it by model=, or write the recipe again"
                )
            self._task = task
        return self._task


def _earlier(model: ModelLike, content_hash: str) -> Path | None:
    """Weights of an earlier version that come with the package, where a recipe names its model and not a file."""
    if not isinstance(model, str) or Path(model).suffix:
        return None
    from openmm_mdgen.weights.checkpoint import bundled_with_hash

    return bundled_with_hash(content_hash)


def _loaded(model: ModelLike, device: str | None) -> Propagator | Simulator:
    """The task; one for all readers of this process that name the same model, as long as its file stays as it is."""
    if not isinstance(model, str | Path):
        return as_simulator(model, device)
    path = Path(model)
    return _load_once(model, device, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=4)
def _load_once(model: str | Path, device: str | None, _changed: int) -> Propagator | Simulator:
    return as_simulator(model, device)

"""Models by name, as another package registers them: a distribution with entry points, and nothing of ours patched."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from openmm_mdgen.many import simulating
from openmm_mdgen.tasks.protocols import ModelLike
from openmm_mdgen.trajectory import bound_model
from openmm_mdgen.weights.header import ENTRY_POINTS

MODULE = "models_of_another_package"


class Registry:
    """Registers models, in front of those of the package.

    Parameters
    ----------
    folder
        Empty, and on the path already.
    module
        That the entry points name, imported already.

    Examples
    --------
    >>> registry["toy"] = BindableTask()
    >>> load_task("toy")
    """

    def __init__(self, folder: Path, module: ModuleType) -> None:
        self._folder, self._module = folder, module
        self._names: list[str] = []
        self.asked: list[tuple[str, str | None]] = []

    def __setitem__(self, name: str, model: ModelLike) -> None:
        setattr(self._module, name, self._loader(name, model))
        self._names = [*(n for n in self._names if n != name), name]
        information = self._folder / f"{MODULE}-1.0.dist-info"
        information.mkdir(exist_ok=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {MODULE}\nVersion: 1.0\n")
        lines = [f"[{ENTRY_POINTS}]", *(f"{n} = {MODULE}:{n}" for n in self._names)]
        (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
        importlib.invalidate_caches()
        forget_models()

    def _loader(self, name: str, model: ModelLike) -> Callable[[str | None], ModelLike]:
        def load(device: str | None) -> ModelLike:
            self.asked.append((name, device))
            return model

        return load


def forget_models() -> None:
    """Drop the models that are kept for readers of this process."""
    bound_model._load_once.cache_clear()
    simulating._load_once.cache_clear()


@pytest.fixture
def registry(tmp_path_factory, monkeypatch):
    """A `Registry` for one test."""
    folder, module = tmp_path_factory.mktemp("models"), ModuleType(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setitem(importlib.sys.modules, MODULE, module)
    yield Registry(folder, module)
    forget_models()

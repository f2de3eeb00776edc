"""Modules of the ``evaluate`` extra, imported where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from openmm_mdgen.errors import MDGenError


def require(module: str) -> ModuleType:
    """Import a module of the ``evaluate`` extra, or say how to install it.

    Raises
    ------
    MDGenError
        When the package is missing.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise MDGenError(f"evaluate needs {package}, which is missing; pip install 'openmm-mdgen[evaluate]'") from error

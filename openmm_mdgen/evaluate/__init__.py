"""Judge generated trajectories against reference ones: ``openmm_mdgen.evaluate(...)``.

The package can be called: ``openmm_mdgen.evaluate(reference, generated)`` is `openmm_mdgen.evaluate.compare.evaluate`.
"""

import sys
from types import ModuleType
from typing import Any

from openmm_mdgen.evaluate.compare import evaluate
from openmm_mdgen.evaluate.results import Evaluation

__all__ = ["Evaluation", "evaluate"]


class _CallablePackage(ModuleType):
    """Lets a package and the function of the same name share one name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Evaluation:
        return evaluate(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage

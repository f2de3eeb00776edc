"""Generative molecular dynamics (MDGen) behind OpenMM's Integrator and MDAnalysis' Universe.

Importing it teaches MDAnalysis the ``.mdgen`` format; torch is imported only when frames are made.
"""

import importlib
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

# torch's threads read it when torch is loaded: they spin while they wait, and collapse beside one busy process
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & set(os.environ):
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

from openmm_mdgen.errors import MDGenError as MDGenError
from openmm_mdgen.errors import MDGenWarning as MDGenWarning

if find_spec("MDAnalysis") is not None and find_spec("openmm") is not None:  # a machine that only trains has neither
    from openmm_mdgen.trajectory import reader as _reader  # noqa: F401  registers the .mdgen format

if TYPE_CHECKING:
    from openmm_mdgen.api.inpaint import design as design
    from openmm_mdgen.api.inpaint import inpaint as inpaint
    from openmm_mdgen.api.interpolate import interpolate as interpolate
    from openmm_mdgen.api.interpolate import unconditional as unconditional
    from openmm_mdgen.api.simulate import simulate as simulate
    from openmm_mdgen.correction.correct import correct as correct
    from openmm_mdgen.evaluation.compare import evaluate as evaluate
    from openmm_mdgen.forcefield.build import build_peptide as build_peptide
    from openmm_mdgen.integrator import GenerativeIntegrator as GenerativeIntegrator
    from openmm_mdgen.many.correct import correct_many as correct_many
    from openmm_mdgen.many.evaluate import evaluate_many as evaluate_many
    from openmm_mdgen.many.simulate import simulate_many as simulate_many
    from openmm_mdgen.trajectory.recipe import Recipe as Recipe
    from openmm_mdgen.trajectory.recipe_file import read_recipe as read_recipe
    from openmm_mdgen.trajectory.recipe_file import write_recipe as write_recipe
    from openmm_mdgen.upsampling import upsample as upsample
    from openmm_mdgen.weights.checkpoint import load_task as load_task

_LATER = {  # imported when asked for: they bring torch, OpenMM or MDAnalysis
    "GenerativeIntegrator": "integrator",
    "Recipe": "trajectory.recipe",
    "build_peptide": "forcefield.build",
    "correct": "correction.correct",
    "design": "api.inpaint",
    "evaluate": "evaluation.compare",
    "inpaint": "api.inpaint",
    "interpolate": "api.interpolate",
    "load_task": "weights.checkpoint",
    "correct_many": "many.correct",
    "evaluate_many": "many.evaluate",
    "simulate_many": "many.simulate",
    "read_recipe": "trajectory.recipe_file",
    "simulate": "api.simulate",
    "unconditional": "api.interpolate",
    "upsample": "upsampling",
    "write_recipe": "trajectory.recipe_file",
}

__all__ = [
    "GenerativeIntegrator",
    "MDGenError",
    "MDGenWarning",
    "Recipe",
    "build_peptide",
    "correct",
    "correct_many",
    "design",
    "evaluate",
    "evaluate_many",
    "inpaint",
    "interpolate",
    "load_task",
    "read_recipe",
    "simulate",
    "simulate_many",
    "unconditional",
    "upsample",
    "write_recipe",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"openmm_mdgen.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})

"""Generative molecular dynamics (MDGen) behind OpenMM's Integrator and MDAnalysis' Universe.

Importing it teaches MDAnalysis the ``.mdgen`` format; torch is imported only when frames are made.
"""

import importlib
from typing import Any

from openmm_mdgen import reader as reader
from openmm_mdgen.api import simulate as simulate
from openmm_mdgen.integrator import GenerativeIntegrator as GenerativeIntegrator
from openmm_mdgen.upsampling import upsample as upsample

__all__ = [
    "GenerativeIntegrator",
    "design",
    "evaluate",
    "inpaint",
    "interpolate",
    "simulate",
    "unconditional",
    "upsample",
]
_LATER = {  # these import torch
    "interpolate": "transition_paths",
    "unconditional": "transition_paths",
    "inpaint": "inpainting",
    "design": "inpainting",
}


def __getattr__(name: str) -> Any:
    if name == "evaluate":
        return importlib.import_module("openmm_mdgen.evaluate")
    if name in _LATER:
        return getattr(importlib.import_module(f"openmm_mdgen.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

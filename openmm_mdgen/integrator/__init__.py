"""The OpenMM edge: an Integrator whose steps are generated frames."""

from openmm_mdgen.integrator.generative import GenerativeIntegrator

__all__ = ["GenerativeIntegrator"]

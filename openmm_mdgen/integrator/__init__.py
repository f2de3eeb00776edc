"""The OpenMM edge: an Integrator whose steps are generated frames.

May import weights, tasks, convert, peptide and errors.
"""

from openmm_mdgen.integrator.generative import GenerativeIntegrator

__all__ = ["GenerativeIntegrator"]

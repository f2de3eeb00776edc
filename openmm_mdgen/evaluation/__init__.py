"""Judge generated trajectories against reference ones; `openmm_mdgen.evaluate` is its face.

May import convert, peptide, geometry, files and errors: it knows nothing of models.
"""

from openmm_mdgen.evaluation.compare import evaluate
from openmm_mdgen.evaluation.evaluation import Evaluation

__all__ = ["Evaluation", "evaluate"]

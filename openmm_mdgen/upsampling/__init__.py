"""Trajectories made finer: original frames as they were, the frames between made by a model.

May import trajectory, weights, tasks, convert, peptide, geometry, files and errors.
"""

from openmm_mdgen.upsampling.gaps import LinearGapFiller
from openmm_mdgen.upsampling.inplace import upsample_dcd
from openmm_mdgen.upsampling.reader import UpsampledReader
from openmm_mdgen.upsampling.universe import upsample

__all__ = ["LinearGapFiller", "UpsampledReader", "upsample", "upsample_dcd"]

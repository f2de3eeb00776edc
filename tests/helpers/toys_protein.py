"""AdK (214 residues, CHARMM names, hydrogens) from MDAnalysisTests, loaded once."""

from __future__ import annotations

from functools import cache

import pytest
from MDAnalysis import Universe

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.peptide.peptide import Structure


@cache
def adk_universe() -> Universe:
    """The trajectory, 98 frames."""
    files = pytest.importorskip("MDAnalysisTests.datafiles", reason="MDAnalysisTests is not installed")
    return Universe(files.PSF, files.DCD)


@cache
def adk_structure() -> Structure:
    """The first frame."""
    adk_universe().trajectory[0]
    return atomgroup_to_structure(adk_universe().atoms)

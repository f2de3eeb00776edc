"""Hydrogens of generated frames: moving or quiet."""

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.hydrogens import heavy_bond_pairs
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.hydrogens import KINDS, checked_hydrogens, peptide_motion
from tests.helpers.tiny import structure


def test_the_two_kinds_and_no_third():
    assert [checked_hydrogens(kind) for kind in KINDS] == list(KINDS)
    with pytest.raises(MDGenError, match="hydrogens 'still' is not known; choose one of moving, quiet"):
        checked_hydrogens("still")


def test_a_motion_of_every_hydrogen():
    source = structure("QGRE")
    peptide = Peptide.from_structure(source)
    bonds = list(heavy_bond_pairs(peptide.residue_types, peptide.heavy))
    motion = peptide_motion(peptide, bonds, source.positions, 300.0)
    assert sorted(np.asarray(motion.atoms).tolist()) == sorted(peptide.hydrogens)

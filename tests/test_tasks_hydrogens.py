"""Hydrogens of generated frames: moving or quiet."""

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.hydrogens import heavy_bond_pairs
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.hydrogens import KINDS, checked_hydrogens, hydrogen_motion, motion_of
from tests.helpers.tiny import structure


def test_the_kinds_and_no_other():
    assert [checked_hydrogens(kind) for kind in KINDS] == list(KINDS)
    with pytest.raises(MDGenError, match="hydrogens 'still' is not known; choose one of moving, thermal, quiet"):
        checked_hydrogens("still")


def test_a_motion_of_every_hydrogen():
    source = structure("QGRE")
    peptide = Peptide.from_structure(source)
    bonds = list(heavy_bond_pairs(peptide.residue_types, peptide.heavy))
    motion = hydrogen_motion(peptide, bonds, source.positions, 300.0)
    assert sorted(np.asarray(motion.atoms).tolist()) == sorted(peptide.hydrogens)


def test_moving_leaves_heavy_atoms_to_the_last_bit_thermal_does_not_and_quiet_moves_nothing():
    source = structure("QGRE")
    peptide = Peptide.from_structure(source)
    bonds = list(heavy_bond_pairs(peptide.residue_types, peptide.heavy))
    blocks = np.repeat(source.positions[None, None].astype(float), 3, 1)
    heavy, hydrogens = list(peptide.heavy.values()), list(peptide.hydrogens)
    moving, thermal = (motion_of(kind, peptide, bonds, source.positions, 300.0) for kind in ("moving", "thermal"))
    assert moving is not None and thermal is not None
    assert motion_of("quiet", peptide, bonds, source.positions, 300.0) is None
    first, second = moving.blocks_moved(blocks, [1]), thermal.blocks_moved(blocks, [1])
    np.testing.assert_array_equal(first[:, :, heavy], blocks[:, :, heavy])
    assert np.abs(first[:, :, hydrogens] - blocks[:, :, hydrogens]).max() > 0.1
    assert np.abs(second[:, :, heavy] - blocks[:, :, heavy]).max() > 0.01
    np.testing.assert_array_equal(moving.moved(blocks[0], 1), first[0])

"""Hydrogens of generated frames: moving or quiet."""

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.hydrogen_motion import HydrogenMotion
from openmm_mdgen.peptide.hydrogens import heavy_bond_pairs
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.hydrogens import KINDS, checked_hydrogens, from_file, in_file, motion_of
from tests.helpers.tiny import structure


def test_the_kinds_and_no_other():
    assert [checked_hydrogens(kind) for kind in KINDS] == list(KINDS)
    with pytest.raises(MDGenError, match="hydrogens 'still' is not known; choose one of moving, thermal, quiet"):
        checked_hydrogens("still")


def test_a_motion_of_every_hydrogen():
    source = structure("QGRE")
    peptide = Peptide.from_structure(source)
    bonds = list(heavy_bond_pairs(peptide.residue_types, peptide.heavy))
    motion = motion_of("moving-1", peptide, bonds, source.positions, 300.0)
    assert isinstance(motion, HydrogenMotion)
    assert sorted(np.asarray(motion.atoms).tolist()) == sorted(peptide.hydrogens)


def test_files_keep_the_first_meaning_of_moving():
    assert [from_file(in_file(kind)) for kind in (*KINDS, "moving-1")] == [*KINDS, "moving-1"]
    assert from_file("moving") == "moving-1"
    assert (in_file("moving"), in_file("quiet")) == ("moving-2", "quiet")
    assert checked_hydrogens("moving-1") == "moving-1"


def test_first_moving_leaves_heavy_atoms_to_the_last_bit_others_do_not_and_quiet_moves_nothing():
    source = structure("QGRE")
    peptide = Peptide.from_structure(source)
    bonds = list(heavy_bond_pairs(peptide.residue_types, peptide.heavy))
    blocks = np.repeat(source.positions[None, None].astype(float), 3, 1)
    heavy, hydrogens = list(peptide.heavy.values()), list(peptide.hydrogens)
    kinds = ("moving-1", "moving", "thermal")
    first, moving, thermal = (motion_of(kind, peptide, bonds, source.positions, 300.0) for kind in kinds)
    assert first is not None and moving is not None and thermal is not None
    assert motion_of("quiet", peptide, bonds, source.positions, 300.0) is None
    old, new, all_moved = (motion.blocks_moved(blocks, [1]) for motion in (first, moving, thermal))
    np.testing.assert_array_equal(old[:, :, heavy], blocks[:, :, heavy])
    assert np.abs(old[:, :, hydrogens] - blocks[:, :, hydrogens]).max() > 0.1
    assert 0.01 < np.abs(new[:, :, heavy] - blocks[:, :, heavy]).max() < 0.5
    assert np.abs(all_moved[:, :, heavy] - blocks[:, :, heavy]).max() > 0.01
    np.testing.assert_array_equal(moving.moved(blocks[0], 1), new[0])

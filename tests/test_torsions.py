"""Torsion angles of a chain."""

import numpy as np

from openmm_mdgen.evaluation.torsions import backbone_pairs, torsion_angles, torsions_of

SEQUENCE = ("ACE", "VAL", "NME")
ATOMS = ((0, "C"), (1, "N"), (1, "CA"), (1, "C"), (2, "N"), (1, "CB"), (1, "CG1"))
INDEX = {atom: k for k, atom in enumerate(ATOMS)}


def test_caps_lend_their_atoms_and_have_no_torsions():
    found = torsions_of(INDEX, SEQUENCE)
    assert [t.label for t in found] == ["phi VAL2", "psi VAL2", "chi1 VAL2"]
    assert [t.backbone for t in found] == [True, True, False]
    assert backbone_pairs(found) == [(0, 1)]


def test_a_torsion_whose_atoms_are_not_there_is_left_out():
    assert [t.kind for t in torsions_of({k: v for k, v in INDEX.items() if k != (0, "C")}, SEQUENCE)] == ["psi", "chi1"]


def test_angles():
    torsions = torsions_of(INDEX, SEQUENCE)[:1]
    flat = np.zeros((2, len(ATOMS), 3))
    flat[:, :4] = [[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0]]
    flat[1, 3] = [0, -1, 0]
    np.testing.assert_allclose(np.abs(torsion_angles(flat, torsions)[:, 0]), [0, np.pi], atol=1e-6)
    assert torsion_angles(flat, []).shape == (2, 0)

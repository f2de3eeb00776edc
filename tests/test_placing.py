"""Positions in and out of a Context; frozen atoms stay."""

import numpy as np
import openmm as mm
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator.placing import FramePlacer, read_positions


def context(masses: tuple[float, ...], constrained: bool = False) -> mm.Context:
    system = mm.System()
    for mass in masses:
        system.addParticle(mass)
    if constrained:
        system.addConstraint(0, 1, 0.1)
    return mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))


def test_unset_positions_are_an_error():
    with pytest.raises(MDGenError, match="positions are unset"):
        read_positions(context((1.0, 1.0)))


def test_positions_that_are_no_numbers_name_the_atom():
    here = context((1.0, 1.0))
    here.setPositions([mm.Vec3(0, 0, 0), mm.Vec3(float("nan"), 0, 0)])
    with pytest.raises(MDGenError, match="atom 1 has a NaN"):
        read_positions(here)


def test_frozen_atoms_stay_and_constraints_hold():
    here = context((1.0, 1.0, 0.0), constrained=True)
    placer = FramePlacer(here.getSystem())
    held = np.zeros((3, 3))
    placer.put(here, np.array([[0, 0, 0], [0.12, 0, 0], [1.0, 1, 1]]), held, 1e-6)
    found = read_positions(here)
    assert np.linalg.norm(found[0] - found[1]) == pytest.approx(0.1, abs=1e-5)
    assert not found[2].any() and placer.frozen.ravel().tolist() == [False, False, True]

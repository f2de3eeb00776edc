"""Maxwell-Boltzmann velocities, a function of their key."""

import numpy as np
import openmm as mm
import pytest

from openmm_mdgen.integrator.velocities import VelocitySource


def system(n: int, mass: float = 12.0, at_rest: bool = False) -> mm.System:
    made = mm.System()
    for _ in range(n):
        made.addParticle(mass)
    made.addParticle(0.0)
    if at_rest:
        made.addForce(mm.CMMotionRemover())
    return made


def test_the_same_key_gives_the_same_velocities_and_another_others():
    source = VelocitySource(system(3))
    assert np.array_equal(source.draw(300, (1, 2, 3)), source.draw(300, (1, 2, 3)))
    assert not np.array_equal(source.draw(300, (1, 2, 3)), source.draw(300, (1, 2, 4)))


def test_the_spread_is_that_of_the_temperature_and_massless_atoms_rest():
    velocities = VelocitySource(system(20_000)).draw(300, (0,))
    assert not velocities[-1].any()
    kinetic = 0.5 * 12.0 * (velocities**2).sum() / 20_000  # kJ/mol of an atom
    assert kinetic == pytest.approx(1.5 * 0.00831446 * 300, rel=0.03)


def test_the_centre_rests_where_the_system_says_so():
    velocities = VelocitySource(system(5, at_rest=True)).draw(300, (0,))
    np.testing.assert_allclose(velocities.sum(0), 0, atol=1e-12)
    assert np.abs(VelocitySource(system(5)).draw(300, (0,)).sum(0)).max() > 1e-3

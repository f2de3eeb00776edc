"""How many frames fit between two."""

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.upsampling.spacing import checked_spacing, upsampling_factor


def test_what_the_file_says_unless_it_is_said():
    assert checked_spacing(10.0, None, "a.dcd") == 10.0
    assert checked_spacing(0.0, 20.0, "a.dcd") == 20.0


@pytest.mark.parametrize(("stored", "dt", "message"), [(0.0, None, "does not say how far"), (10.0, -1.0, "dt=-1 ps")])
def test_no_spacing(stored, dt, message):
    with pytest.raises(MDGenError, match=message):
        checked_spacing(stored, dt, "a.dcd")


def test_factors_with_the_rounding_of_files():
    assert upsampling_factor(10.0, 0.1, "a.dcd") == 100
    assert upsampling_factor(9.99995, 1.0, "a.dcd") == 10
    assert upsampling_factor(10.0, 10.0, "a.dcd") == 1


@pytest.mark.parametrize(
    ("interval", "message"),
    [(20.0, "is coarser than the frames"), (3.0, "choose 2.5 or 3.33333 ps"), (0.0, "is not a time between frames")],
)
def test_intervals_that_do_not_fit(interval, message):
    with pytest.raises(MDGenError, match=message):
        upsampling_factor(10.0, interval, "a.dcd")

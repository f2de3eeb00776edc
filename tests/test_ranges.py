"""The one range check of times."""

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.ranges import check_time, is_within


@pytest.mark.parametrize("value", [1.0, 100.0, 50.0, 0.9995, 100.05])
def test_inside(value):
    assert is_within(value, (1.0, 100.0))
    check_time("an interval", value, (1.0, 100.0), "model 'x'")


@pytest.mark.parametrize("value", [0.99, 101.0, float("nan"), float("inf"), -1.0])
def test_outside(value):
    with pytest.raises(MDGenError, match=rf"of {value:g} ps is outside model 'x'.s range 1 to 100 ps; choose"):
        check_time("an interval", value, (1.0, 100.0), "model 'x'")
    check_time("an interval", value, None, "model 'x'")

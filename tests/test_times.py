"""Times as users write them."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openmm import unit

from openmm_mdgen.convert.times import checked_time, is_number, text_to_picoseconds, to_picoseconds, whole_intervals
from openmm_mdgen.errors import MDGenError, MDGenWarning


@pytest.mark.parametrize(
    "time, expected",
    [
        (1000, 1000.0),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array(2.0), 2.0),
        ("1ns", 1000.0),
        ("0.1 ps", 0.1),
        (" 4fs ", 0.004),
        (".5ns", 500.0),
        ("1e3 ps", 1000.0),
        ("2 us", 2e6),
        ("2 µs", 2e6),
        ("2 \u03bcs", 2e6),
        ("1 ms", 1e9),
        ("10 nanoseconds", 1e4),
        ("10*picoseconds", 10.0),
        ("1 NS", 1000.0),
        (1 * unit.nanosecond, 1000.0),
        (4 * unit.femtoseconds, 0.004),
        (np.float64(2) * unit.microsecond, 2e6),
    ],
)
def test_numbers_texts_and_quantities(time, expected):
    assert to_picoseconds(time) == pytest.approx(expected, rel=1e-12)
    assert checked_time(time, "time", "1000") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "time",
    [
        "1", "ns", "", "1 parsec", "1 kelvin", "1.2.3ps", "1ps 2", "nan ps", "inf ps", None, True, [1.0], {"ps": 1},
        np.array([1.0]), 350 * unit.kelvin, 1 / unit.picosecond, [1.0] * unit.picosecond, 2 * unit.angstrom,
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_time(time):
    with pytest.raises(
        MDGenError, match=r"^interval .* is no time; give interval=1\*picosecond, a text .* or a number"
    ):
        to_picoseconds(time, "interval", "1*picosecond")


@pytest.mark.parametrize("time", [0, -1, "-1ps", "0fs", float("nan"), float("inf"), -2 * unit.picosecond])
def test_times_must_be_above_zero(time):
    with pytest.raises(MDGenError, match=r"^time .* ps must be above 0; give for example time=1000"):
        checked_time(time, "time", "1000")


def test_texts_that_are_no_time_are_told_apart_from_names():
    assert text_to_picoseconds("peptide") is None
    assert text_to_picoseconds("10ps") == 10


@pytest.mark.parametrize("value, expected", [(1, True), (np.float64(1), True), (True, False), ("1", False)])
def test_plain_numbers(value, expected):
    assert is_number(value) is expected


@given(st.integers(1, 10**7), st.sampled_from([0.1, 0.3, 1.0, 2.5, 10.0, 100.0]))
def test_multiples_are_not_rounded(number, interval):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert whole_intervals(number * interval, interval) == number


@pytest.mark.parametrize("time, number, rounded", [(25.0, 3, "30 ps"), ("1ps", 1, "10 ps"), ("0.0101 ns", 2, "20 ps")])
def test_other_times_are_rounded_up(time, number, rounded):
    with pytest.warns(MDGenWarning, match=f"is not a multiple of the interval 10 ps; it is rounded up to {rounded}"):
        assert whole_intervals(time, 10.0) == number


@pytest.mark.parametrize("time", [0, -5.0, float("nan"), "0ps", "soon", None])
def test_times_that_hold_no_interval(time):
    with pytest.raises(MDGenError, match="--time"):
        whole_intervals(time, 10.0, "--time")

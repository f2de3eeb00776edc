"""Times and counts on the command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmm_mdgen.cli.quantities import Time, text_to_time
from openmm_mdgen.convert.times import time_to_text
from openmm_mdgen.errors import MDGenError


@pytest.mark.parametrize(
    ("text", "time"),
    [("10ns", 1e4), ("0.1ps", 0.1), ("500 ps", 500.0), ("1e3ps", 1e3), ("2us", 2e6), ("100fs", 0.1), ("1 NS", 1e3)],
)
def test_text_to_time(text, time):
    assert text_to_time(text) == pytest.approx(time)


@pytest.mark.parametrize("text", ["10", "ns", "ten ns", "10 parsec", "1.2.3ns", "", "nan ps"])
def test_no_time(text):
    with pytest.raises(MDGenError, match="is not a time; write a number and fs, ps"):
        text_to_time(text)


@pytest.mark.parametrize("text", ["0ns", "-1ns", "1e999ns"])
def test_zero_negative_and_infinite_times(text):
    with pytest.raises(MDGenError, match=f"'{text}' must be above 0; write for example 10ns"):
        text_to_time(text)


@given(st.floats(1e-3, 1e12))
def test_time_to_text_and_back(time):
    assert text_to_time(time_to_text(time)) == pytest.approx(time, rel=1e-5)


@pytest.mark.parametrize("text", ["0ps", "0 ns"])
def test_zero_where_it_is_allowed(text):
    assert Time(zero=True).convert(text, None, None) == 0
    with pytest.raises(MDGenError, match="must be 0 or more"):
        Time(zero=True).convert("-1ps", None, None)

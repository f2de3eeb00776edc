"""Warnings as a user of the command line reads them."""

import warnings

from openmm_mdgen.cli.messages import one_line_warnings
from openmm_mdgen.errors import MDGenWarning


def test_our_warnings_on_one_line_and_those_of_libraries_not(capsys):
    with one_line_warnings():
        warnings.warn("the time is rounded up", MDGenWarning, stacklevel=1)
        warnings.warn("a library's own affair", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: the time is rounded up\n"


def test_filters_are_as_before_afterwards():
    before = list(warnings.filters)
    with one_line_warnings():
        pass
    assert warnings.filters == before

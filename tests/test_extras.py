"""Modules of the evaluate extra."""

import math

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.extras import require


def test_a_module_that_is_there():
    assert require("math") is math


def test_one_that_is_not():
    with pytest.raises(MDGenError, match=r"evaluate needs no_such_package, .* pip install 'openmm-mdgen\[evaluate\]'"):
        require("no_such_package.part")

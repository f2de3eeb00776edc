"""Lightning's Fabric for one process."""

import sys

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.train.fabric import build_fabric


def test_one_process_on_the_cpu():
    fabric = build_fabric("cpu", "1", 1, "32-true")
    assert fabric.world_size == 1 and fabric.device.type == "cpu"
    assert type(fabric.strategy).__name__ == "SingleDeviceStrategy"


def test_without_lightning_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning", None)
    with pytest.raises(MDGenError, match=r"pip install 'openmm-mdgen\[train\]'"):
        build_fabric("cpu", "1", 1, "auto")

"""Lightning's Fabric: for one process, and what it is told for several GPUs and nodes."""

import sys

import pytest
from click.testing import CliRunner

from openmm_mdgen.cli import group
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


class AskedError(Exception):
    """Ends a run where Lightning would begin."""


@pytest.fixture
def asked(monkeypatch):
    """The settings of a double of Lightning's Fabric that finds whatever devices it is told of."""
    lightning = pytest.importorskip("lightning")
    found = {}

    class Double:
        def __init__(self, **settings):
            found.update(settings)

        def launch(self):
            found["launched"] = True

    monkeypatch.setattr(lightning, "Fabric", Double)
    return found


@pytest.mark.parametrize(
    ("accelerator", "devices", "nodes", "strategy"),
    [
        ("gpu", "4", 1, "ddp"),
        ("gpu", "0,2", 1, "ddp"),
        ("gpu", "8", 4, "ddp"),
        ("auto", "auto", 2, "ddp"),
        ("cpu", "2", 1, "ddp"),
        ("cpu", "1", 1, "auto"),
        ("cpu", "auto", 1, "auto"),
    ],
)
def test_settings_pass_through(asked, accelerator, devices, nodes, strategy):
    build_fabric(accelerator, devices, nodes, "bf16-mixed")
    assert asked.pop("launched")
    expected = {"accelerator": accelerator, "devices": devices, "num_nodes": nodes, "precision": "bf16-mixed"}
    assert asked == expected | {"strategy": strategy}


def test_batches_that_leave_parameters_out_are_told(asked):
    build_fabric("gpu", "4", 1, "32-true", unused_parameters=True)
    assert asked["strategy"] == "ddp_find_unused_parameters_true" and asked["precision"] == "32-true"


@pytest.mark.parametrize("network", ["mdgen", "peptide"])
def test_options_of_the_command(monkeypatch, tmp_path, network):
    """From the command line to Lightning, for either network."""
    lightning, found = pytest.importorskip("lightning"), {}

    class Double:
        def __init__(self, **settings):
            found.update(settings)
            raise AskedError

    monkeypatch.setattr(lightning, "Fabric", Double)
    command = ["train", str(tmp_path), "-o", str(tmp_path / "run"), "--network", network, "--nodes", "2"]
    command += ["--devices", "4", "--accelerator", "gpu", "--precision", "bf16-mixed"]
    result = CliRunner().invoke(group, command)
    assert isinstance(result.exception, AskedError), result.output
    assert found["devices"] == "4" and found["num_nodes"] == 2 and found["strategy"].startswith("ddp")
    assert found["accelerator"] == "gpu" and found["precision"] == "bf16-mixed"

"""Weights on disk, and what a ``model=`` argument means."""

import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.tasks.upsample import Upsample
from openmm_mdgen.weights import tensor_file
from openmm_mdgen.weights.checkpoint import (
    bundled_path,
    choose_device,
    load_task,
    load_weights,
    read_weights,
    save_weights,
)
from tests.helpers.tiny import DATA, structure

TINY, UPSAMPLE = DATA / "tiny.safetensors", DATA / "tiny-upsample.safetensors"


def changed(path, target, change):
    """A copy of a weights file whose tensors went through ``change``."""
    with safe_open(path, framework="pt") as handle:
        metadata = handle.metadata()
    save_file(change(load_file(path)), target, metadata=metadata)
    return target


@pytest.mark.parametrize("path", [TINY, UPSAMPLE])
def test_round_trip(path, tmp_path):
    weights = read_weights(path)
    copy = tmp_path / "copy.safetensors"
    save_weights(copy, replace(weights, name="copy", training={"steps": 3, "windows": {"first": 0.8}}))
    again = read_weights(copy)
    assert again.name == "copy" and again.training == {"steps": 3, "windows": {"first": 0.8}}
    for name in ("config", "task", "temperature", "intervals", "spacings", "lengths"):
        assert getattr(again, name) == getattr(weights, name)
    for old, new in ((weights.state, again.state), (weights.tables, again.tables)):
        assert old.keys() == new.keys() and all(torch.equal(old[k], new[k]) for k in old)
    assert [p.name for p in tmp_path.iterdir()] == ["copy.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_permissions_are_those_of_new_files(tmp_path, umask, mode):
    path = tmp_path / "model.safetensors"
    before = os.umask(umask)
    try:
        for _ in range(2):  # made anew, and written over
            save_weights(path, read_weights(TINY))
            assert path.stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_content_hash_is_the_files():
    assert read_weights(TINY).content_hash == hashlib.sha256(TINY.read_bytes()).hexdigest()
    assert load_task(TINY).content_hash != load_task(UPSAMPLE).content_hash


def test_tasks_by_path():
    for path in (TINY, str(TINY)):
        task = load_task(path, "cpu")
        assert isinstance(task, Simulate) and (task.name, task.lengths) == ("tiny", (1, 6))
        assert not task.network.training and not any(p.requires_grad for p in task.network.parameters())
    task = load_task(UPSAMPLE)
    assert isinstance(task, Upsample) and (task.spacings, task.intervals) == ((1.0, 10.0), (0.1, 1.0))


def test_a_loaded_copy_generates_the_same():
    start = structure("ACE-A-NME").positions
    blocks = [load_task(TINY, "cpu").bind(structure("ACE-A-NME")).next_block(start, 1) for _ in range(2)]
    assert np.array_equal(*blocks)


def test_objects_are_used_as_they_are():
    class Propagator:
        n_frames = 1

        def next_block(self, start, seed):
            return start[None]

    own, task = Propagator(), load_task(TINY)
    assert load_task(own) is own and load_task(task) is task
    for stranger in (3, object(), None):
        with pytest.raises(MDGenError, match=f"got a {type(stranger).__name__} without next_block or bind"):
            load_task(stranger)


def test_unknown_name_lists_the_known():
    with pytest.raises(
        MDGenError, match=r"model 'protein' is unknown; known are .*peptide, peptide-0.1, peptide-upsample"
    ):
        load_task("protein")


def test_names_registered_by_other_packages(registry):
    registry["theirs"] = load_task(TINY)
    assert load_task("theirs", "cpu").name == "tiny" and registry.asked == [("theirs", "cpu")]
    with pytest.raises(MDGenError, match=r"known are peptide, .*peptide-upsample, theirs, or give the path"):
        load_task("ours")


def test_the_first_of_two_models_of_one_name_counts(registry):
    registry["peptide"] = load_task(TINY)
    assert load_task("peptide").name == "tiny"


@pytest.mark.parametrize("name", ["peptide", "peptide-upsample"])
def test_bundled_models(name):
    if not bundled_path(name).exists():
        pytest.skip(f"{name} is not bundled")
    task = load_task(name)
    assert task.name == name and task.lengths == (1, 12) and task.temperatures == (280.0, 450.0)
    assert load_weights(name).content_hash == task.content_hash
    assert bundled_path(name).stat().st_size <= 20e6


def test_all_bundled_weights_together_are_small():
    folder = bundled_path("peptide").parent
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) <= 40e6


def test_missing_file(tmp_path):
    for load in (load_task, read_weights):
        with pytest.raises(MDGenError, match=r"absent.safetensors does not exist; name a .safetensors file"):
            load(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "folder"])
def test_damaged_file(tmp_path, damage):
    path = tmp_path / "bad.safetensors"
    if damage == "folder":
        path.mkdir()
    else:
        whole = TINY.read_bytes()
        path.write_bytes({"truncated": whole[: len(whole) // 2], "text": b"hello, world" * 9, "empty": b""}[damage])
    with pytest.raises(MDGenError, match=r"bad.safetensors is damaged or no .safetensors file .*; fetch or train"):
        load_task(path)


def test_foreign_file(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(MDGenError, match=r"foreign.safetensors is of format None, not 'openmm-mdgen velocity 1'"):
        load_task(path)
    save_file({"weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(MDGenError, match="of format 'pt'"):
        load_task(path)


@pytest.mark.parametrize("key", ["about", "config"])
@pytest.mark.parametrize("text", [None, "{", '{"colour": 1}', "[]"])
def test_damaged_metadata(tmp_path, key, text):
    path = tmp_path / "odd.safetensors"
    with safe_open(TINY, framework="pt") as handle:
        metadata = handle.metadata()
    metadata = {k: v for k, v in (metadata | {key: text}).items() if v is not None}
    save_file(load_file(TINY), path, metadata=metadata)
    with pytest.raises(MDGenError, match=r"odd.safetensors .*metadata"):
        load_task(path)


def test_tensors_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "odd.safetensors"
    name = "network.token_out.weight"
    cases = {
        r"missing token_out.weight; fetch": lambda t: {k: v for k, v in t.items() if k != name},
        r"unexpected extra;": lambda t: t | {"network.extra": torch.zeros(1)},
        r"token_out.weight is \(3, 3\), not \(46, 16\)": lambda t: t | {name: torch.zeros(3, 3)},
        r"missing .*; missing .*; missing .* and \d+ more": lambda t: {k: v for k, v in t.items() if "table" in k},
    }
    for message, change in cases.items():
        with pytest.raises(MDGenError, match=rf"odd.safetensors does not fit its network: {message}"):
            load_task(changed(TINY, path, change))


@pytest.mark.parametrize("name", ["table.mean", "table.std"])
def test_tables_that_do_not_fit_are_named(tmp_path, name):
    path = tmp_path / "odd.safetensors"
    with pytest.raises(MDGenError, match=rf"odd.safetensors .*missing {name.removeprefix('table.')}"):
        load_task(changed(TINY, path, lambda t: {k: v for k, v in t.items() if k != name}))


def test_tables_of_upsampling(tmp_path):
    path = tmp_path / "odd.safetensors"
    for change, message in (
        ({"table.own": torch.zeros(1, 4, 16, 16)}, r"own is \(1, 4, 16, 16\), not \(4, 4, 16, 16\)"),
        ({"table.frequencies": torch.zeros(4, 0)}, r"frequencies is \(4, 0\), not \(4, 1\)"),
        ({"table.frequencies": torch.zeros(())}, r"frequencies is \(\), not \(1, 1\)"),
        ({"table.mean": torch.zeros(3)}, r"mean is \(3,\), not \(\d+, 16\)"),
    ):
        with pytest.raises(MDGenError, match=message):
            load_task(changed(UPSAMPLE, path, lambda t, change=change: t | change))


def test_upsampling_without_a_range(tmp_path):
    path = tmp_path / "odd.safetensors"
    save_weights(path, replace(read_weights(UPSAMPLE), spacings=()))
    with pytest.raises(MDGenError, match=r"unreadable metadata .spacings of an upsampling model are a shortest and a"):
        load_task(path)


def test_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_weights(path, read_weights(TINY))
    before = path.read_bytes()

    def fail(tensors, target, metadata):
        target.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(tensor_file, "save_file", fail)
    with pytest.raises(MDGenError, match="no space"):
        save_weights(path, replace(read_weights(TINY), name="new"))
    assert path.read_bytes() == before
    assert [path] == list(tmp_path.iterdir())


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device(None) == choose_device("cpu") == torch.device("cpu")
    for absent in ("cuda", "cuda:1", "mps", "xpu"):
        with pytest.raises(MDGenError, match=rf"device '{absent}' is not present on this machine; choose device='cpu'"):
            load_task(TINY, absent)
    with pytest.raises(MDGenError, match="device 'gpu' is unknown; choose cpu, cuda or mps"):
        load_task(TINY, "gpu")


def test_cuda_is_taken_where_present(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(None) == torch.device("cuda") and choose_device("cpu") == torch.device("cpu")


def test_metadata_is_plain_json():
    with safe_open(TINY, framework="pt") as handle:
        about = json.loads(handle.metadata()["about"])
    assert about["name"] == "tiny" and about["intervals"] == [1.0, 100.0]

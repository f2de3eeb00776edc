"""What a weights file says of itself, from its header."""

import pytest
import torch

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.weights.header import bundled_path, file_info, own_weights, read_header
from openmm_mdgen.weights.tensor_file import write_tensors
from tests.helpers.tiny import DATA


def test_tasks_and_ranges_of_files():
    assert "simulate" in file_info(DATA / "tiny.safetensors").tasks
    assert file_info(DATA / "tiny-upsample.safetensors").tasks == ("upsample",)
    assert file_info(bundled_path("peptide-design")).tasks == ("identities",)


def test_files_that_say_nothing(tmp_path):
    with pytest.raises(MDGenError, match="cannot be read"):
        read_header(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(MDGenError, match="is damaged"):
        read_header(tmp_path / "b.safetensors")
    write_tensors(tmp_path / "c.safetensors", {"x": torch.zeros(1)}, {"about": '{"name": "c"}', "format": "theirs"})
    with pytest.raises(MDGenError, match="unreadable metadata"):
        file_info(tmp_path / "c.safetensors")


def test_which_models_are_known_by_their_file(tmp_path):
    assert own_weights("peptide") == bundled_path("peptide")
    assert own_weights(DATA / "tiny.safetensors") == DATA / "tiny.safetensors"
    for other in ("linear", "gone.safetensors", "hf://lab/model/a.safetensors", tmp_path):
        assert own_weights(other) is None
    write_tensors(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, {"format": "theirs"})
    assert own_weights(tmp_path / "a.safetensors") is None

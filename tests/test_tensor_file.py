"""Tensors and what is said of them in one file."""

import pytest
import torch

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.weights.tensor_file import check_free, read_tensors, write_tensors


def test_there_and_back(tmp_path):
    write_tensors(tmp_path / "a.safetensors", {"x": torch.arange(3)}, {"format": "one"})
    tensors, metadata = read_tensors(tmp_path / "a.safetensors")
    assert tensors["x"].tolist() == [0, 1, 2] and metadata == {"format": "one"}
    check_free(tmp_path / "a.safetensors", "one")
    check_free(tmp_path / "none.safetensors", "one")
    with pytest.raises(MDGenError, match="holds weights of another kind"):
        check_free(tmp_path / "a.safetensors", "another")


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(MDGenError, match="does not exist"):
        read_tensors(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_text("no tensors")
    with pytest.raises(MDGenError, match="is damaged or no"):
        read_tensors(tmp_path / "b.safetensors")
    with pytest.raises(MDGenError, match="cannot"):
        write_tensors(tmp_path / "no folder" / "c.safetensors", {"x": torch.zeros(1)}, {})

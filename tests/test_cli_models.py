"""``openmm-mdgen models`` and what a weights file says of itself."""

import hashlib
import json
import subprocess
import sys

import pytest

from openmm_mdgen.cli import main
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.weights.checkpoint import load_task
from openmm_mdgen.weights.header import bundled_path, file_info, read_header
from tests.helpers.tiny import DATA


def listed(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["models"])
    return capsys.readouterr().out.splitlines()


def test_the_table_has_the_bundled_models(capsys):
    header, *rows = listed(capsys)
    assert header.split() == ["model", "tasks", "residues", "intervals", "temperature", "content"]
    names = [row.split()[0] for row in rows]
    assert {"peptide", "peptide-upsample", "peptide-design"} <= set(names)
    found = hashlib.sha256(bundled_path("peptide").read_bytes()).hexdigest()
    assert found[:12] in rows[names.index("peptide")]


def test_it_brings_no_torch():
    code = (
        "import sys; from openmm_mdgen.cli import main\n"
        "try: main(['models'])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize("name", ["tiny", "tiny-upsample", "tiny-inpaint"])
def test_a_header_says_what_the_loaded_model_says(name):
    found, loaded = file_info(DATA / f"{name}.safetensors"), load_task(DATA / f"{name}.safetensors", "cpu").info
    for field in ("name", "tasks", "content_hash", "intervals", "spacings", "lengths"):
        assert getattr(found, field) == getattr(loaded, field)
    assert found.temperatures == (loaded.temperatures or (350.0, 350.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged or no .safetensors file"),
        (b"\x02\0\0\0\0\0\0\0[]", "is damaged"),
        (b"\xff" * 8 + b"{}", "is damaged"),
        (b"\x02\0\0\0\0\0\0\0{}", "has unreadable metadata"),
    ],
)
def test_damaged_files(content, message, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(MDGenError, match=message):
        file_info(tmp_path / "a.safetensors")


def test_files_of_another_kind_or_none(tmp_path):
    header = json.dumps({"__metadata__": {"format": "pt", "about": "{}"}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert read_header(tmp_path / "a.safetensors")["format"] == "pt"
    with pytest.raises(MDGenError, match=r"unreadable metadata \(format 'pt'\)"):
        file_info(tmp_path / "a.safetensors")
    with pytest.raises(MDGenError, match="cannot be read"):
        file_info(tmp_path / "none.safetensors")

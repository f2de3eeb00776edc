"""The public face: what is promised is there, listed, and cheap to import."""

import subprocess
import sys

import pytest

import openmm_mdgen


@pytest.mark.parametrize("name", openmm_mdgen.__all__)
def test_everything_promised_is_there(name):
    assert getattr(openmm_mdgen, name).__name__ == name


def test_dir_lists_everything_promised():
    assert set(openmm_mdgen.__all__) <= set(dir(openmm_mdgen))


def test_an_absent_name():
    with pytest.raises(AttributeError, match="module 'openmm_mdgen' has no attribute 'simulat'"):
        _ = openmm_mdgen.simulat


def test_importing_brings_no_torch():
    code = "import sys, openmm_mdgen; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_type_checkers_see_everything_promised(tmp_path):
    api = pytest.importorskip("mypy.api")
    lines = [f"reveal_type(openmm_mdgen.{name})" for name in openmm_mdgen.__all__]
    script = tmp_path / "use.py"
    script.write_text("import openmm_mdgen\n" + "\n".join(lines) + "\n")
    out = api.run([str(script), "--follow-imports=silent", "--ignore-missing-imports", "--cache-dir", str(tmp_path)])[0]
    revealed = [line for line in out.splitlines() if "Revealed type" in line]
    assert len(revealed) == len(lines) and not [line for line in revealed if line.endswith('"Any"')]

"""demo, doctor, and simulate without an output."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from openmm_mdgen.cli import demo, doctor, group
from openmm_mdgen.cli import simulate as cli_simulate
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.weights.header import bundled_path
from tests.helpers.tiny import DATA

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def short(monkeypatch):
    """The demo with the tiny network and few frames."""
    options = {p.name: p for p in cli_simulate.command.params}
    monkeypatch.setattr(options["model"], "default", str(DATA / "tiny.safetensors"))
    monkeypatch.setattr(options["time"], "default", "300ps")


def test_the_demo(tmp_path, monkeypatch, short):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(group, ["demo", "--no-open"], catch_exceptions=False)
    assert result.exit_code == 0
    folder = Path("openmm-mdgen-demo")
    assert {p.suffix for p in folder.iterdir() if not p.name.startswith(".")} == {".xtc", ".pdb", ".html"}
    told = [line.strip() for line in result.output.split("Try next:\n")[1].splitlines()]
    assert told[1::2] == list(demo.next_lines(folder).values()) and len(told) == 6
    assert all(line.startswith("# ") for line in told[::2])  # all six can be pasted into a shell
    assert CliRunner().invoke(group, ["demo", "--no-open"]).exit_code == 0  # again, over the same files


def test_lines_to_try_next_are_commands_with_known_options():
    for line in demo.next_lines(Path("demo")).values():
        name, command, *arguments = shlex.split(line)
        assert name == "openmm-mdgen"
        group.get_command(None, command).make_context(command, list(arguments))  # type: ignore[arg-type]


@pytest.mark.slow
def test_lines_to_try_next_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(group, ["demo", "--no-open"]).exit_code == 0
    for line in demo.next_lines(Path("openmm-mdgen-demo")).values():
        result = CliRunner().invoke(group, shlex.split(line)[1:])
        assert result.exit_code == 0, f"{line}: {result.exception}"


def test_a_demo_where_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(group, ["demo", "-o", str(tmp_path / "file" / "demo")])
    assert isinstance(result.exception, MDGenError) and "cannot make folder" in str(result.exception)


def test_simulate_without_an_output_writes_a_page_and_says_where(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    arguments = ["simulate", str(data / "QGRE.pdb"), "--time", "200ps", "--model", str(DATA / "tiny.safetensors")]
    result = CliRunner().invoke(group, [*arguments, "--quiet"], catch_exceptions=False)
    assert result.exit_code == 0 and "page: QGRE_generated.html" in result.output
    assert Path("QGRE_generated.html").stat().st_size > 500_000


def test_the_doctor_says_what_a_report_needs():
    result = CliRunner().invoke(group, ["doctor"], catch_exceptions=False)
    assert result.exit_code == 0 and "broken" not in result.output
    for word in ("Python", "openmm", "MDAnalysis", "torch", "Reference", "cpu:", "cuda", "mps", "bf16"):
        assert word in result.output
    assert hashlib.sha256(bundled_path("peptide").read_bytes()).hexdigest() in result.output
    assert "frames/s" not in result.output  # only where it is asked for


def test_plugins_that_lack_one_library_are_told_on_one_line():
    lacks = "libOpenCL.so.1: cannot open shared object file: No such file or directory"
    failures = [f"Error loading library /a/plugins/libOpenMM{name}.so: {lacks}" for name in ("OpenCL", "DrudeOpenCL")]
    failures += ["Error loading library C:\\a\\OpenMMCUDA.dll: 126", "what it never said before\nand more"]
    assert doctor.failed_plugins(failures) == {
        lacks: ["OpenMMOpenCL", "OpenMMDrudeOpenCL"],
        "126": ["OpenMMCUDA"],
        "what it never said before": ["plugin"],
    }


def test_the_doctor_measures(monkeypatch):
    monkeypatch.setattr(doctor, "_SECONDS", 0.01)
    monkeypatch.setattr(doctor, "_SIZE", 64)
    result = CliRunner().invoke(group, ["doctor", "--measure"], catch_exceptions=False)
    assert "broken" not in result.output
    assert len(re.findall(r"GFLOP/s", result.output)) >= 2 and len(re.findall(r"frames/s", result.output)) == 2


def test_what_is_broken_is_said_and_the_rest_goes_on(monkeypatch):
    def broken():
        raise RuntimeError("no driver\nmore")
        yield ""

    monkeypatch.setattr(doctor, "_platforms", broken)
    result = CliRunner().invoke(group, ["doctor"], catch_exceptions=False)
    assert "broken: RuntimeError: no driver\n" in result.output and "sha256" in result.output


def test_no_entry_points(monkeypatch):
    monkeypatch.setattr(doctor, "registered_models", dict)
    assert "entry points are missing" in CliRunner().invoke(group, ["doctor"]).output


def test_the_issue_template_asks_for_it():
    assert "openmm-mdgen doctor" in (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text()

"""Every code block of How-to, in order, in a folder of its own: Python, and lines of the command line."""

import glob
import re
import shlex
import subprocess
from pathlib import Path

import click
import MDAnalysis as mda
import pytest
import torch
from click.testing import CliRunner

from openmm_mdgen.cli import group
from openmm_mdgen.weights.header import bundled_path
from tests.conftest import ROOT
from tests.helpers.tiny import DATA

PAGES = sorted(p for p in (ROOT / "docs" / "howto").glob("*.md") if p.stem != "index")
COMMANDS = {"simulate", "interpolate", "upsample", "inpaint", "design", "unconditional", "evaluate", "correct"} | {
    "atlas", "train", "distill", "show", "demo", "models", "freeze", "import", "doctor"
}  # fmt: skip


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, code) of each."""
    return [(b.group(1), b.group(2)) for b in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)]


def words(line: str) -> list[str]:
    """Of a command, as a shell hands them over."""
    found = []
    for word in shlex.split(line, comments=True):
        here = sorted(glob.glob(word)) if re.search(r"[*?]", word) and f"'{word}'" not in line else []
        found += here or [word]
    return found


def run_commands(code: str) -> None:
    for line in code.replace("\\\n", " ").splitlines():
        program, *arguments = words(line)
        if program in ("mkdir", "cp"):
            subprocess.run([program, *arguments], check=True)
            continue
        assert program == "openmm-mdgen", f"a line that this test cannot run: {line}"
        result = CliRunner().invoke(group, arguments)
        assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"


def prepare(name: str, folder: Path) -> None:
    """What a page takes for granted: the paper's checkpoint, which is as small as it can be here."""
    if name == "import":
        from tests.helpers.published_toys import write_checkpoint

        write_checkpoint(folder, name="forward_sim.ckpt")
        (folder / "tetrapeptide.pdb").write_bytes((DATA / "QGRE.pdb").read_bytes())


def test_every_command_has_a_page():
    assert set(group.list_commands(click.Context(group))) == COMMANDS
    code = "".join(code for p in PAGES for language, code in blocks(p.read_text()) if language == "console")
    assert set(re.findall(r"^openmm-mdgen (\w+)", code, re.M)) == COMMANDS


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "howto" / "index.md").read_text()
    assert [p.stem for p in PAGES if f"({p.name})" not in index] == []


@pytest.mark.skipif(not bundled_path("peptide").is_file(), reason="the bundled model is absent")
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(page.stem, tmp_path)
    before = torch.get_num_threads()
    namespace: dict[str, object] = {"__name__": "howto"}
    for language, code in blocks(page.read_text()):
        if language == "console":
            run_commands(code)
        elif language == "python":
            exec(compile(code, str(page), "exec"), namespace)
    torch.set_num_threads(before)


@pytest.mark.skipif(not bundled_path("peptide").is_file(), reason="the bundled model is absent")
def test_the_script_of_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "peptide.pdb").write_bytes((ROOT / "examples" / "peptide.pdb").read_bytes())
    script = next(code for language, code in blocks((ROOT / "README.md").read_text()) if "import" in code)
    assert "step(2_500_000)" in script
    exec(compile(script.replace("step(2_500_000)", "step(25_000)"), "README.md", "exec"), {})
    assert mda.Universe("peptide.pdb", "out.dcd").trajectory.n_frames == 10


def told_lines() -> list[tuple[str, str]]:
    """(page, line) of every `openmm-mdgen` line in a console block of README and the documentation."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for language, code in blocks(page.read_text(encoding="utf-8")):
            if language in ("console", "bash"):
                lines = re.findall(r"openmm-mdgen .*", code.replace("\\\n", " "))
                found += [(str(page.relative_to(ROOT)), line) for line in lines]
    return found


@pytest.mark.parametrize(("page", "line"), told_lines())
def test_every_line_that_is_told_has_options_that_are_there(page, line):
    _, name, *arguments = [w for w in shlex.split(line.split(";")[0], comments=True) if w != "&&"]
    if name.startswith("-"):
        return
    command = group.get_command(click.Context(group), name)
    assert command is not None, f"{page}: no command {name}"
    command.make_parser(click.Context(command, info_name=name)).parse_args(args=arguments)


def test_an_option_that_is_not_there_is_seen():
    with pytest.raises(click.NoSuchOption):
        test_every_line_that_is_told_has_options_that_are_there("a page", "openmm-mdgen show a.dcd --no-such-option")

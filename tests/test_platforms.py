"""macOS and Windows: nothing of POSIX alone on a user's path, tested by doubles on Linux; neither was at hand."""

from __future__ import annotations

import ast
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from distributed import Client
from MDAnalysis import Universe

from openmm_mdgen.cli import main
from openmm_mdgen.cli.output import check_output
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files import replacing as replacing_module
from openmm_mdgen.files.names import is_same_file
from openmm_mdgen.files.replacing import Replacement, replacing
from openmm_mdgen.many.each import Job, run_each
from openmm_mdgen.many.folder import OutputFolder
from openmm_mdgen.many.simulate import simulate_many
from openmm_mdgen.many.systems import find_systems
from openmm_mdgen.many.workers import Cluster
from openmm_mdgen.train.cache import build_cache, open_cache
from openmm_mdgen.trajectory import recipe_file
from openmm_mdgen.upsampling.dcd import DCD
from openmm_mdgen.upsampling.inplace import upsample_dcd
from openmm_mdgen.upsampling.partfile import PartFile
from tests.helpers.clusters import in_process
from tests.helpers.dcd_files import STEP_PS, walk, write_dcd, write_topology
from tests.helpers.gap_fillers import Shaking
from tests.helpers.tiny import DATA
from tests.helpers.windows import POSIX_MODULES, POSIX_ONLY, become_windows, is_open

PACKAGE = Path(__file__).parents[1] / "openmm_mdgen"
TINY = DATA / "tiny.safetensors"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the double looks into /proc")

# Names of POSIX alone that the package uses, each behind a question whether it is there
GUARDED = {
    ("files/arrays.py", "register_at_fork"),
    ("upsampling/finish.py", "chown"),
    ("upsampling/finish.py", "geteuid"),
    ("upsampling/finish.py", "getegid"),
    ("upsampling/partfile.py", "fcntl"),
    ("trajectory/reader.py", "register_at_fork"),
    ("correction/plan.py", "sched_getaffinity"),
}


def trees() -> dict[str, ast.Module]:
    """Every file of the package by its path in it."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {file.relative_to(PACKAGE).as_posix(): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def posix_names(tree: ast.Module) -> set[str]:
    """Names of POSIX alone that a file uses."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in POSIX_ONLY.get(node.value.id, ()):
                found.add(node.attr)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & POSIX_MODULES
        if isinstance(node, ast.ImportFrom):
            found |= {node.module} & POSIX_MODULES
            found |= {alias.name for alias in node.names} & POSIX_ONLY.get(node.module or "", set())
    return found


def test_names_of_posix_alone_are_those_that_are_asked_for():
    assert {(file, name) for file, tree in trees().items() for name in posix_names(tree)} == GUARDED


def test_a_name_of_posix_alone_is_found():
    planted = "import os, fcntl\nfrom signal import SIGHUP\nos.fork()"
    assert posix_names(ast.parse(planted)) == {"fcntl", "SIGHUP", "fork"}


def texts_without_encoding(tree: ast.Module) -> list[int]:
    """Lines that read or write text in whatever encoding the system has, which is not UTF-8 on Windows."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if name in ("read_text", "write_text") or (
            isinstance(node.func, ast.Name) and name == "open" and not any("b" in mode for mode in modes)
        ):
            found.append(node.lineno)
    return found


def test_text_has_an_encoding():
    assert {file: lines for file, tree in trees().items() if (lines := texts_without_encoding(tree))} == {}
    assert texts_without_encoding(ast.parse("a.read_text()\nopen(b)\nopen(c, 'rb')")) == [1, 2]


IMPORTED = """
import os, sys, importlib, pkgutil
import MDAnalysis, openmm.app, scipy.spatial.transform, matplotlib.figure, safetensors.torch, click, tqdm, subprocess
import distributed, deeptime, jinja2, lightning
for name in {names}:
    if hasattr(os, name):
        delattr(os, name)
sys.modules.update(dict.fromkeys({modules}))
sys.platform, os.O_BINARY = "win32", 0
import openmm_mdgen
for found in pkgutil.walk_packages(openmm_mdgen.__path__, "openmm_mdgen."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print(len([name for name in sys.modules if name.startswith("openmm_mdgen.")]))
"""


def test_every_module_is_imported_without_the_names_of_posix():
    script = IMPORTED.format(names=sorted(POSIX_ONLY["os"] - {"fork"}), modules=sorted(POSIX_MODULES - {"posix"}))
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 150


# Windows


@pytest.fixture
def windows(monkeypatch):
    """What Windows refuses is refused."""
    become_windows(monkeypatch)


@needs_proc
def test_the_double_refuses_what_windows_refuses(windows, tmp_path):
    (tmp_path / "a").write_text("a", encoding="utf-8")
    (tmp_path / "b").write_text("b", encoding="utf-8")
    with open(tmp_path / "b", "rb"):
        assert is_open(tmp_path / "b") and not is_open(tmp_path / "a")
        with pytest.raises(PermissionError):
            os.replace(tmp_path / "a", tmp_path / "b")
        with pytest.raises(PermissionError):
            (tmp_path / "b").unlink()
    held = np.memmap(tmp_path / "b", dtype=np.uint8, mode="r")
    with pytest.raises(PermissionError):
        (tmp_path / "b").unlink()
    del held
    with open(tmp_path / "a", "rb") as file, pytest.raises(OSError, match="Bad file"):
        replacing_module.os.fsync(file.fileno())
    with pytest.raises(PermissionError):
        replacing_module.os.open(tmp_path, os.O_RDONLY)
    assert not hasattr(replacing_module.os, "chown")


@needs_proc
def test_a_file_that_is_held_open_is_not_replaced(windows, tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old", encoding="utf-8")
    with open(target, "rb"), pytest.raises(MDGenError, match=r"close what holds it open .*or choose another"):
        with replacing(target) as unfinished:
            unfinished.write_text("new", encoding="utf-8")
    assert target.read_text(encoding="utf-8") == "old" and len(list(tmp_path.iterdir())) == 1
    with replacing(target) as unfinished:
        unfinished.write_text("new", encoding="utf-8")
    assert target.read_text(encoding="utf-8") == "new"


@needs_proc
def test_strays_go_after_a_day_and_no_process_is_touched(windows, tmp_path):
    old, fresh = (Replacement(tmp_path / name).unfinished for name in ("old.txt", "fresh.txt"))
    os.utime(old, (time.time() - 90_000,) * 2)
    replacing_module.remove_strays(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [fresh.name]


@needs_proc
def test_one_run_at_a_time_without_fcntl(windows, tmp_path):
    target = tmp_path / "a.dcd"
    with pytest.raises(ImportError):
        import fcntl  # noqa: F401
    first = PartFile(target)
    with pytest.raises(MDGenError, match="another run is upsampling"):
        PartFile(target)
    first.close()
    PartFile(target).close()
    assert not list(tmp_path.iterdir())


@needs_proc
@pytest.mark.parametrize("backup", [False, True])
def test_upsampling_in_place(windows, tmp_path, backup):
    path = write_dcd(tmp_path / "a.dcd", walk(9), n_savc=100, delta=0.1 / STEP_PS)
    upsample_dcd(path, write_topology(tmp_path / "a.pdb", 7), 2.0, model="linear", backup=backup)
    with DCD(path) as dcd:
        assert len(dcd) == 41
    assert {p.name for p in tmp_path.iterdir()} == {"a.dcd", "a.pdb"} | ({"a.dcd.bak"} if backup else set())


@needs_proc
def test_upsampling_below_an_open_universe_keeps_the_frames_for_the_next_run(windows, tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(9), n_savc=100, delta=0.1 / STEP_PS)
    topology = write_topology(tmp_path / "a.pdb", 7)
    viewer, before, model = Universe(topology, path), path.read_bytes(), Shaking(5)
    with pytest.raises(MDGenError, match=r"a\.dcd cannot be replaced .* close what holds it open .* are kept"):
        upsample_dcd(path, topology, 2.0, model=model)
    assert path.read_bytes() == before and model.calls
    viewer.trajectory.close()
    again = Shaking(5)
    upsample_dcd(path, topology, 2.0, model=again)
    assert again.calls == 0
    with DCD(path) as dcd:
        assert len(dcd) == 41


@needs_proc
@pytest.mark.parametrize("name", ["pep.dcd", "pep.xtc", "pep.nc", "pep.pdb", "pep.mdgen"])
def test_simulating_twice_to_one_name(windows, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    shutil.copy(DATA / "QGRE.pdb", "start.pdb")
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main(["simulate", "start.pdb", "--time", "50ps", "--model", str(TINY), "-o", name, "--quiet"])
        assert ended.value.code in (0, None)
    assert Universe("start.pdb", name).trajectory.n_frames == 5
    assert not list(tmp_path.glob(".*.part*"))


@needs_proc
def test_many_systems_are_published(windows, tmp_path):
    files = [DATA / f"{name}.pdb" for name in ("QGRE", "NDKMF")]
    with in_process() as cluster, Client(cluster) as client:
        for _ in range(2):
            result = simulate_many(
                files, 50, model=TINY, output=tmp_path, scheduler=client, extension="trr", overwrite=True
            )
            assert len(result.made) == 2, result.table()
    assert sorted(p.name for p in tmp_path.glob("*.trr")) == ["NDKMF.trr", "QGRE.trr"]


@needs_proc
def test_a_token_cache_is_read_while_it_lies_on_disk(windows, tmp_path, monkeypatch):
    for name in ("fcntl", "termios"):  # early versions of tqdm ask for them by the system's own name
        monkeypatch.delitem(sys.modules, name)
    build_cache([DATA / "md"], tmp_path / "cache")
    cache = open_cache([DATA / "md"], tmp_path / "cache")
    assert cache is not None and not [p for p in tmp_path.rglob("*.part*")]


@pytest.mark.parametrize("name", ["PRN", "prn", "Nul", "com1"])
def test_names_of_devices(tmp_path, monkeypatch, name):
    """PRN is a peptide; on Windows ``PRN.dcd`` is a printer."""
    sequence = {name: "PRN"}
    assert not find_systems((), sequence, None)[1]
    check_output(tmp_path / f"{name}.dcd")
    become_windows(monkeypatch)
    (broken,) = find_systems((), sequence, None)[1]
    assert "a device on Windows" in broken.error and "give it another" in broken.error
    with pytest.raises(MDGenError, match="a device on Windows; choose another name"):
        check_output(tmp_path / f"{name}.dcd")


def test_a_recipe_on_another_drive_has_a_whole_path(tmp_path, monkeypatch):
    def no_way(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", no_way)
    assert recipe_file._relative(tmp_path / "a.pdb", tmp_path) == (tmp_path / "a.pdb").as_posix()


# File systems that do not tell a.dcd from A.dcd, as those of macOS and Windows


@pytest.fixture
def folded(tmp_path, monkeypatch):
    """A folder where a.pdb and a.dcd go by the names A.pdb and A.dcd too, as a second name of one file shows it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(DATA / "QGRE.pdb", "a.pdb")
    write_dcd(tmp_path / "a.dcd", walk(3), n_savc=100, delta=0.1 / STEP_PS)
    for name in ("a.pdb", "a.dcd"):
        os.link(name, name.upper().replace("PDB", "pdb").replace("DCD", "dcd"))
    return tmp_path


def test_two_names_of_one_file(folded):
    assert is_same_file(Path("a.dcd"), Path("A.dcd")) and is_same_file(Path("a.dcd"), folded / "a.dcd")
    assert not is_same_file(Path("a.dcd"), Path("a.pdb")) and not is_same_file(Path("b.dcd"), Path("B.dcd"))


@pytest.mark.parametrize(
    "arguments",
    [
        "simulate a.pdb --time 50ps --model {tiny} -o A.pdb",
        "upsample a.dcd --topology a.pdb --interval 5ps --model linear -o A.dcd",
        "interpolate a.pdb a.pdb --paths 1 --model {tiny} -o A.pdb",
    ],
)
def test_an_input_by_another_name_is_not_written_over(folded, capsys, arguments):
    before = {p.name: p.read_bytes() for p in folded.iterdir()}
    with pytest.raises(SystemExit) as ended:
        main(arguments.format(tiny=TINY).split())
    assert ended.value.code == 2
    assert "choose another name" in (said := capsys.readouterr().err) or "give another name" in said
    assert {p.name: p.read_bytes() for p in folded.iterdir()} == before


def test_many_systems_do_not_write_over_an_input_by_another_name(folded):
    with pytest.raises(MDGenError, match=r"'A' would write over the input 'A\.pdb'"):
        simulate_many({"A": "a.pdb"}, 50, model=TINY, output=".", extension="pdb")


def test_any_function_over_systems_that_differ_in_case(tmp_path):
    jobs = [Job(name, (), "") for name in ("pep", "Pep")]
    with pytest.raises(MDGenError, match="two systems would both write 'pep'"):
        run_each(dict, jobs, tmp_path, {}, Cluster())


# Terminals


def test_letters_that_a_terminal_lacks_end_nothing(tmp_path):
    """Names in Greek on a code page without it."""
    shutil.copy(DATA / "QGRE.pdb", tmp_path / "ψ.pdb")
    command = [sys.executable, "-m", "openmm_mdgen", "simulate", "ψ.pdb", "--time", "50ps", "--model", str(TINY)]
    environment = os.environ | {"PYTHONIOENCODING": "cp1252:strict"}
    run = subprocess.run(
        [*command, "-o", "φ.dcd"], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=900
    )
    assert run.returncode == 0, run.stderr
    assert b"?.dcd" in run.stdout and (tmp_path / "φ.dcd").exists()


def test_a_host_program_keeps_its_streams(monkeypatch):
    from openmm_mdgen.cli.messages import any_terminal

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    with any_terminal():
        stream.write("Å")
    assert stream.errors == "strict"
    stream.flush()
    assert stream.buffer.getvalue() == b"?"


def test_a_published_folder_is_brought_to_disk_where_files_must_be_open_for_writing(tmp_path, monkeypatch):
    become_windows(monkeypatch)
    folder = OutputFolder(tmp_path)
    folder.make()
    with folder.scratch() as scratch:
        (scratch / "a.xtc").write_bytes(b"frames")
        folder.publish("a", "content", [scratch / "a.xtc"], 1.0)
    assert folder.record("a", "content") is not None

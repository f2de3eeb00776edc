"""Files are complete under their names or not there; modes, killed runs, SIGTERM."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files import replacing as module
from openmm_mdgen.files.replacing import Replacement, replacing

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX modes, signals and process numbers")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_name_is_given_at_the_end(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with replacing(target) as unfinished:
        unfinished.write_text("new")
        assert target.read_text() == "old"
        assert (unfinished.parent, unfinished.suffix) == (tmp_path, ".txt")
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_all_is_as_it_was(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error), replacing(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("half")
        raise error
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("place", ["folder", "missing/a.txt"])
def test_what_cannot_be_written(tmp_path, place):
    (tmp_path / "folder").mkdir()
    with pytest.raises(MDGenError, match=place), replacing(tmp_path / place) as unfinished:
        unfinished.write_text("x")
    assert names(tmp_path) == ["folder"]


def test_a_full_disk_is_one_line(tmp_path):
    with pytest.raises(MDGenError, match=r"cannot write .*a\.txt.*No space.*free space") as raised:
        with replacing(tmp_path / "a.txt"):
            raise OSError(28, "No space left on device")
    assert "\n" not in str(raised.value)


@posix
def test_devices_are_left_alone():
    with pytest.raises(MDGenError, match="device"), replacing(os.devnull) as unfinished:
        unfinished.write_text("x")
    assert not Path(os.devnull).is_file()


@posix
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_modes_are_those_of_new_files(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "a.txt") as unfinished:
            unfinished.unlink()  # as writers that bring a file of their own
            unfinished.touch(0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode


@posix
def test_a_replaced_file_keeps_its_mode(tmp_path):
    target = tmp_path / "a.txt"
    target.touch()
    target.chmod(0o640)
    with replacing(target) as unfinished:
        unfinished.write_text("new")
    assert target.stat().st_mode & 0o777 == 0o640


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a.txt").symlink_to(tmp_path / "there" / "b.txt")
    with replacing(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("new")
    assert (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "there" / "b.txt").read_text() == "new"


@posix
def test_the_next_run_removes_what_a_killed_one_left(tmp_path):
    code = "import sys, os; from openmm_mdgen.files.replacing import Replacement; Replacement(sys.argv[1]); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=False)
    (stray,) = names(tmp_path)
    other = Replacement(tmp_path / "other.txt")
    assert names(tmp_path) == [other.unfinished.name]
    assert stray != other.unfinished.name
    with replacing(tmp_path / "b.txt") as unfinished:
        unfinished.touch()
        assert other.unfinished.exists(), "of a run that is alive"
    other.discard()
    assert names(tmp_path) == ["b.txt"]


def test_files_of_other_machines_are_strays_after_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_machine", lambda: "0123abcd")
    fresh, old = (Replacement(tmp_path / name).unfinished for name in ("fresh.txt", "old.txt"))
    os.utime(old, (time.time() - 90_000,) * 2)
    monkeypatch.undo()
    module.remove_strays(tmp_path)
    assert names(tmp_path) == [fresh.name]


def test_other_hidden_files_are_no_strays(tmp_path):
    for name in (".a.part", ".a.mdgen-part", ".a.mdgen-1-2.part", "a.mdgen-01234567-1-1.part"):
        (tmp_path / name).touch()
    before = names(tmp_path)
    module.remove_strays(tmp_path)
    assert names(tmp_path) == before


_STOPPED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background is started deaf to it

import sys, time
import click
from openmm_mdgen import cli
from openmm_mdgen.files.replacing import replacing

@click.command("wait")
@click.argument("path")
def wait(path):
    with replacing(path) as unfinished:
        unfinished.write_text("half")
        print("ready", flush=True)
        time.sleep(60)

cli.group.add_command(wait)
cli._Lazy.get_command = lambda self, ctx, name: wait
cli.main(["wait", sys.argv[1]])
"""


@posix
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 1)])
def test_the_command_line_cleans_up_when_it_is_stopped(tmp_path, number, status):
    arguments = [sys.executable, "-c", _STOPPED, str(tmp_path / "a.txt")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        assert len(names(tmp_path)) == 1
        run.send_signal(number)
        assert run.wait(60) == status
    assert names(tmp_path) == []


@posix
def test_a_host_program_keeps_its_signals():
    from openmm_mdgen.cli.stopping import tidy_termination

    def own(*_: object) -> None:
        pass

    before = signal.signal(signal.SIGTERM, own)
    try:
        with tidy_termination():
            assert signal.getsignal(signal.SIGTERM) is own
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with tidy_termination():
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)

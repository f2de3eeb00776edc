"""The end of a run over a file."""

import os
import stat

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.upsampling.dcd import DCD
from openmm_mdgen.upsampling.finish import backup_path, check_unchanged, finish
from openmm_mdgen.upsampling.partfile import PartFile
from tests.helpers.dcd_files import walk, write_dcd


def finished(target):
    part = PartFile(target)
    part.resume({"run": 1})
    part.file.write(b"finer")
    part.file.flush()
    return part


def test_mode_and_backup_are_the_targets(tmp_path):
    target = tmp_path / "run.dcd"
    target.write_bytes(b"original")
    os.chmod(target, 0o640)
    finish(finished(target), backup=True)
    assert target.read_bytes() == b"finer" and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert backup_path(target).read_bytes() == b"original"


def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    mask = os.umask(0o027)
    try:
        finish(finished(tmp_path / "new.dcd"), backup=False)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new.dcd").stat().st_mode) == 0o640
    assert not backup_path(tmp_path / "new.dcd").exists()


def test_a_file_that_changed_is_not_replaced(tmp_path):
    path = tmp_path / "run.dcd"
    write_dcd(path, walk())
    with DCD(path) as opened:
        check_unchanged(opened)
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(MDGenError, match="changed while it was upsampled"):
            check_unchanged(opened)

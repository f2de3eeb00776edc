import threading
from pathlib import Path

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenWarning
from openmm_mdgen.trajectory import blocks as blocks_module
from openmm_mdgen.trajectory.blocks import Block, BlockFolder, Blocks

START = np.random.default_rng(0).normal(size=(6, 3))


@pytest.fixture
def make(make_toy, tmp_path):
    """Blocks of a new toy each time, cached in one folder; the toy is `blocks.toy`."""

    def make_blocks(seed=0, scale=0.05, cache: Path | None = tmp_path / "cache"):
        toy = make_toy(scale=scale)
        blocks = Blocks(lambda: toy, START, seed, cache=cache)
        blocks.toy = toy
        return blocks

    return make_blocks


def test_blocks_come_from_disk_in_a_later_session(make):
    first = make()
    expected = [first.block(index).copy() for index in range(5)]
    later = make()
    for index in (4, 2, 0, 1, 3):
        np.testing.assert_array_equal(later.block(index), expected[index])
    assert len(later.toy.calls) == 1  # the first block, to see that this machine makes the same frames


def test_cache_continues_bitwise(make):
    make().block(2)
    without = make(cache=None)
    np.testing.assert_array_equal(make().block(5), without.block(5))


def test_other_trajectories_have_other_folders(make, tmp_path):
    make().block(1)
    assert not np.array_equal(make(seed=1).block(1), make().block(1))
    assert not np.array_equal(make(scale=0.06).block(1), make().block(1))  # as another machine or model would
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_damaged_file_is_made_again(make, tmp_path):
    expected = make().block(3).copy()
    [path] = (tmp_path / "cache").rglob("00000002.npz")
    good = path.read_bytes()
    for bad in (b"", good[:40], good[:-30], b"\x00" * len(good)):
        path.write_bytes(bad)
        np.testing.assert_array_equal(make().block(3), expected)
        assert path.read_bytes() == good


def test_several_readers_at_once(make, tmp_path):
    expected = make(cache=None).block(8)
    found, errors = [], []

    def read():
        try:
            found.append(make().block(8))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for block in found:
        np.testing.assert_array_equal(block, expected)
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_reading_that_fails_in_the_interpreter_makes_the_block_again(make, monkeypatch):
    expected = make().block(1)

    def mismatch(path):
        raise SystemError("AST constructor recursion depth mismatch (before=39, after=37)")

    monkeypatch.setattr(blocks_module.np, "load", mismatch)
    np.testing.assert_array_equal(make().block(1), expected)


def test_full_disk_costs_a_warning_and_no_frames(make, monkeypatch, tmp_path):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    expected = make(cache=None).block(1)
    monkeypatch.setattr(blocks_module.np, "savez", full)
    with pytest.warns(MDGenWarning, match=r"block 1 was not cached in .* \(No space left on device\)"):
        np.testing.assert_array_equal(make().block(1), expected)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_kept_blocks_cannot_be_written_to(make):
    with pytest.raises(ValueError, match="read-only"):
        make().block(0)[0] = 0
    blocks = make()
    blocks.block(2)
    with pytest.raises(ValueError, match="read-only"):
        make().block(2)[0] = 0


def test_folder_keeps_unrounded_last_frames(tmp_path):
    block = Block(frames=np.zeros((2, 6, 3), np.float32), last=START)
    BlockFolder(tmp_path).save(7, block)
    np.testing.assert_array_equal(BlockFolder(tmp_path).load(7).last, START)
    assert BlockFolder(tmp_path).load(8) is None

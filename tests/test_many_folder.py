"""What is whole in an output folder."""

from dataclasses import dataclass

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.many.folder import OutputFolder, grouped


@dataclass(frozen=True)
class Job:
    name: str
    n_residues: int

    def content(self) -> str:
        return f"{self.name} {self.n_residues}"


JOBS = [Job("a", 4), Job("b", 5), Job("c", 4), Job("d", 4)]


def names(batches: list[list[Job]]) -> list[list[str]]:
    return [[job.name for job in batch] for batch in batches]


def test_equal_lengths_go_together_the_longest_first():
    assert names(grouped(JOBS, 2)) == [["b"], ["a"], ["c", "d"]]


def made(path) -> OutputFolder:
    folder = OutputFolder(path)
    folder.make()
    return folder


def test_batches_stay_as_they_were(tmp_path):
    folder = made(tmp_path)
    assert names(folder.batches(JOBS, {"seed": 1}, 2)) == [["b"], ["a"], ["c", "d"]]
    more = [Job("aa", 4), *JOBS]
    assert names(folder.batches(more, {"seed": 1}, 2)) == [["b"], ["a"], ["c", "d"], ["aa"]]
    with pytest.raises(MDGenError, match=r"results of other settings \(seed 1, now 2\)"):
        folder.batches(JOBS, {"seed": 2}, 2)
    folder.start_anew()
    folder.make()
    folder.batches(JOBS, {"seed": 2}, 2)


def test_a_record_holds_while_its_files_and_input_do(tmp_path):
    folder = made(tmp_path)
    with folder.scratch() as scratch:
        (scratch / "a.xtc").write_bytes(b"abc")
        folder.publish("a", "content", [scratch / "a.xtc"], 1.5, {"score": 2})
    assert not scratch.exists() and (tmp_path / "a.xtc").read_bytes() == b"abc"
    record = folder.record("a", "content")
    assert record is not None and record.seconds == 1.5 and record.row == {"score": 2}
    assert folder.record("a", "another input") is None and folder.record("b", "content") is None
    (tmp_path / "a.xtc").write_bytes(b"cut")
    assert folder.record("a", "content") is not None
    (tmp_path / "a.xtc").write_bytes(b"ab")
    assert folder.record("a", "content") is None


def test_what_killed_workers_left_is_removed(tmp_path):
    folder = made(tmp_path)
    with folder.scratch() as left:
        (left / "half").write_text("")
        folder.sweep()
        assert not left.exists()

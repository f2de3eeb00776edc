"""How far a run of training has come, and where it goes on."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.train.course import Course


@dataclass(frozen=True)
class Settings:
    n_steps: int = 10
    minutes: float | None = None
    every: int = 5
    patience: int | None = None


class OneProcess:
    """As much of Lightning's Fabric as a course needs."""

    is_global_zero = True

    def save(self, path: Path, state: dict[str, object]) -> None:
        torch.save({k: v.state_dict() if isinstance(v, nn.Module) else v for k, v in state.items()}, path)

    def load(self, path: Path, state: dict[str, object]) -> dict[str, object]:
        found = torch.load(path, weights_only=True)
        for name in list(state):
            value = found.pop(name)
            if isinstance(state[name], nn.Module):
                state[name].load_state_dict(value)
            else:
                state[name] = value
        return found

    def print(self, text: str) -> None:
        self.said = text


def course(out: Path, **settings: object) -> Course:
    return Course(OneProcess(), Settings(**settings), out)


def test_progress_by_steps_or_time(tmp_path):
    by_steps = course(tmp_path)
    by_steps.step = 4
    assert by_steps.progress(1e6) == 0.4
    by_time = course(tmp_path, minutes=1.0)
    by_time.step = 1
    by_time.note(1.0, 1.0, 30.0)
    assert by_time.progress() == 0.5
    assert by_time.progress(30.0) == 1.0


def test_losses_are_due_at_every_validation_and_at_the_end(tmp_path):
    here = course(tmp_path, minutes=1.0)
    due = []
    for here.step in range(1, 7):
        due.append(here.is_due(0.0))
    assert due == [False] * 4 + [True, False]
    assert here.is_due(60.0)


def test_a_run_ends_when_its_loss_no_longer_falls(tmp_path):
    here = course(tmp_path, patience=2)
    for validation in (3.0, 2.0, 2.5):
        here.note(1.0, validation, 1.0)
        assert not here.is_stale()
    here.note(1.0, 2.0, 1.0)
    assert here.is_stale()
    assert not course(tmp_path).is_stale()


def test_a_checkpoint_is_taken_up(tmp_path):
    first, network, average = course(tmp_path), nn.Linear(2, 2), nn.Linear(2, 2)
    first.step = 5
    first.note(1.0, 2.0, 30.0)
    first.save({"network": network}, average, (tmp_path / "exported").touch)
    assert (tmp_path / "exported").exists()
    assert (tmp_path / "losses.csv").read_text().split() == ["step,train,validation,seconds", "5,1.0,2.0,30.0"]
    again, fresh, fresh_average = course(tmp_path), nn.Linear(2, 2), nn.Linear(2, 2)
    again.resume({"network": fresh}, fresh_average)
    assert (again.step, again.seconds, again.losses) == (5, 30.0, [(5, 1.0, 2.0, 30.0)])
    assert torch.equal(fresh.weight, network.weight) and torch.equal(fresh_average.weight, average.weight)
    assert again.fabric.said == "resuming at step 5 of 10"


def test_the_loss_of_weights_to_start_from_comes_first(tmp_path):
    here = course(tmp_path, patience=1)
    here.begin(lambda: 1.5)
    here.begin(lambda: 9.0)  # of a run that goes on
    assert here.fabric.said == "validation loss of the weights to start from: 1.5000"
    here.step = 5
    here.note(1.0, 1.6, 30.0)
    assert here.is_stale()  # what is not better than the start is no progress
    here.save({}, nn.Linear(1, 1), (tmp_path / "exported").touch)
    assert (tmp_path / "losses.csv").read_text().split() == [
        "step,train,validation,seconds",
        "0,,1.5,0.0",
        "5,1.0,1.6,30.0",
    ]


def test_an_export_that_fails_leaves_no_checkpoint(tmp_path):
    here = course(tmp_path)

    def fail() -> None:
        raise OSError("no room")

    with pytest.raises(MDGenError, match="no room"):
        here.save({}, nn.Linear(1, 1), fail)
    assert not (tmp_path / "last.ckpt").exists()
    course(tmp_path).resume({}, nn.Linear(1, 1))  # nothing to take up

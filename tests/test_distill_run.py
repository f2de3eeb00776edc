"""Distillation as a run: what it writes, what it learns, what it refuses."""

import csv
from dataclasses import replace

import pytest
import torch

from openmm_mdgen.cli import main
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.tasks.model import STUDENT
from openmm_mdgen.train.cache import build_cache
from openmm_mdgen.train.distill_run import DistillConfig, distill_weights
from openmm_mdgen.train.windows import WindowConfig
from openmm_mdgen.weights.checkpoint import Weights, load_task, read_weights, save_weights
from tests.helpers.tiny import DATA, structure

MD = DATA / "md"  # ACE-ALA-NME


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A weights file of a network that moves tokens a lot, so that there is something to follow."""
    folder = tmp_path_factory.mktemp("teacher")
    network = VelocityNetwork(VelocityConfig(width=32, depth=2, heads=2, patch=2))
    generator = torch.Generator().manual_seed(2)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.2 if p.ndim == 1 else p.shape[-1] ** -0.5, generator=generator)
    tables = WindowConfig().tables(build_cache([MD], folder / "cache"))
    path = folder / "teacher.safetensors"
    save_weights(path, Weights(network.config, network.state_dict(), tables, name="teacher", lengths=(1, 8)))
    return path


def changed(path, out, **changes):
    """The same weights but for something."""
    save_weights(out, replace(read_weights(path), **changes))
    return out


def test_the_student_learns_and_its_weights_load(teacher, tmp_path):
    arguments = ["--evaluations", "2", "--lessons", "60", "--every", "10", "--tokens", "384", "--frames", "16"]
    rates = ["--muon-rate", "2e-3", "--adamw-rate", "2e-3"]
    main_ended = main_or_exit(
        ["distill", str(teacher), str(MD), "-o", str(tmp_path), *arguments, *rates, "--name", "fast"]
    )
    assert main_ended == 0
    rows = list(csv.reader(open(tmp_path / "losses.csv")))
    assert rows[0] == ["lesson", "step 1", "step 2"] and [row[0] for row in rows[1:]] == list(
        map(str, range(10, 61, 10))
    )
    first, last = (sum(map(float, row[1:])) for row in (rows[1], rows[-1]))
    assert last < 0.8 * first
    task = load_task(tmp_path / "model.safetensors", "cpu")
    assert (task.name, task.solver.solver, task.solver.n_steps) == ("fast", STUDENT, 2)
    weights, before = read_weights(tmp_path / "model.safetensors"), read_weights(teacher)
    assert weights.training["student"]["teacher"] == before.content_hash
    for name, value in before.state.items():
        torch.testing.assert_close(weights.state[name], value)
    assert not torch.allclose(weights.student["token_out.weight"], before.state["token_out.weight"])
    bound = task.bind(structure("ACE-A-NME"))
    asked = task.with_steps(5).bind(structure("ACE-A-NME"))
    start = structure("ACE-A-NME").positions
    assert bound.next_block(start, 1).shape == asked.next_block(start, 1).shape
    assert abs(bound.next_block(start, 1) - asked.next_block(start, 1)).max() > 1e-3


def test_the_same_seed_gives_the_same_student(teacher, tmp_path):
    def student(name, seed):
        config = DistillConfig(evaluations=1, n_lessons=2, seed=seed)
        path = distill_weights(str(teacher), [MD], tmp_path / name, config, n_frames=16, n_tokens=128)
        return read_weights(path).student["token_out.weight"]

    first, again, other = student("a", 1), student("b", 1), student("c", 2)
    torch.testing.assert_close(first, again)
    assert not torch.equal(first, other)


def test_time_ends_the_lessons(teacher, tmp_path):
    config = DistillConfig(evaluations=1, n_lessons=10**6, minutes=1e-3)
    path = distill_weights(str(teacher), [MD], tmp_path, config, n_frames=16, n_tokens=128)
    assert read_weights(path).solver == (STUDENT, 1)


def test_what_cannot_be_taught_is_refused(teacher, tmp_path):
    def distilled(path):
        return distill_weights(str(path), [MD], tmp_path / "run", DistillConfig(n_lessons=1))

    with pytest.raises(MDGenError, match="is for 'upsample'; distill teaches students of models for 'simulate'"):
        distilled(DATA / "tiny-upsample.safetensors")
    with pytest.raises(
        MDGenError, match=r"the data have 1 to 1 residues, outside model 'teacher''s range 2 to 8; leave"
    ):
        distilled(changed(teacher, tmp_path / "long.safetensors", lengths=(2, 8)))
    with pytest.raises(MDGenError, match=r"the data have 350 to 350 K, outside model 'teacher''s range 300 to 310"):
        distilled(changed(teacher, tmp_path / "cold.safetensors", temperatures=(300.0, 310.0)))
    assert main_or_exit(["distill", str(tmp_path / "absent.safetensors"), str(MD), "-o", str(tmp_path / "run")]) == 2


def main_or_exit(arguments) -> int:
    """Exit status of the command line."""
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0

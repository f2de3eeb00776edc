"""From a trained network and its data to a student that takes few steps."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

import torch
from torch import nn

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.tables import write_csv
from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.tasks.model import STUDENT, inference_precision
from openmm_mdgen.train.cache import open_cache
from openmm_mdgen.train.distill import student_loss, teach
from openmm_mdgen.train.feed import draw_ahead, to_device
from openmm_mdgen.train.flow import build_optimizers, compile_blocks, rate_factor, set_rate, update_average
from openmm_mdgen.train.windows import Coverage, WindowBatches, WindowConfig
from openmm_mdgen.weights.checkpoint import Weights, build_network, load_weights, save_weights
from openmm_mdgen.weights.header import VELOCITY
from openmm_mdgen.weights.tensor_file import check_free


@dataclass(frozen=True)
class DistillConfig:
    """What decides the teaching of a student.

    Attributes
    ----------
    evaluations : int
        Steps, and evaluations of the network, that the student takes from noise to data.
    substeps : int
        Steps of the midpoint rule that the teacher takes for one of the student's.
    n_lessons : int
        Batches of the teacher's paths; each gives one optimizer step for every step of the student's.
    minutes : float or None
        Time after which teaching ends, if the lessons have not ended it.
    muon_rate, adamw_rate, ema
        As for training; the rate falls linearly to zero.
    workers : int
        Processes that draw batches.
    compiled : bool
        Whether the blocks of both networks are compiled first, which pays on a GPU.
    every : int
        Lessons between reports of the loss.
    """

    evaluations: int = 4
    substeps: int = 4
    n_lessons: int = 2000
    minutes: float | None = None
    muon_rate: float = 5e-4
    adamw_rate: float = 3e-4
    ema: float = 0.995
    seed: int = 0
    workers: int = 0
    compiled: bool = False
    every: int = 50


def distill(
    teacher: VelocityNetwork,
    windows: WindowBatches,
    config: DistillConfig,
    *,
    device: torch.device | str = "cpu",
    report: Callable[[int, list[float]], None] | None = None,
) -> nn.Module:
    """A student of the teacher's shape, whose Euler steps follow the teacher's path.

    Parameters
    ----------
    teacher : VelocityNetwork
    windows : WindowBatches
        Conditioning is drawn from these; their tokens are not used.
    config : DistillConfig
    device
        Where to teach.
    report : callable, optional
        Called now and then with the number of lessons and the mean loss of every step of the student's.

    Returns
    -------
    nn.Module
        The moving average of the student's weights, on the CPU.
    """
    device = torch.device(device)
    teacher = copy.deepcopy(teacher).to(device).eval().requires_grad_(False)
    student = copy.deepcopy(teacher).requires_grad_(True)
    average = copy.deepcopy(teacher)
    optimizers = build_optimizers(student, config.muon_rate, config.adamw_rate)
    if config.compiled:
        for network in (teacher, student):
            compile_blocks(network)
    generator = torch.Generator(device).manual_seed(config.seed)
    batches = draw_ahead(windows, _numbers(config.n_lessons), config.seed + 1, config.workers, device)
    began, updates = time.monotonic(), count()
    losses: list[torch.Tensor] = []
    for lesson_number in range(config.n_lessons):
        by_time = (time.monotonic() - began) / (60 * config.minutes) if config.minutes else 0.0
        progress = max(lesson_number / config.n_lessons, by_time)
        if progress >= 1:
            break
        batch = to_device(next(batches), device)
        x_0 = torch.randn(batch.tokens.shape, generator=generator, device=device)
        x_0 = x_0 * batch.conditioning.exists.unsqueeze(1)
        set_rate(optimizers, rate_factor(progress, 1, 1, 1.0))
        with inference_precision(device):
            lesson = teach(teacher, batch, x_0, config.evaluations, config.substeps)
            row = []
            for which in torch.randperm(config.evaluations).tolist():
                loss = student_loss(student, batch, lesson, which, windows.channel_weight)
                loss.backward()
                nn.utils.clip_grad_norm_(student.parameters(), 1.0)
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
                update_average(average, student, next(updates), config.ema)
                row.append((which, loss.detach()))
        losses.append(torch.stack([loss for _, loss in sorted(row, key=lambda pair: pair[0])]))
        if report is not None and lesson_number % config.every == config.every - 1:
            report(lesson_number + 1, torch.stack(losses[-config.every :]).mean(0).tolist())
    return average.cpu()


def distill_weights(
    model: str,
    data: Sequence[Path],
    out: Path,
    config: DistillConfig,
    *,
    n_frames: int = 64,
    n_tokens: int = 8192,
    stride: int = 1,
    temperature: float | None = None,
    name: str | None = None,
    device: torch.device | str = "cpu",
) -> Path:
    """Teach a student of a simulation model, on conditioning from folders of MD.

    Parameters
    ----------
    model : str
        Bundled name or weights file of the teacher; a student that it has already is left out.
    data : sequence of Path
        Folders of MD, see `build_cache`.
    out : Path
        Gets ``cache/``, ``model.safetensors`` (teacher and student) and ``losses.csv``.
    config : DistillConfig
    n_frames, n_tokens : int
        Frames of a window, and frames times residues of a batch.
    stride, temperature
        As for `train`.
    name : str, optional
        Written into the weights; default: the teacher's.

    Returns
    -------
    Path
        The weights file, whose tasks use the student unless they are asked for a number of steps.

    Raises
    ------
    MDGenError
        If the model does not simulate, or the data are outside its range.
    """
    teacher, path = load_weights(model), out / "model.safetensors"
    if teacher.task != "simulate" or teacher.config.places:
        kind = "of one molecule" if teacher.config.places else f"for {teacher.task!r}"
        raise MDGenError(f"model {model!r} is {kind}; distill teaches students of models for 'simulate'")
    check_free(path, VELOCITY)
    cache = open_cache(data, out / "cache" / "train", stride=stride, temperature=temperature)
    shares = WindowConfig(
        n_frames=n_frames,
        n_tokens=n_tokens,
        residues=0.18 if teacher.config.inpaints else 0.0,
        one_temperature=torch.device(device).type == "cpu",
    )
    windows = shares.windows(cache, teacher.tables)
    _check_range(teacher, windows.coverage())
    losses: list[list[float]] = []

    def report(lesson: int, row: list[float]) -> None:
        losses.append([lesson, *row])

    began = time.monotonic()
    student = distill(build_network(teacher, device), windows, config, device=device, report=report)
    about = asdict(config) | {"hours": round((time.monotonic() - began) / 3600, 3), "teacher": teacher.content_hash}
    weights = replace(
        teacher,
        student=student.state_dict(),
        solver=(STUDENT, config.evaluations),
        name=name or teacher.name,
        training=teacher.training | {"student": about},
    )
    save_weights(path, weights)
    write_csv(out / "losses.csv", [("lesson", *(f"step {k + 1}" for k in range(config.evaluations))), *losses])
    return path


def _check_range(teacher: Weights, found: Coverage) -> None:
    """Conditioning that the teacher did not learn gives paths that are not worth following."""
    known = teacher.temperatures or (teacher.temperature, teacher.temperature)
    for what, (low, high), (first, last) in (
        ("residues", found.lengths, teacher.lengths),
        ("K", found.temperatures, known),
    ):
        if low < first - 0.5 or high > last + 0.5:
            raise MDGenError(
                f"the data have {low:g} to {high:g} {what}, outside model {teacher.name!r}'s range {first:g} to "
                f"{last:g}; leave the rest out, or train the model on it first"
            )


def _numbers(n: int) -> Iterator[int]:
    return iter(range(n))

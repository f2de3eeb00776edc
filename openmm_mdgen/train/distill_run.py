"""From a trained network and its data to a student that takes few steps."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import nn

from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.tasks.model import inference_precision
from openmm_mdgen.train.distill import student_loss, teach
from openmm_mdgen.train.flow import build_optimizers, rate_factor, set_rate, update_average
from openmm_mdgen.train.run import draw_ahead, to_device
from openmm_mdgen.train.windows import Windows


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
    """

    evaluations: int = 4
    substeps: int = 1
    n_lessons: int = 2000
    minutes: float | None = None
    muon_rate: float = 5e-4
    adamw_rate: float = 3e-4
    ema: float = 0.995
    seed: int = 0
    workers: int = 0


def distill(
    teacher: VelocityNetwork,
    windows: Windows,
    config: DistillConfig,
    *,
    device: torch.device | str = "cpu",
    report: Callable[[int, list[float]], None] | None = None,
) -> nn.Module:
    """A student of the teacher's shape, whose Euler steps follow the teacher's path.

    Parameters
    ----------
    teacher : VelocityNetwork
    windows : Windows
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
    generator = torch.Generator(device).manual_seed(config.seed)
    batches = draw_ahead(windows, _numbers(config.n_lessons), config.seed + 1, config.workers)
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
        if report is not None and lesson_number % 50 == 49:
            report(lesson_number + 1, torch.stack(losses[-50:]).mean(0).tolist())
    return average.cpu()


def _numbers(n: int) -> Iterator[int]:
    return iter(range(n))

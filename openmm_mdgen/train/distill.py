"""A student that takes few steps, taught by a network that takes many.

The teacher's path from noise to data is followed from node to node of the student's flow times; the student learns the
mean velocity over each piece, where the path enters it. The target is a function of what the student sees, so nothing
is averaged that the teacher tells apart, and noise and data stay paired as the teacher pairs them: populations and
relaxation times are the teacher's as far as the student can follow it (piecewise progressive distillation; Salimans &
Ho, ICLR 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from openmm_mdgen.flow.sampler import Velocity, flow_times, integrate
from openmm_mdgen.network.inference import prepared
from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.tokens.tokens import Conditioning
from openmm_mdgen.train.windows import Batch


@dataclass(frozen=True)
class Lesson:
    """Where the teacher's path enters and leaves the student's steps.

    Attributes
    ----------
    states : Tensor (K + 1, B, T, L, C)
    times : Tensor (K + 1,)
    """

    states: Tensor
    times: Tensor


@torch.no_grad()
def teach(teacher: VelocityNetwork, batch: Batch, x_0: Tensor, n_steps: int, substeps: int = 2) -> Lesson:
    """Follow the teacher over the student's ``n_steps``, each in ``substeps`` of the midpoint rule.

    Parameters
    ----------
    teacher : VelocityNetwork
    batch : Batch
        Whose conditioning is used; its tokens are not.
    x_0 : Tensor (B, T, L, C)
        Noise.
    """
    times = flow_times(n_steps)
    states = [x_0]
    with _velocity(teacher, batch.conditioning) as velocity:
        for start, end in pairwise(times.tolist()):
            span = end - start

            def piece(x: Tensor, s: Tensor, start: float = start, span: float = span) -> Tensor:
                out: Tensor = span * velocity(x, start + span * s)
                return out

            states.append(integrate(piece, states[-1], solver="midpoint", n_steps=substeps))
    return Lesson(torch.stack(states), times)


@contextmanager
def _velocity(teacher: VelocityNetwork, told: Conditioning) -> Iterator[Velocity]:
    """The teacher's velocity in the precision of the moment; prepared where that is possible, which takes less time."""
    device = told.values.device.type
    lowered = torch.is_autocast_enabled(device)
    fast = prepared(teacher, told, torch.bfloat16 if lowered else torch.float32)
    if fast is None:
        yield lambda x, t: teacher(x, t, told).float()
        return
    with torch.autocast(device, enabled=False):  # which would turn every part of it about
        yield fast.told(told)


def student_loss(student: nn.Module, batch: Batch, lesson: Lesson, which: int, channel_weight: Tensor) -> Tensor:
    """Mean squared error of the student's mean velocity over piece ``which``, weighted as `flow_loss`."""
    times = lesson.times.to(lesson.states)
    span = times[which + 1] - times[which]
    target = (lesson.states[which + 1] - lesson.states[which]) / span
    t = times[which].expand(len(target))
    error = (student(lesson.states[which], t, batch.conditioning).float() - target).square() * batch.counts
    count = batch.counts.sum((0, 1, 2)).float()
    weight = channel_weight.to(error) * count.sqrt()
    out: Tensor = (weight * error.sum((0, 1, 2)) / count.clamp_min(1)).sum() / weight.sum()
    return out

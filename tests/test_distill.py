"""A student learns where the teacher's path goes."""

import torch

from openmm_mdgen.flow.sampler import integrate
from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.tokens.tokens import N_CHANNELS, Conditioning
from openmm_mdgen.train.distill import student_loss, teach
from openmm_mdgen.train.windows import Batch, WindowBatches
from tests.helpers.tiny import simulate_task


def batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    shape = (6, 8, 2, N_CHANNELS)
    given = torch.zeros(shape[:3], dtype=torch.bool)
    given[:, 0] = True
    told = Conditioning(
        sequence=torch.randint(0, 20, (6, 2), generator=generator),
        exists=torch.ones(6, 2, N_CHANNELS, dtype=torch.bool),
        given=given,
        values=torch.randn(shape, generator=generator),
        interval=torch.full((6,), 10.0),
    )
    return Batch(torch.zeros(shape), ~given.unsqueeze(-1).expand(shape), told)


def test_the_lesson_is_the_teachers_path():
    teacher, work = simulate_task().network, batch()
    x_0 = torch.randn(work.tokens.shape, generator=torch.Generator().manual_seed(4))
    lesson = teach(teacher, work, x_0, 3, substeps=2)
    with torch.no_grad():
        expected = integrate(lambda x, t: teacher(x, t, work.conditioning), x_0, solver="midpoint", n_steps=6)
    assert lesson.states.shape == (4, *x_0.shape)
    torch.testing.assert_close(lesson.states[-1], expected, atol=1e-4, rtol=1e-4)


def test_a_student_comes_nearer():
    teacher, work = simulate_task().network, batch()
    student = VelocityNetwork(teacher.config)
    student.load_state_dict(teacher.state_dict())
    x_0 = torch.randn(work.tokens.shape, generator=torch.Generator().manual_seed(4))
    lesson = teach(teacher, work, x_0, 2)
    optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
    losses = []
    for _ in range(25):
        loss = sum(student_loss(student, work, lesson, which, WindowBatches.channel_weight) for which in (0, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        two = integrate(lambda x, t: student(x, t, work.conditioning), x_0, solver="euler", n_steps=2)
        plain = integrate(lambda x, t: teacher(x, t, work.conditioning), x_0, solver="euler", n_steps=2)
    error, before = (float((x - lesson.states[-1]).square().mean()) for x in (two, plain))
    assert error < before

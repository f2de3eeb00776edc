"""Muon by shape: the same steps as torch's own, singular values near 1."""

import pytest
import torch

from openmm_mdgen.train.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(3, 8, 24), (2, 24, 8), (1, 16, 16)])
def test_singular_values_near_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(matrices).float()
    values = torch.linalg.svdvals(found)
    assert found.shape == shape and float(values.max()) < 1.3 and float(values.min()) > 0.3


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch before 2.9 has no Muon")
def test_steps_are_those_of_torch():
    generator = torch.Generator().manual_seed(1)
    start = [torch.randn(12, 30, generator=generator), torch.randn(30, 12, generator=generator)]
    ours, theirs = ([torch.nn.Parameter(x.clone()) for x in start] for _ in range(2))
    optimizers = (
        Muon(ours, lr=0.02, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(3):
        for k, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(k))
            q.grad = p.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for p, q, x in zip(ours, theirs, start, strict=True):
        assert float((p - x).norm()) > 0.1
        torch.testing.assert_close(p, q, atol=2e-3, rtol=2e-2)  # torch's own iterates in bfloat16


def test_state_is_saved_and_taken_up():
    p = torch.nn.Parameter(torch.eye(4))
    first = Muon([p], lr=0.1)
    p.grad = torch.ones(4, 4)
    first.step()
    second = Muon([p], lr=0.1)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second.state[p]["momentum_buffer"], first.state[p]["momentum_buffer"])

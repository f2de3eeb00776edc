"""The published code's own numbers, for every setting (skips where ../shared is absent), on any processor."""

from pathlib import Path

import pytest
import torch

from benchmarks.published_numbers import PublishedNumbers
from openmm_mdgen.flow.interpolant import sample_path
from openmm_mdgen.flow.sampler import integrate

SETTINGS = ("forward_sim", "interpolation", "upsampling", "inpainting", "atlas", "hyena")
CONTINUOUS = tuple(name for name in SETTINGS if name != "inpainting")


@pytest.fixture(scope="module")
def case(shared: Path, request: pytest.FixtureRequest) -> PublishedNumbers:
    folder = shared / "parity"
    if not folder.is_dir():
        pytest.skip("../shared/parity is absent")
    return PublishedNumbers(folder, request.param)


def close(found: torch.Tensor, expected: torch.Tensor, atol: float) -> None:
    torch.testing.assert_close(found.to(expected.dtype), expected, atol=atol, rtol=0)


every = pytest.mark.parametrize("case", SETTINGS, indirect=True)
continuous = pytest.mark.parametrize("case", CONTINUOUS, indirect=True)


@every
def test_tokens(case: PublishedNumbers) -> None:
    close(case.encoded.values, case["latents"], 1e-5)
    assert case.encoded.values.shape == case["latents"].shape


@every
def test_masks(case: PublishedNumbers) -> None:
    close(case.encoded.counts, case["loss_mask"], 0)
    close(case.encoded.conditioning.given, case["x_cond_mask"], 0)
    close(case.encoded.conditioning.residues, case["aatype_in"], 0)


@every
@pytest.mark.parametrize(("key", "t"), [("velocity_t0", 0.0), ("velocity_t1", 0.3), ("velocity_t2", 0.9)])
def test_velocity(case: PublishedNumbers, key: str, t: float) -> None:
    close(case.velocity(case["noise"], torch.full((2,), t)), case[key], 2e-5)


@every
def test_euler(case: PublishedNumbers) -> None:
    close(integrate(case.velocity, case["noise"], solver="euler", n_steps=10), case["sample_euler"], 1e-4)


@continuous
def test_dopri5(case: PublishedNumbers) -> None:
    sample = integrate(case.velocity, case["noise"], solver="dopri5", atol=1e-6, rtol=1e-6)
    close(sample, case["sample_dopri5"], 1e-3)


@every
def test_decoded(case: PublishedNumbers) -> None:
    decoded = case.checkpoint.tokens.decode(case["sample_euler"], case.encoded.conditioning.first, case["aatype"])
    close(decoded, case["atom14_from_euler"], 1e-3)


@every
def test_interpolant(case: PublishedNumbers) -> None:
    sample = sample_path(case["plan_x0"], case["latents"], case["plan_t"])
    close(sample.x_t, case["plan_xt"], 1e-6)
    close(sample.velocity, case["plan_ut"], 1e-6)

"""The published code's own numbers, for every setting (skips where ../shared is absent)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from openmm_mdgen.interpolant import sample_path
from openmm_mdgen.published import read_published
from openmm_mdgen.sampler import integrate

SETTINGS = ("forward_sim", "interpolation", "upsampling", "inpainting", "atlas", "hyena")
CONTINUOUS = tuple(name for name in SETTINGS if name != "inpainting")


class Case:
    """One setting: its checkpoint, the reference's arrays, and our encoding of its coordinates."""

    def __init__(self, folder: Path, name: str) -> None:
        arrays = np.load(folder / f"{name}.npz")
        self.arrays = {key: torch.from_numpy(arrays[key]) for key in arrays.files if arrays[key].dtype.kind in "fi"}
        self.checkpoint = read_published(folder / f"{name}.ckpt", key_sign="eigensolver")
        self.encoded = self.checkpoint.tokens.encode(self["atom14"], self["aatype"], self["mask"])

    def __getitem__(self, key: str) -> torch.Tensor:
        return self.arrays[key]

    @property
    def velocity(self):
        return self.checkpoint.network.velocity(self.encoded.conditioning)


@pytest.fixture(scope="module")
def case(shared: Path, request: pytest.FixtureRequest) -> Case:
    folder = shared / "parity"
    if not folder.is_dir():
        pytest.skip("../shared/parity is absent")
    return Case(folder, request.param)


def close(found: torch.Tensor, expected: torch.Tensor, atol: float) -> None:
    torch.testing.assert_close(found.to(expected.dtype), expected, atol=atol, rtol=0)


every = pytest.mark.parametrize("case", SETTINGS, indirect=True)
continuous = pytest.mark.parametrize("case", CONTINUOUS, indirect=True)


@every
def test_tokens(case: Case) -> None:
    close(case.encoded.values, case["latents"], 1e-5)
    assert case.encoded.values.shape == case["latents"].shape


@every
def test_masks(case: Case) -> None:
    close(case.encoded.counts, case["loss_mask"], 0)
    close(case.encoded.conditioning.given, case["x_cond_mask"], 0)
    close(case.encoded.conditioning.residues, case["aatype_in"], 0)


@every
@pytest.mark.parametrize(("key", "t"), [("velocity_t0", 0.0), ("velocity_t1", 0.3), ("velocity_t2", 0.9)])
def test_velocity(case: Case, key: str, t: float) -> None:
    close(case.velocity(case["noise"], torch.full((2,), t)), case[key], 2e-5)


@every
def test_euler(case: Case) -> None:
    close(integrate(case.velocity, case["noise"], solver="euler", n_steps=10), case["sample_euler"], 1e-4)


@continuous
def test_dopri5(case: Case) -> None:
    sample = integrate(case.velocity, case["noise"], solver="dopri5", atol=1e-6, rtol=1e-6)
    close(sample, case["sample_dopri5"], 1e-3)


@every
def test_decoded(case: Case) -> None:
    decoded = case.checkpoint.tokens.decode(case["sample_euler"], case.encoded.conditioning.first, case["aatype"])
    close(decoded, case["atom14_from_euler"], 1e-3)


@every
def test_interpolant(case: Case) -> None:
    sample = sample_path(case["plan_x0"], case["latents"], case["plan_t"])
    close(sample.x_t, case["plan_xt"], 1e-6)
    close(sample.velocity, case["plan_ut"], 1e-6)

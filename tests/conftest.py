"""Fixtures for all tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


class ToyPropagator:
    """Frames that jitter about the start: a pure function of start and seed, and no network.

    Parameters
    ----------
    n_frames
        Frames per block.
    scale
        Standard deviation of the displacement of each coordinate, in Å.
    """

    def __init__(self, n_frames: int = 4, scale: float = 0.05) -> None:
        self.n_frames = n_frames
        self.scale = scale
        self.calls: list[tuple[np.ndarray, int]] = []

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """(N, 3) Å, seed -> (n_frames, N, 3) Å."""
        self.calls.append((start.copy(), seed))
        noise = np.random.default_rng(seed).normal(0.0, self.scale, (self.n_frames, *start.shape))
        return start + noise


@pytest.fixture
def toy_propagator() -> ToyPropagator:
    """A propagator of 4 frames per block; `calls` lists the (start, seed) pairs it was asked for."""
    return ToyPropagator()


@pytest.fixture
def make_toy() -> Callable[..., ToyPropagator]:
    """The toy's class, for tests that choose block length or step size."""
    return ToyPropagator


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared MD data beside the repository; skips where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the MD data folder ../shared is absent")
    return folder


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of small committed files."""
    return ROOT / "tests" / "data"

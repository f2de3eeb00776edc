"""Fixtures for all tests."""

import copy
import random
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import openmm as mm
import pytest
import torch
from openmm import app, unit

from openmm_mdgen.integrator import GenerativeIntegrator
from tests.helpers.registry import registry  # noqa: F401  a fixture

ROOT = Path(__file__).resolve().parent.parent

# the same examples every time, however slow the machine is
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")


def pytest_runtest_setup() -> None:
    """Every test begins with the same random numbers, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


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


@pytest.fixture(scope="session")
def alanine(data: Path) -> app.PDBFile:
    """Alanine dipeptide, minimised, 22 atoms."""
    return app.PDBFile(str(data / "ACE-A-NME.pdb"))


@pytest.fixture(scope="session")
def alanine_system(alanine: app.PDBFile) -> mm.System:
    """Its System in vacuum: rigid bonds to hydrogen, hydrogens 3 amu; copy before changing it."""
    return app.ForceField("amber14-all.xml").createSystem(
        alanine.topology, constraints=app.HBonds, hydrogenMass=3 * unit.amu
    )


@pytest.fixture
def make_simulation(alanine: app.PDBFile, alanine_system: mm.System) -> Callable[..., app.Simulation]:
    """Builds a Simulation of alanine dipeptide on the Reference platform around an integrator, positions set."""

    def make(integrator: mm.Integrator, system: mm.System | None = None) -> app.Simulation:
        system = copy.deepcopy(alanine_system) if system is None else system
        platform = mm.Platform.getPlatformByName("Reference")
        simulation = app.Simulation(alanine.topology, system, integrator, platform)
        simulation.context.setPositions(alanine.positions)
        return simulation

    return make


@pytest.fixture
def make_integrator(alanine: app.PDBFile, toy_propagator: ToyPropagator) -> Callable[..., GenerativeIntegrator]:
    """Builds the integrator for alanine dipeptide around the toy propagator, 350 K and seed 7 unless told."""

    def make(**settings) -> GenerativeIntegrator:
        settings = {"temperature": 350 * unit.kelvin, "model": toy_propagator, "seed": 7} | settings
        return GenerativeIntegrator(alanine.topology, **settings)

    return make

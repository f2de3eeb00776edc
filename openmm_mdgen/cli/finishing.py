"""What ``openmm-mdgen simulate`` does to frames before it writes them: minimising, a few steps of real dynamics."""

from __future__ import annotations

import time as clock
from abc import ABC, abstractmethod

import click
import numpy as np

from openmm_mdgen.cli.start import Start
from openmm_mdgen.convert.mdanalysis import structure_to_universe
from openmm_mdgen.tasks.protocols import ModelInfo


class Finisher(ABC):
    """Changes frames one by one and keeps the time that it takes."""

    name: str

    def __init__(self) -> None:
        self.n_frames, self.seconds = 0, 0.0

    def finished(self, frames: np.ndarray) -> np.ndarray:
        """(R, T, N, 3) Å of the next T frames of every replica -> the same shape."""
        begin = clock.perf_counter()
        first = self.n_frames // len(frames)
        out = np.array([[self.one(x, r, first + t) for t, x in enumerate(run)] for r, run in enumerate(frames)])
        self.n_frames += frames.shape[0] * frames.shape[1]
        self.seconds += clock.perf_counter() - begin
        return out

    @abstractmethod
    def one(self, positions: np.ndarray, replica: int, frame: int) -> np.ndarray:
        """(N, 3) Å of a frame of a replica -> the same shape."""

    def tell(self, total: float) -> None:
        """Say what it cost, of so many seconds in all."""
        each = 1000 * self.seconds / self.n_frames
        click.echo(
            f"{self.name}: {self.seconds:.1f} s, {each:.1f} ms per frame, {self.seconds / total:.0%} of the time"
        )


class Relaxer(Finisher):
    """Minimises."""

    name = "relaxation"

    def __init__(self, start: Start) -> None:
        from openmm_mdgen.forcefield.minimizer import structure_minimizer

        super().__init__()
        self._minimizer = structure_minimizer(start.structure)

    def one(self, positions: np.ndarray, replica: int, frame: int) -> np.ndarray:
        """Minimised."""
        return self._minimizer.minimized(positions)


class Warmer(Finisher):
    """Runs steps of Langevin dynamics; the frames are those that `openmm_mdgen.simulate` gives."""

    name = "dynamics"

    def __init__(
        self, start: Start, steps: int, temperature: float | None, model: ModelInfo, seed: int, n_replicas: int
    ) -> None:
        from openmm_mdgen.trajectory.thermalise import thermalise_replica

        super().__init__()
        atoms = structure_to_universe(start.structure).atoms
        self._runs = [thermalise_replica(atoms, steps, temperature, model, seed, r) for r in range(n_replicas)]

    def one(self, positions: np.ndarray, replica: int, frame: int) -> np.ndarray:
        """After the steps."""
        return self._runs[replica].thermalised(positions, frame)

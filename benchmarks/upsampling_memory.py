"""Peak memory, speed, and the share of time outside the gap filler, of in-place runs over longer and longer files.

python benchmarks/upsampling_memory.py tests/data/QGRE.pdb --frames 1000 --frames 100000 --model linear
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from MDAnalysis import Universe, Writer

from openmm_mdgen.upsampling import LinearGapFiller, upsample_dcd
from openmm_mdgen.upsampling.models import load_gap_model

SPACING = 10.0  # ps


class Timed:
    """A model or filler whose seconds inside are counted."""

    def __init__(self, inner: Any, factor: int) -> None:
        self.inner = LinearGapFiller(factor) if inner is None else inner
        self.factor = factor
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def _clock(self, function: Any, *arguments: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments)
        self.seconds += time.perf_counter() - started
        return result

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """As the inner filler."""
        return self._clock(self.inner.fill, key_frames, seeds)


class TimedModel:
    """A model whose fillers are timed."""

    def __init__(self, inner: Any, factor: int) -> None:
        self.inner, self.factor = inner, factor
        self.fillers: list[Timed] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def bind_gaps(self, structure: Any, spacing: float, interval: float) -> Timed:
        """The inner filler, timed."""
        self.fillers.append(Timed(self.inner.bind_gaps(structure, spacing, interval), self.factor))
        return self.fillers[-1]


def write_frames(topology: Path, path: Path, n_frames: int) -> None:
    """Frames about the structure, 10 ps apart."""
    universe, rng = Universe(str(topology)), np.random.default_rng(0)
    start = universe.atoms.positions.copy()
    with Writer(str(path), universe.atoms.n_atoms, dt=SPACING) as writer:
        for _ in range(n_frames):
            universe.atoms.positions = start + rng.normal(0, 0.05, start.shape)
            writer.write(universe.atoms)


def measure(topology: Path, n_frames: int, factor: int, model: str, answers: Any) -> None:
    """One run in a process of its own: seconds, seconds in the filler, peak memory in MB."""
    warnings.filterwarnings("ignore")
    loaded = load_gap_model(model)
    timed: Any = TimedModel(loaded, factor) if hasattr(loaded, "bind_gaps") else Timed(loaded, factor)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcd"
        write_frames(topology, path, n_frames)
        started = time.perf_counter()
        upsample_dcd(path, topology, SPACING / factor, model=timed)
        seconds = time.perf_counter() - started
    inside = timed.seconds if isinstance(timed, Timed) else sum(filler.seconds for filler in timed.fillers)
    answers.put((seconds, inside, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3))


@click.command()
@click.argument("topology", type=click.Path(path_type=Path, exists=True))
@click.option("--frames", type=int, multiple=True, default=(1000, 10_000, 100_000), show_default=True)
@click.option("--factor", default=10, show_default=True, help="new frames per key frame")
@click.option("--model", default="linear", show_default=True)
def main(topology: Path, frames: Sequence[int], factor: int, model: str) -> None:
    """Print the figures as a markdown table."""
    context = multiprocessing.get_context("spawn")
    click.echo(
        f"| key frames, {factor}x finer | new frames/s | time outside the filler | peak memory |\n|---|---|---|---|"
    )
    for n_frames in frames:
        answers = context.Queue()
        process = context.Process(target=measure, args=(topology, n_frames, factor, model, answers))
        process.start()
        seconds, inside, peak = answers.get()
        process.join()
        made = (n_frames - 1) * factor + 1
        click.echo(f"| {n_frames:,} | {made / seconds:,.0f} | {1 - inside / seconds:.0%} | {peak:.0f} MB |")


if __name__ == "__main__":
    main()

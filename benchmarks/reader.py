"""The reader of generated trajectories with the real network: random access, pickles, processes. Prints markdown.

python benchmarks/reader.py examples/peptide.pdb --frames 10000 --seeks 1000
"""

from __future__ import annotations

import argparse
import multiprocessing
import pickle
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from MDAnalysis import Universe
from MDAnalysis.analysis.rms import RMSD

import openmm_mdgen


def timed(function: Callable, *arguments: object) -> tuple[float, object]:
    """Seconds, result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def read(universe: Universe, frames: np.ndarray) -> np.ndarray:
    """(F, N, 3) Å: frames in the order asked for."""
    return np.array([universe.trajectory[int(frame)].positions.copy() for frame in frames])


def rmsd(universe: Universe, **backend: object) -> np.ndarray:
    """RMSD to the first frame of every frame."""
    return RMSD(universe, select="all").run(**backend).results.rmsd


def access_rows(make: Callable[[], Universe], n_frames: int, n_seeks: int, rng: np.random.Generator) -> list[str]:
    """Sequential reading against seeks in a fresh reader, and against seeks that make blocks again."""
    sequential = make()
    seconds, expected = timed(read, sequential, np.arange(n_frames))
    order = rng.integers(0, n_frames, n_seeks)
    fresh = make()
    first, found = timed(read, fresh, order)
    again, found_again = timed(read, fresh, order[::-1])
    equal = np.array_equal(found, expected[order]) and np.array_equal(found_again, expected[order[::-1]])
    length = sequential.trajectory._blocks.length
    return [
        f"| frames per block | {length} |",
        f"| {n_frames} frames in order | {seconds:.1f} s ({n_frames / seconds:.0f} frames/s) |",
        f"| {n_seeks} random seeks, fresh reader | {first:.1f} s |",
        f"| the same backwards, starts of blocks known | {again:.1f} s |",
        f"| random access equals sequential, bitwise | {'yes' if equal else 'NO'} |",
    ]


def pickle_rows(make: Callable[[], Universe], n_frames: int) -> list[str]:
    """Size of a pickled reader as opened, and after it has seen all blocks."""
    trajectory = make().trajectory
    fresh = len(pickle.dumps(trajectory))
    trajectory[n_frames - 1]
    return [
        f"| pickled reader, as opened | {fresh / 1e3:.1f} kB |",
        f"| pickled reader, all {n_frames} frames seen | {len(pickle.dumps(trajectory)) / 1e3:.1f} kB |",
    ]


def backend_rows(make: Callable[[], Universe], n_workers: int) -> list[str]:
    """Serial analysis against processes, after frames were made in the parent."""
    universe = make()
    serial_time, serial = timed(rmsd, universe)
    rows = [f"| RMSD analysis, serial | {serial_time:.1f} s |"]
    for backend in ("multiprocessing", "dask"):
        fresh = make()
        seconds, found = timed(lambda u=fresh, b=backend: rmsd(u, backend=b, n_workers=n_workers))
        rows.append(f"| {backend}, {n_workers} workers | {seconds:.1f} s, {equality(found, serial)} |")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, found = timed(lambda: pool.apply(rmsd, (make(),)))
    return [*rows, f"| one spawned process | {seconds:.1f} s, {equality(found, serial)} |"]


def equality(found: object, expected: object) -> str:
    """Whether two arrays are equal bitwise, and if not by how much they differ."""
    if np.array_equal(found, expected):
        return "equal bitwise"
    return f"NOT equal, off by {np.abs(np.asarray(found) - np.asarray(expected)).max():.2g}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("structure", type=Path)
    parser.add_argument("--model", default="peptide")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--seeks", type=int, default=1_000)
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--backend-frames", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning)

    def make(n_frames: int) -> Universe:
        return openmm_mdgen.simulate(
            options.structure, time=n_frames * options.interval, interval=options.interval, model=options.model, seed=1
        )

    print(f"{options.structure.name}, {options.frames} frames, {torch.get_num_threads()} torch threads\n")
    print("| reader | |\n|---|---|")
    rng = np.random.default_rng(0)
    for row in access_rows(lambda: make(options.frames), options.frames, options.seeks, rng):
        print(row, flush=True)
    for row in pickle_rows(lambda: make(options.frames), options.frames):
        print(row, flush=True)
    for row in backend_rows(lambda: make(options.backend_frames), options.workers):
        print(row, flush=True)


if __name__ == "__main__":
    main()

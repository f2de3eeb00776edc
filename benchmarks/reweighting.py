"""Weights of short runs from biased starts against exact populations, with the rate at which 95 % intervals hold them.

python benchmarks/reweighting.py --repetitions 100
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from openmm_mdgen.correction.reweight import METHODS, reweight

CHAIN = np.array([[0.95, 0.05, 0.0], [0.02, 0.96, 0.02], [0.0, 0.04, 0.96]])
CHAIN_EXACT = np.array([4.0, 10.0, 5.0]) / 19
BARRIER, TILT, STEP = 2.5, 0.4, 0.002


def chain_runs(rng: np.random.Generator, n_runs: int = 60, n_steps: int = 30) -> list[np.ndarray]:
    """Three states with most starts in the first, (n_steps + 1, 3) one-hot each."""
    states, limits = [rng.choice(3, n_runs, p=(0.7, 0.1, 0.2))], CHAIN.cumsum(1)
    for _ in range(n_steps):
        states.append((rng.random((n_runs, 1)) > limits[states[-1]]).sum(1))
    return list(np.eye(3)[np.array(states).T])


def well_runs(rng: np.random.Generator, n_runs: int = 100, n_frames: int = 60) -> list[np.ndarray]:
    """Brownian motion in a double well with most starts in the rarer well, (n_frames + 1, 1) each."""
    x = np.where(rng.random(n_runs) < 0.8, 1.0, -1.0) + rng.normal(0, 0.25, n_runs)
    frames = [x]
    for _ in range(n_frames):
        for _ in range(10):
            force = -4 * BARRIER * x * (x * x - 1) - TILT
            x = x + force * STEP + np.sqrt(2 * STEP) * rng.normal(size=n_runs)
        frames.append(x)
    return list(np.array(frames).T[..., None])


def well_exact() -> float:
    """Population of the left well at equilibrium."""
    x = np.linspace(-3, 3, 60_001)
    density = np.exp(-(BARRIER * (x * x - 1) ** 2 + TILT * x))
    return float(density[x < 0].sum() / density.sum())


def repeat(
    make: Callable[[np.random.Generator], list[np.ndarray]],
    inside: Callable[[np.ndarray], np.ndarray],
    exact: float,
    method: str,
    lag: int,
    repetitions: int,
    n_clusters: int = 30,
) -> dict[str, float]:
    """Starts' share, mean error, its spread, and how often the interval holds the exact population."""
    rows = []
    for seed in range(repetitions):
        runs = make(np.random.default_rng(seed))
        result = reweight(runs, lag, method=method, n_clusters=n_clusters, n_bootstrap=60, seed=seed)
        points = inside(np.concatenate(runs))
        share = result.share(points)
        rows.append((points.mean(), share.value[0] - exact, share.low[0] <= exact <= share.high[0]))
    raw, error, held = np.array(rows).T
    return {"unweighted": raw.mean(), "bias": error.mean(), "spread": error.std(), "held": held.mean()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=100)
    repetitions = parser.parse_args().repetitions
    cases = [(f"chain, state {k}", chain_runs, lambda x, k=k: x[:, k] > 0.5, CHAIN_EXACT[k], 1, 30) for k in range(3)]
    cases += [
        (f"double well, left, {n} clusters", well_runs, lambda x: x[:, 0] < 0, well_exact(), 5, n) for n in (3, 30)
    ]
    print("| case | method | exact | unweighted | bias | spread | intervals that hold |\n|---|---|---|---|---|---|---|")
    for name, make, inside, exact, lag, n_clusters in cases:
        for method in METHODS:
            start = time.time()
            r = repeat(make, inside, exact, method, lag, repetitions, n_clusters)
            print(
                f"| {name} | {method} | {exact:.3f} | {r['unweighted']:.3f} | {r['bias']:+.3f} | {r['spread']:.3f} | "
                f"{r['held']:.0%} ({(time.time() - start) / repetitions:.2f} s each) |",
                flush=True,
            )


if __name__ == "__main__":
    main()

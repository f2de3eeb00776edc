"""`correct` of alanine dipeptide in explicit water, end to end, and what it costs.

python benchmarks/explicit_water.py --seeds 20 --time 10 --equilibrate 20
"""

import argparse
import os
import time
import warnings

import numpy as np
from correcting import PDB, STATES, angles, populations

import openmm_mdgen


def processor_seconds() -> float:
    """Of this process and of those that it has ended."""
    return sum(os.times()[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--time", type=float, default=10.0)
    parser.add_argument("--equilibrate", type=float, default=20.0)
    parser.add_argument("--settle", type=float, default=0.2)
    parser.add_argument("--water", default="tip3p")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    universe = openmm_mdgen.simulate(PDB, time=10_000, temperature=300)
    begun, used = time.time(), processor_seconds()
    result = openmm_mdgen.correct(
        universe,
        water=args.water,
        temperature=300.0,
        seeds=args.seeds,
        time=args.time,
        interval=0.1,
        settle=args.settle,
        equilibrate=args.equilibrate,
        lag=0.2,
        workers=args.workers,
        folder=args.folder,
        n_bootstrap=20,
        progress=False,
    )
    each = (time.time() - begun) / args.seeds, (processor_seconds() - used) / args.seeds
    before = angles(universe.atoms, universe.trajectory.timeseries(order="fac"))
    after = angles(universe.atoms, result.run_positions)
    print(
        f"{args.seeds} seeds of {args.time:g} ps after {args.equilibrate:g} ps held: {each[0]:.1f} s a seed, "
        f"{each[1]:.1f} s of CPU; {result.cost_ns:.3f} ns in all, {len(result.failures)} left out"
    )
    for name, p in (("generated", populations(before)), ("corrected", populations(after, result.run_weights))):
        print(name, ", ".join(f"{s} {x:.3f}" for s, x in zip(STATES, p, strict=True)))
    print(np.round(result.effective_runs, 1), "effective runs\n" + str(result))


if __name__ == "__main__":
    main()

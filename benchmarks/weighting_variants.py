"""Ways of weighting the same short runs of alanine dipeptide, one change at a time, against long MD.

    python benchmarks/weighting_variants.py --reference FOLDER --runs RUNS

RUNS are what benchmarks/correcting.py kept with --folder, one or more. Changed in turn: the lag, the first picoseconds
that are left out, the method, random cells of the iteration, and how much of the runs is used.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from correcting import PDB, angles, error, histogram, jsd, populations, reference_angles

from openmm_mdgen.convert.mdanalysis import structure_to_universe
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.correction import reweight as module
from openmm_mdgen.correction.ensemble import read_ensemble
from openmm_mdgen.correction.reweight import reweight
from openmm_mdgen.correction.running import read_plan, read_run

LAG, INTERVAL = 10.0, 0.5
VARIANTS = {
    "as it is: lag 10 ps, random cells": {},
    "lag 2 ps": {"lag": 2.0},
    "lag 5 ps": {"lag": 5.0},
    "lag 20 ps": {"lag": 20.0},
    "first 5 ps left out": {"skip": 5.0},
    "first 10 ps left out": {"skip": 10.0},
    "Markov model": {"method": "markov"},
    "10 cells": {"cells": 10},
    "40 cells": {"cells": 40},
    "100 cells": {"cells": 100},
    "every second run": {"step": 2},
    "first half of every run": {"keep": 25.0, "lag": 5.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--only", nargs="+", help="these ways")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    atoms = structure_to_universe(load_structure(PDB)).atoms
    ensemble = read_ensemble(atoms.universe)
    reference = np.concatenate(reference_angles(args.reference))
    p, whole = populations(reference), histogram(reference)
    found = []
    for folder in args.runs:
        plan, starts, _ = read_plan(folder / "round_0")
        found += [read_run(folder / "round_0", k).positions for k in range(len(starts))]
    print(f"{len(found)} runs of {plan.n_frames * plan.interval:g} ps\n")
    print("| | JSD | beta, kJ/mol | alpha | effective runs | s |")
    print("|---|---|---|---|---|---|")
    for name, change in VARIANTS.items():
        if args.only and name not in args.only:
            continue
        begun = time.process_time()
        first, last = round(change.get("skip", 0.0) / INTERVAL), round(change.get("keep", 1e6) / INTERVAL)
        positions = [x[first:last] for x in found[:: change.get("step", 1)]]
        module._CELLS = change.get("cells", 20)
        result = reweight(
            [ensemble.features(x) for x in positions],
            round(change.get("lag", LAG) / INTERVAL),
            method=change.get("method", "iterated"),
            n_bootstrap=2,
        )
        ab, weights = angles(atoms, np.concatenate(positions)), np.concatenate(result.weights)
        wrong = error(populations(ab, weights), p)
        print(
            f"| {name} | {jsd(histogram(ab, weights), whole):.3f} | {wrong[0]:+.2f} | {wrong[1]:+.2f} | "
            f"{result.effective_runs:.0f} | {time.process_time() - begun:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

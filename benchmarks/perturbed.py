"""What long MD of alanine dipeptide says of another force field: populations by perturbation, state by state.

    python benchmarks/perturbed.py --reference FOLDER --runs RUNS RUNS --force-field amber14-all.xml implicit/gbn2.xml

RUNS are frames of all atoms in ff14SB with OBC2, as benchmarks/correcting.py keeps them with --folder: within a state
they stand for its equilibrium. Populations of the reference times the mean Boltzmann factor of the difference in energy
are those of the other force field. Errors are those of a bootstrap over runs. States without frames are left out.
"""

import argparse
from pathlib import Path

import numpy as np
import openmm as mm
from correcting import KT, PDB, STATES, angles, populations, reference_angles, states

from openmm_mdgen.convert.mdanalysis import structure_to_universe
from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.correction.explicit import implicit_system
from openmm_mdgen.correction.running import read_plan, read_run
from openmm_mdgen.forcefield.build import build_system


def energies(system: mm.System, frames: np.ndarray) -> np.ndarray:
    """kJ/mol of frames (F, N, 3) Å."""
    platform = mm.Platform.getPlatformByName("CPU")
    context = mm.Context(system, mm.VerletIntegrator(0.001), platform, {"Threads": "1"})
    out = []
    for x in frames:
        context.setPositions(x.astype(float) / 10)
        out.append(context.getState(energy=True).getPotentialEnergy()._value)
    return np.array(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--force-field", nargs="+", required=True)
    parser.add_argument("--every", type=int, default=10)
    args = parser.parse_args()
    topology, atoms = structure_to_topology(load_structure(PDB)), structure_to_universe(load_structure(PDB)).atoms
    found = []
    for folder in args.runs:
        n_runs = len(read_plan(folder / "round_0")[1])
        found += [read_run(folder / "round_0", k).positions[:: args.every] for k in range(n_runs)]
    frames, owner = np.concatenate(found), np.repeat(np.arange(len(found)), [len(x) for x in found])
    difference = energies(implicit_system(topology, args.force_field), frames) - energies(
        build_system(topology, 3.0), frames
    )
    factor, place = np.exp(-(difference - difference.mean()) / KT), states(*angles(atoms, frames).T)
    known = [s for s in range(3) if (place == s).any()]
    p = populations(np.concatenate(reference_angles(args.reference)))[known]
    p /= p.sum()
    rng, rows = np.random.default_rng(0), []
    for k in range(201):
        weight = np.ones(len(found)) if not k else rng.exponential(size=len(found))
        mean = np.array([np.average(factor[place == s], weights=weight[owner[place == s]]) for s in known])
        rows.append(p * mean / (p * mean).sum())
    print(f"{' '.join(args.force_field)}: {len(frames)} frames, spread of the difference {difference.std():.1f} kJ/mol")
    print("| state | ff14SB + OBC2 | other force field | kJ/mol |\n|---|---|---|---|")
    for s, name in enumerate(np.array(STATES)[known]):
        spread = np.std([row[s] for row in rows[1:]])
        moved = -KT * np.log(rows[0][s] / p[s])
        print(f"| {name} | {p[s]:.3f} | {rows[0][s]:.3f} ± {1.96 * spread:.3f} | {moved:+.2f} |")


if __name__ == "__main__":
    main()

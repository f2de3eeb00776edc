"""A zwitterionic dipeptide in another force field: frames of the bundled model corrected, beside plain MD there.

    python benchmarks/plain_md.py AA AA.npz --force-field charmm36.xml implicit/obc2.xml --ns 4
    python benchmarks/zwitterion.py AA --plain AA.npz --force-field charmm36.xml implicit/obc2.xml

States by psi of the first residue (extended or helical) and phi of the last (below or above 0).
"""

import argparse
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
from correcting import KT, histogram, jsd

import openmm_mdgen
from openmm_mdgen.convert.mdanalysis import structure_to_universe
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles
from openmm_mdgen.forcefield.build import build_peptide

NAMES = ("extended, phi below 0", "helical, phi below 0", "extended, phi above 0", "helical, phi above 0")


def pair(atoms: mda.AtomGroup, frames: np.ndarray) -> np.ndarray:
    """(F, 2): phi of the last residue, psi of the first."""
    heavy = heavy_atoms(atoms)
    torsions = topology_of(heavy).torsions
    found = torsion_angles(frames[:, heavy.indices], torsions)
    names = [(t.residue, t.kind) for t in torsions]
    return found[:, [names.index((1, "phi")), names.index((0, "psi"))]]


def populations(ab: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    helical = (ab[:, 1] > np.deg2rad(-120)) & (ab[:, 1] < np.deg2rad(50))
    out = np.bincount(helical + 2 * (ab[:, 0] > 0), weights, 4).astype(float)
    return out / out.sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sequence")
    parser.add_argument("--plain", type=Path, required=True)
    parser.add_argument("--force-field", nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--time", type=float, default=20.0)
    parser.add_argument("--folder")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    built = build_peptide(args.sequence)
    universe = openmm_mdgen.simulate(built, time=10_000, temperature=300, seed=0)
    result = openmm_mdgen.correct(
        universe,
        temperature=300.0,
        forcefield=args.force_field,
        seeds=args.seeds,
        time=args.time,
        interval=0.5,
        lag=args.time / 4,
        workers=1,
        folder=args.folder,
        progress=False,
    )
    before = pair(universe.atoms, universe.trajectory.timeseries(order="fac"))
    after = pair(universe.atoms, result.run_positions)
    with np.load(args.plain) as file:
        plain = pair(structure_to_universe(load_structure(built)).atoms, file["frames"])
    weights, whole = result.run_weights, histogram(plain)
    helical = 1 * ((after[:, 1] > np.deg2rad(-120)) & (after[:, 1] < np.deg2rad(50))) + 2 * (after[:, 0] > 0)
    half = [result.mean(helical == k)[1] for k in range(4)]
    halves = [plain[: len(plain) // 2], plain[len(plain) // 2 :]]
    print(f"plain MD {len(plain) / 1000:g} ns; {result.cost_ns:.2f} ns in {result.seconds:.0f} s")
    print(
        f"JSD against plain MD: generated {jsd(histogram(before), whole):.3f}, corrected "
        f"{jsd(histogram(after, weights), whole):.3f}, its halves {jsd(*map(histogram, halves)):.3f}"
    )
    print("| state | generated | corrected | plain MD | halves of it |\n|---|---|---|---|---|")
    rows = (populations(before), populations(after, weights), populations(plain), *map(populations, halves))
    for k, (g, c, p, a, b) in enumerate(zip(*rows, strict=True)):
        print(f"| {NAMES[k]} | {g:.3f} | {c:.3f} ± {half[k]:.3f} | {p:.3f} | {a:.3f}, {b:.3f} |")
    print(f"kT {KT:.2f} kJ/mol\n{result}")


if __name__ == "__main__":
    main()

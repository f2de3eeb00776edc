"""Tetrapeptides: wrong ensembles corrected by short runs, against all MD of a test folder and plain MD of one cost.

    python benchmarks/correcting_peptides.py ../shared/data/tetrapeptides/test/QGRE --start hot --seeds 40 --time 20

The folder has allatom.pdb and r??.xtc of MD at 350 K in ff14SB with OBC2. Starts: the bundled model at 450 K (hot), the
same with every second frame of the commonest state of its second residue left out (halved), the bundled model at 350 K
(model), and the first one (other). States: extended, right-handed helix or phi above 0, of each residue with both
angles; errors: root mean square over states of 3 % or more, of -kT ln p. JSD: mean over residues of that of (phi, psi).
"""

import argparse
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm as mm
from correcting import BINS, jsd, states

import openmm_mdgen
from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import backbone_pairs, torsion_angles
from openmm_mdgen.forcefield.build import build_system

KELVIN = 350.0
KT = 8.314462618e-3 * KELVIN
COMMON, LEAST = 0.03, 1e-3


class Angles:
    """phi and psi of residues that have both."""

    def __init__(self, atoms: mda.AtomGroup) -> None:
        heavy = heavy_atoms(atoms)
        self.torsions, self.heavy = topology_of(heavy).torsions, heavy.indices
        self.pairs = backbone_pairs(self.torsions)

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """(F, residues, 2) of frames of all atoms, or of the heavy ones."""
        own = positions if positions.shape[1] == len(self.heavy) else positions[:, self.heavy]
        return torsion_angles(own, self.torsions)[:, np.array(self.pairs)]


def histograms(ab: np.ndarray, weights: np.ndarray | None = None) -> list[np.ndarray]:
    return [np.histogram2d(x[:, 0], x[:, 1], (BINS, BINS), weights=weights)[0] for x in ab.swapaxes(0, 1)]


def populations(ab: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """(residues, 3)."""
    out = np.array([np.bincount(states(*x.T), weights, 3) for x in ab.swapaxes(0, 1)], float)
    return out / out.sum(1, keepdims=True)


def distance(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    return float(np.mean([jsd(a, b) for a, b in zip(one, other, strict=True)]))


def errors(p: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """kJ/mol of the common states."""
    common = reference >= COMMON
    return -KT * np.log(np.maximum(p[common], LEAST) / reference[common])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


def generated(pdb: Path, start: str, seed: int) -> tuple[mda.Universe, np.ndarray]:
    """1000 frames of all atoms, and their angles."""
    settings = {"hot": {"temperature": 450.0}, "other": {"model": "peptide-0.1"}}.get(start, {"temperature": KELVIN})
    settings = {"temperature": 450.0} if start == "halved" else settings
    universe = openmm_mdgen.simulate(pdb, time=10_000, equilibrate=630, seed=seed, **settings)
    frames = universe.trajectory.timeseries(order="fac")
    ab = Angles(universe.atoms)(frames)
    if start == "halved":
        place = states(*ab[:, min(1, ab.shape[1] - 1)].T)
        frames = np.delete(frames, np.flatnonzero(place == np.bincount(place).argmax())[::2], axis=0)
        ab = Angles(universe.atoms)(frames)
    return mda.Universe(str(pdb), frames, order="fac", dt=10.0), ab


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", choices=["hot", "halved", "model", "other"], default="hot")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--time", type=float, default=20.0)
    parser.add_argument("--lag", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    pdb = args.folder / "allatom.pdb"
    universe, before = generated(pdb, args.start, args.seed)
    angles = Angles(universe.atoms)
    replicas = [
        angles(mda.Universe(str(args.folder / "heavy.pdb"), str(path)).trajectory.timeseries(order="fac"))
        for path in sorted(args.folder.glob("r[0-9][0-9].xtc"))
    ]
    everything = np.concatenate(replicas)
    p, whole = populations(everything), histograms(everything)
    system = build_system(structure_to_topology(load_structure(pdb)), 3.0)
    result = openmm_mdgen.correct(
        universe,
        (system, mm.LangevinMiddleIntegrator(KELVIN, 1.0, 0.004)),
        platform="Reference",
        folder=args.runs,
        seeds=args.seeds,
        time=args.time,
        lag=args.lag,
        interval=0.5,
        settle=1.0,
        workers=1,
        seed=args.seed,
        progress=False,
    )
    after = angles(result.run_positions)
    name = f"{args.folder.name}, {args.start}"
    spread = []
    for residue, state in np.argwhere(p >= COMMON):
        found, half = result.mean(states(*after[:, residue].T) == state)
        spread.append(KT * half / 1.96 / max(found, LEAST))
    rows = [
        ("as generated", distance(histograms(before), whole), rms(errors(populations(before), p)), ""),
        (
            "corrected",
            distance(histograms(after, result.run_weights), whole),
            rms(errors(populations(after, result.run_weights), p)),
            f" (told: {rms(np.array(spread)):.2f})",
        ),
        (
            "generated frames, weighted",
            distance(histograms(before, result.weights), whole),
            rms(errors(populations(before, result.weights), p)),
            "",
        ),
        (
            "runs, not weighted",
            distance(histograms(after), whole),
            rms(errors(populations(after), p)),
            "",
        ),
    ]
    for factor in (1, 2, 5):
        n = round(100 * factor * result.cost_ns)
        pieces = [r[k : k + n] for r in replicas for k in range(0, len(r) - n + 1, n)]
        if pieces:
            found = np.array([[distance(histograms(x), whole), rms(errors(populations(x), p))] for x in pieces])
            mean = found[:, 0].mean(), rms(found[:, 1])
            rows.append((f"plain MD of {factor} x, {len(pieces)} pieces", *mean, ""))
    halves = [np.concatenate(replicas[k::2]) for k in range(2)]
    floor = errors(populations(halves[0]), populations(halves[1]))
    rows.append(("halves of the reference", distance(*map(histograms, halves)), rms(floor), ""))
    print(f"reference {len(everything) / 100:.0f} ns, cost {result.cost_ns:.2f} ns, {result.seconds:.0f} s")
    for label, d, e, told in rows:
        print(f"| {name} | {label} | {d:.3f} | {e:.2f}{told} |")
    print(result)


if __name__ == "__main__":
    main()

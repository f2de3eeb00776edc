"""Tetrapeptides: wrong ensembles corrected by short runs, against long MD and plain MD of one cost.

    python benchmarks/correcting_peptides.py PDB --reference FOLDER --start hot --seeds 100 --time 50

PDB has all atoms; FOLDER has heavy.pdb and r??.xtc of MD in ff14SB with OBC2 at --temperature. Starts: the bundled
model at 450 K (hot), the same with every second frame of the commonest state of its second residue left out (halved),
the bundled model at the temperature (model), and the first one, at 350 K (other). States: extended, right-handed helix
or phi above 0, of each residue with both angles; errors: root mean square over states of 3 % or more, of -kT ln p. JSD:
mean over residues of that of (phi, psi). --engine is the folder of the vector engine that makes the short runs in place
of OpenMM, at a fortieth of the cost.
"""

import argparse
import importlib
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm as mm
from correcting import BINS, jsd, states
from engine_runs import engine_runs

import openmm_mdgen
from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import backbone_pairs, torsion_angles
from openmm_mdgen.forcefield.build import build_system

GAS_CONSTANT = 8.314462618e-3
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


def errors(p: np.ndarray, reference: np.ndarray, kt: float) -> np.ndarray:
    """kJ/mol of the common states."""
    common = reference >= COMMON
    return -kt * np.log(np.maximum(p[common], LEAST) / reference[common])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


def generated(pdb: Path, start: str, seed: int, kelvin: float) -> tuple[mda.Universe, np.ndarray]:
    """1000 frames of all atoms, and their angles."""
    settings = {"hot": {"temperature": 450.0}, "other": {"model": "peptide-0.1"}}.get(start, {"temperature": kelvin})
    settings = {"temperature": 450.0} if start == "halved" else settings
    universe = openmm_mdgen.simulate(pdb, time=10_000, equilibrate=630, seed=seed, **settings)
    frames = universe.trajectory.timeseries(order="fac")
    ab = Angles(universe.atoms)(frames)
    if start == "halved":
        place = states(*ab[:, min(1, ab.shape[1] - 1)].T)
        frames = np.delete(frames, np.flatnonzero(place == np.bincount(place).argmax())[::2], axis=0)
        ab = Angles(universe.atoms)(frames)
    return mda.Universe(str(pdb), frames, order="fac", dt=10.0), ab


def replicas_of(folder: Path, angles: "Angles") -> list[np.ndarray]:
    """Angles of every replica of the reference."""
    paths = sorted(folder.glob("r[0-9][0-9].xtc"))
    return [angles(mda.Universe(str(folder / "heavy.pdb"), str(p)).trajectory.timeseries(order="fac")) for p in paths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pdb", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--temperature", type=float, default=300.0)
    parser.add_argument("--start", choices=["hot", "halved", "model", "other"], default="hot")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--time", type=float, default=50.0)
    parser.add_argument("--lag", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs")
    parser.add_argument("--engine", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    kt = GAS_CONSTANT * args.temperature
    universe, before = generated(args.pdb, args.start, args.seed, args.temperature)
    angles = Angles(universe.atoms)
    replicas = replicas_of(args.reference, angles)
    everything = np.concatenate(replicas)
    p, whole = populations(everything), histograms(everything)
    system = build_system(structure_to_topology(load_structure(args.pdb)), 3.0)
    if args.engine:
        importlib.import_module("openmm_mdgen.correction.correct").make_runs = engine_runs(args.engine)
    result = openmm_mdgen.correct(
        universe,
        (system, mm.LangevinMiddleIntegrator(args.temperature, 1.0, 0.004)),
        platform="Reference",
        folder=args.runs,
        seeds=args.seeds,
        time=args.time,
        interval=0.5,
        lag=args.lag,
        rounds=args.rounds,
        workers=1,
        seed=args.seed,
        progress=False,
    )
    after = angles(result.run_positions)
    name = f"{args.pdb.parent.name}, {args.start}"
    told, held = [], []
    found = populations(after, result.run_weights)
    for residue, state in np.argwhere(p >= COMMON):
        half = result.mean(states(*after[:, residue].T) == state)[1]
        told.append(kt * half / 1.96 / max(found[residue, state], LEAST))
        held.append(abs(found[residue, state] - p[residue, state]) <= half)

    def row(
        label: str, ab: np.ndarray, weights: np.ndarray | None = None, more: str = ""
    ) -> tuple[str, float, float, str]:
        return label, distance(histograms(ab, weights), whole), rms(errors(populations(ab, weights), p, kt)), more

    rows = [
        row("as generated", before),
        row(
            "corrected",
            after,
            result.run_weights,
            f" (told: {rms(np.array(told)):.2f}; {sum(held)} of {len(held)} held)",
        ),
        row("generated frames, weighted", before, result.weights),
        row("runs, not weighted", after),
    ]
    for factor in (1, 2, 5, 10):
        n = round(100 * factor * result.cost_ns)
        pieces = [r[k : k + n] for r in replicas for k in range(0, len(r) - n + 1, n)]
        if pieces:
            pair = np.array([[distance(histograms(x), whole), rms(errors(populations(x), p, kt))] for x in pieces])
            rows.append((f"plain MD of {factor} x, {len(pieces)} pieces", pair[:, 0].mean(), rms(pair[:, 1]), ""))
    halves = [np.concatenate(replicas[k::2]) for k in range(2)]
    floor = errors(populations(halves[0]), populations(halves[1]), kt)
    rows.append(("halves of the reference", distance(*map(histograms, halves)), rms(floor), ""))
    print(f"reference {len(everything) / 100:.0f} ns, cost {result.cost_ns:.2f} ns, {result.seconds:.0f} s")
    for label, d, e, more in rows:
        print(f"| {name} | {label} | {d:.3f} | {e:.2f}{more} |")
    print("generated, corrected, 95 % half interval, reference of each common state")
    for (residue, state), half in zip(np.argwhere(p >= COMMON), told, strict=True):
        share = found[residue, state]
        wide = 1.96 * half / kt * max(share, LEAST)
        print(
            residue,
            state,
            f"{populations(before)[residue, state]:.3f} {share:.3f} ± {wide:.3f} {p[residue, state]:.3f}",
        )
    print(result)


if __name__ == "__main__":
    main()

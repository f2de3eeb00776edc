"""Alanine dipeptide: wrong ensembles corrected by short runs, against long MD and plain MD of the same cost.

    python benchmarks/correcting.py --reference FOLDER --start hot --seeds 100 --time 50

FOLDER holds heavy.pdb and r*.xtc of the reference at 300 K. Starts: frames of 450 K (hot), the same with every second
frame of one well left out (halved), the bundled model at 300 K (model) and the first model, at 350 K (other). The
System is ff14SB with OBC2, or that of --force-field; then --plain is a file of plain MD in it by
benchmarks/plain_md.py. A --folder keeps the runs, so that other ways of weighting them cost no MD.
"""

import argparse
import importlib
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm as mm
from engine_runs import engine_runs
from openmm import unit

import openmm_mdgen
from openmm_mdgen.convert.mdanalysis import structure_to_mdanalysis as structure_to_atoms
from openmm_mdgen.convert.mdanalysis import structure_to_universe
from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.correction.explicit import implicit_system
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles
from openmm_mdgen.forcefield.build import build_peptide, build_system

PDB = Path(__file__).parents[1] / "tests" / "data" / "ACE-A-NME.pdb"
KT = 8.314462618e-3 * 300
STATES = ("beta", "alpha", "left")
BINS = np.linspace(-np.pi, np.pi, 31)


def states(phi: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """0 extended, 1 right-handed helix, 2 phi above 0."""
    helix = (psi > np.deg2rad(-120)) & (psi < np.deg2rad(50))
    return np.where(phi > 0, 2, np.where(helix, 1, 0))


def angles(atoms: mda.AtomGroup, positions: np.ndarray) -> np.ndarray:
    """(F, 2) phi and psi of frames (F, N, 3) of all atoms, or of the heavy ones."""
    heavy = heavy_atoms(atoms)
    torsions = topology_of(heavy).torsions
    return torsion_angles(positions if positions.shape[1] == len(heavy) else positions[:, heavy.indices], torsions)


def jsd(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon distance (natural logarithm) of two histograms."""
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.nansum(np.where(x > 0, x * np.log(x / m), 0.0)) for x in (p, q)]
    return float(np.sqrt(sum(parts) / 2))


def histogram(ab: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    return np.histogram2d(ab[:, 0], ab[:, 1], (BINS, BINS), weights=weights)[0]


def populations(ab: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    out = np.bincount(states(*ab.T), weights, 3).astype(float)
    return out / out.sum()


def error(p: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """kJ/mol of each state's population against the reference's; floored at one frame in ten thousand."""
    return -KT * np.log(np.maximum(p, 1e-4) / reference)


def langevin(system: mm.System, temperature: float, ps: float, every_ps: float, seed: int) -> np.ndarray:
    """(F, N, 3) Å of plain MD from the built structure."""
    integrator = mm.LangevinMiddleIntegrator(temperature, 1.0, 0.004)
    integrator.setRandomNumberSeed(seed)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(load_structure(PDB).positions / 10)
    mm.LocalEnergyMinimizer.minimize(context)
    context.setVelocitiesToTemperature(temperature, seed)
    integrator.step(5000)
    frames = []
    for _ in range(round(ps / every_ps)):
        integrator.step(round(every_ps / 0.004))
        frames.append(context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom))
    return np.array(frames, np.float32)


def generated(start: str, seed: int) -> mda.Universe:
    """1000 frames of a wrong ensemble, all atoms."""
    if start == "model":
        return openmm_mdgen.simulate(PDB, time=10_000, seed=seed, temperature=300)
    if start == "other":
        return openmm_mdgen.simulate(PDB, time=10_000, seed=seed, model="peptide-0.1")
    structure = load_structure(PDB)
    frames = langevin(build_system(structure_to_topology(structure), 3.0), 450.0, 2000, 2.0, 1 + seed)
    universe = mda.Universe(structure_to_atoms(structure), frames, order="fac", dt=2.0)
    if start == "halved":
        helix = np.flatnonzero(states(*angles(universe.atoms, frames).T) == 1)
        frames = np.delete(frames, helix[::2], axis=0)
        universe = mda.Universe(structure_to_atoms(structure), frames, order="fac", dt=2.0)
    return universe


def reference_angles(folder: Path) -> list[np.ndarray]:
    """phi and psi per replica, 10 ps apart."""
    out = []
    for path in sorted(folder.glob("r[0-9]*.xtc")):
        if "allatom" not in path.name:
            universe = mda.Universe(str(folder / "heavy.pdb"), str(path))
            out.append(angles(universe.atoms, universe.trajectory.timeseries(order="fac")))
    return out


def plain_errors(replicas: list[np.ndarray], cost_ns: float, p: np.ndarray, whole: np.ndarray) -> tuple:
    """Root mean square error in kJ/mol per state, and mean JSD, of pieces of the reference of one cost."""
    n = max(1, round(cost_ns * 100))
    pieces = [r[k : k + n] for r in replicas for k in range(0, len(r) - n + 1, n)]
    errors = np.array([error(populations(piece), p) for piece in pieces])
    return np.sqrt((errors**2).mean(0)), np.mean([jsd(histogram(piece), whole) for piece in pieces]), len(pieces)


def row(name: str, distance: float, errors: np.ndarray, spread: np.ndarray | None = None) -> str:
    cells = [
        f"{e:+.2f}" + ("" if spread is None else f" ± {s:.2f}")
        for e, s in zip(errors, spread if spread is not None else errors, strict=True)
    ]
    return f"| {name} | {distance:.3f} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--plain", type=Path, help="a file of plain MD as the reference")
    parser.add_argument("--force-field", nargs="+")
    parser.add_argument("--start", choices=["hot", "halved", "model", "other"], default="hot")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--time", type=float, default=50.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--lag", type=float, default=10.0)
    parser.add_argument("--settle", type=float, default=2.0)
    parser.add_argument("--method", default="iterated")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder")
    parser.add_argument("--engine", type=Path, help="the vector engine's folder, which makes the short runs")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    universe = generated(args.start, args.seed)
    topology = structure_to_topology(load_structure(PDB))
    system = implicit_system(topology, args.force_field) if args.force_field else build_system(topology, 3.0)
    if args.plain:
        with np.load(args.plain) as file:
            built = structure_to_universe(load_structure(build_peptide("ACE-A-NME"))).atoms  # its own order of atoms
            replicas = list(angles(built, file["frames"][9::10]).reshape(-1, 100, 2))  # 1 ns, 10 ps apart
    else:
        replicas = reference_angles(args.reference)
    everything = np.concatenate(replicas)
    p, whole = populations(everything), histogram(everything)
    integrator = mm.LangevinMiddleIntegrator(300.0, 1.0, 0.004)
    if args.engine:
        importlib.import_module("openmm_mdgen.correction.correct").make_runs = engine_runs(args.engine)
    result = openmm_mdgen.correct(
        universe,
        (system, integrator),
        platform="Reference" if not args.force_field else None,
        folder=args.folder,
        seeds=args.seeds,
        time=args.time,
        lag=args.lag,
        settle=args.settle,
        method=args.method,
        interval=0.5 if args.time > 5 else 0.1,
        rounds=args.rounds,
        workers=args.workers,
        seed=args.seed,
        progress=False,
    )
    before = angles(universe.atoms, universe.trajectory.timeseries(order="fac"))
    after = angles(universe.atoms, result.run_positions)
    place = states(*after.T)
    spread = np.array([result.mean(place == k)[1] for k in range(3)]) * KT
    found = populations(after, result.run_weights)
    halves = [np.concatenate(replicas[k::2]) for k in range(2)]
    rng, n_free = np.random.default_rng(0), round(100 * result.cost_ns)
    free = [jsd(histogram(rng.choice(halves[1], n_free)), histogram(halves[0])) for _ in range(20)]
    plain, plain_jsd, n_pieces = plain_errors(replicas, result.cost_ns, p, whole)
    print(
        f"reference {len(everything) / 100:.0f} ns: "
        + ", ".join(f"{s} {x:.4f}" for s, x in zip(STATES, p, strict=True))
    )
    print(
        f"start {args.start}, {result.cost_ns:.2f} ns in {result.seconds:.0f} s, {len(result.failures)} runs left out"
    )
    print("| | JSD (φ, ψ) | beta, kJ/mol | alpha | left |\n|---|---|---|---|---|")
    print(row("generated", jsd(histogram(before), whole), error(populations(before), p)))
    print(row("runs, not weighted", jsd(histogram(after), whole), error(populations(after), p)))
    print(
        row(
            "corrected",
            jsd(histogram(after, result.run_weights), whole),
            error(found, p),
            spread / np.maximum(found, 1e-4),
        )
    )
    own = populations(before, result.weights)
    print(row("generated frames, weighted", jsd(histogram(before, result.weights), whole), error(own, p)))
    if n_pieces:
        print(row(f"plain MD of this cost, rms of {n_pieces}", plain_jsd, plain))
        for factor in (2, 5, 10):
            print(row(f"plain MD of {factor} x", *plain_errors(replicas, factor * result.cost_ns, p, whole)[1::-1]))
    print(
        row(
            "halves of the reference",
            jsd(*map(histogram, halves)),
            error(populations(halves[0]), populations(halves[1])),
        )
    )
    print(f"as many frames as the cost has 10 ps, at random from one half of the reference: JSD {np.mean(free):.3f}")
    print(result)


if __name__ == "__main__":
    main()

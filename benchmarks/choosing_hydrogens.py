"""What the settings of hydrogens that choose do to energies, on peptides of training and validation; and whence spread.

    python benchmarks/choosing_hydrogens.py cache ../shared/data/*/val/* ../shared/data/tetrapeptides/train/{FDEH,QHGR}

Folders have allatom.pdb and r??.xtc of heavy atoms at 350 K. Their MD with hydrogens: 120 of its frames, hydrogens
placed, 1.2 ps of Langevin dynamics each (kept in the first folder). Generated: 4 x 63 frames without the first blocks.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm as mm
import torch
from openmm import app, unit

import openmm_mdgen
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.forcefield.build import with_native_obc
from openmm_mdgen.geometry import hydrogen_choice
from openmm_mdgen.geometry.hydrogens import HydrogenPlacer
from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.clashes import ClashRepair
from openmm_mdgen.tasks.hydrogens import motion_of

KELVIN, N_MD, STEPS = 350.0, 120, 600
REPLICAS, BLOCK = 4, 63
FIELD = ("amber14-all.xml", "implicit/obc2.xml")
FORCES = {"torsions": mm.PeriodicTorsionForce, "angles": mm.HarmonicAngleForce, "bonds": mm.HarmonicBondForce}
CONTACTS = ("heavy-heavy", "heavy-hydrogen", "hydrogen-hydrogen")
TERMS = (*CONTACTS, "charges, solvent", *FORCES)
SETTINGS = [  # draws, kJ/mol of a contact, Å of a polar group's heavy atom to an acceptor
    ("moving-1", ()),
    ("moving", (1, 1e9, 0.0)),
    *(("moving", s) for s in ((4, 3.0, 4.5), (4, 6.0, 4.5), (4, 3.0, 3.8), (6, 3.0, 4.5), (8, 3.0, 4.5))),
]


class Case:
    """One peptide and its energies by terms."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.structure = folder, load_structure(folder / "allatom.pdb")
        self.peptide = p = Peptide.from_structure(self.structure)
        self.internal = InternalCoordinates(p.residue_types, p.heavy, p.hydrogens, p.n_atoms)
        self.repair = ClashRepair(self.internal, lambda x: x)
        self.pdb = app.PDBFile(str(folder / "allatom.pdb"))
        system = self.system()
        for force in system.getForces():
            found = [k for k, kind in enumerate(FORCES.values(), 2) if isinstance(force, kind)]
            force.setForceGroup(found[0] if found else 1)
        self.context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
        (nonbonded,) = (f for f in system.getForces() if isinstance(f, mm.NonbondedForce))
        rows = [nonbonded.getParticleParameters(k)[1:] for k in range(p.n_atoms)]
        sigma, depth = np.array([[value._value for value in row] for row in rows]).T
        self.sigma, self.depth = np.add.outer(sigma, sigma) * 5, np.sqrt(np.outer(depth, depth))
        for k in range(nonbonded.getNumExceptions()):
            i, j, _, s, e = nonbonded.getExceptionParameters(k)
            self.sigma[i, j] = self.sigma[j, i] = s._value * 10
            self.depth[i, j] = self.depth[j, i] = e._value
        self.pairs = np.triu_indices(p.n_atoms, 1)
        hydrogen = np.isin(np.arange(p.n_atoms), list(p.hydrogens)).astype(int)
        self.kind = hydrogen[self.pairs[0]] + hydrogen[self.pairs[1]]

    def system(self, **settings: object) -> mm.System:
        field = app.ForceField(*FIELD)
        return with_native_obc(field.createSystem(self.pdb.topology, nonbondedMethod=app.NoCutoff, **settings))

    def md(self, path: Path) -> np.ndarray:
        """Frames of MD (F, N, 3) Å."""
        if path.is_file():
            return np.load(path).astype(float)
        p, heavy = self.peptide, sorted(self.peptide.heavy.values())
        placer = HydrogenPlacer(p.hydrogens, self.internal.bonds, self.structure.positions)
        integrator = mm.LangevinMiddleIntegrator(KELVIN, 8, 0.002)
        system = self.system(constraints=app.HBonds, hydrogenMass=3.0)
        context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))
        universe = mda.Universe(str(self.folder / "heavy.pdb"), [str(x) for x in sorted(self.folder.glob("r??.xtc"))])
        out = []
        for number in np.linspace(0, len(universe.trajectory) - 1, N_MD).astype(int).tolist():
            universe.trajectory[number]
            x = np.zeros((p.n_atoms, 3))
            x[heavy] = universe.atoms.positions
            x[placer.atoms] = placer.place(x)
            context.setPositions(x / 10)
            mm.LocalEnergyMinimizer.minimize(context, 10, 15)
            context.setVelocitiesToTemperature(KELVIN, number + 1)
            integrator.setRandomNumberSeed(number + 1)
            integrator.step(STEPS)
            out.append(context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom))
        np.save(path, np.array(out))
        return np.array(out)

    def quiet(self) -> np.ndarray:
        """Generated frames (B, F, N, 3) Å that nothing has moved yet."""
        settings = {"time": 20.0 * BLOCK, "hydrogens": "quiet", "temperature": KELVIN}
        made = [openmm_mdgen.simulate(self.folder / "allatom.pdb", seed=k, **settings) for k in range(REPLICAS)]
        return np.array([u.trajectory.timeseries(order="fac")[BLOCK:] for u in made]).astype(float)

    def energies(self, frames: np.ndarray) -> np.ndarray:
        """kJ/mol (terms, F)."""
        out = []
        for x in frames:
            self.context.setPositions(x / 10)
            states = [self.context.getState(energy=True, groups={k}) for k in range(1, 5)]
            of_group = [s.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) for s in states]
            six = (self.sigma[self.pairs] / np.linalg.norm(x[self.pairs[0]] - x[self.pairs[1]], axis=-1)) ** 6
            contacts = np.bincount(self.kind, 4 * self.depth[self.pairs] * (six * six - six), 3)
            out.append((*contacts, of_group[0] - contacts.sum(), *of_group[1:]))
        return np.array(out).T

    def overlapping(self, frames: np.ndarray) -> float:
        return float((self.repair.room(torch.as_tensor(frames)) < 1).double().mean())


def spread(values: np.ndarray) -> float:
    return float(np.subtract(*np.percentile(values, (75, 25))))


def shares(energies: np.ndarray) -> np.ndarray:
    """What terms add to the variance of their sum (terms,), rare frames clipped."""
    total = energies.sum(0)
    total = np.clip(total, *np.percentile(total, (2, 98)))
    apart = np.clip(energies - np.median(energies, 1, keepdims=True), -60, 60)
    return np.asarray((apart * (total - total.mean())).mean(1))


def main() -> None:
    warnings.simplefilter("ignore")
    cache, cases = Path(sys.argv[1]), [Case(Path(name)) for name in sys.argv[2:]]
    frames = [(case, case.energies(case.md(cache / f"ref_{case.folder.name}.npy")), case.quiet()) for case in cases]
    of_md = np.mean([shares(md) for _, md, _ in frames], 0)
    print("| draws | " + " | ".join(case.folder.name for case in cases) + " | IQR | above 99th | overlaps |")
    print("|---" * (len(cases) + 4) + "|")
    variance = {"MD": of_md}
    for kind, values in SETTINGS:
        if values:
            hydrogen_choice.DRAWS, hydrogen_choice.TOO_HIGH, hydrogen_choice.REACH = values
        rows, parts, name = [], [], f"{kind} {values or ''}".strip()
        for case, md, quiet in frames:
            motion = motion_of(kind, case.peptide, case.internal.bonds, case.structure.positions, KELVIN)
            moved = motion.blocks_moved(quiet, list(range(REPLICAS))).reshape(-1, *quiet.shape[2:])
            found = case.energies(moved)
            total, reached = found.sum(0), md.sum(0)
            shift = np.median(total) - np.median(reached)
            above = (total > np.percentile(reached, 99)).mean()
            rows.append((shift, spread(total) / spread(reached), above, case.overlapping(moved)))
            parts.append(shares(found))
        shifts, iqr, above, overlaps = np.array(rows).T
        variance[name] = np.mean(parts, 0)
        cells = [*(f"{x:+.0f}" for x in shifts), f"{iqr.mean():.2f}", f"{above.mean():.1%}", f"{overlaps.mean():.1%}"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print("\n| variance, (kJ/mol)² | " + " | ".join(TERMS) + " | total |", "|---" * (len(TERMS) + 2) + "|", sep="\n")
    for name, parts in variance.items():
        print(f"| {name} | " + " | ".join(f"{x:.0f}" for x in parts) + f" | {sum(parts):.0f} |")


if __name__ == "__main__":
    main()

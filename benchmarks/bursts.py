"""MD with a frame every 0.1 ps at sixteen temperatures, to train upsampling on: a folder per peptide.

    python benchmarks/bursts.py bursts/ VSNK NWPDAHRVGM ACE-IKR-NME
    python benchmarks/bursts.py bursts/ KTLK --folder md/
    python benchmarks/bursts.py bursts/ trpzip2 --pdb trpzip2.pdb

By the engine of ../shared/mdsim (ff14SB, OBC2, 4 fs, hydrogens of 3 amu). Starts are extended and heated, or the
last frames of runs at sixteen temperatures (--folder: md/KTLK/r00.xtc .. r15.xtc and temperatures.csv), or a structure
that is kept as it is folded. Each folder gets heavy.pdb, burst00.xtc .. burst15.xtc and temperatures.csv.
"""

from __future__ import annotations

import csv
import io
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from MDAnalysis import Universe, Writer

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.geometry.internal import InternalCoordinates
from openmm_mdgen.peptide.peptide import Peptide

INTERVAL = 0.1  # ps
LOWEST, HIGHEST, REPLICAS = 280.0, 450.0, 16  # K


class Molecule:
    """A peptide in the engine's force field.

    Parameters
    ----------
    name : str
        One-letter codes, capped as ACE-..-NME, or what to call a structure.
    pdb : Path, optional
        The structure.
    """

    def __init__(self, name: str, pdb: Path | None) -> None:
        import mdsim
        import produce
        from openmm.app import element

        if pdb is not None:
            self.topology, self.positions = produce.from_structure(str(pdb))
        else:
            capped = name.startswith("ACE-")
            self.topology, self.positions = mdsim.build_capped(name.split("-")[1]) if capped else mdsim.build(name)
        self.system, self._mdsim = mdsim.make_system(self.topology), mdsim
        self.omega, self.chiral = mdsim.checks(self.topology)
        self.heavy = [a.index for a in self.topology.atoms() if a.element is not element.hydrogen]

    def is_bad(self, positions: np.ndarray) -> np.ndarray:
        """Which of (R, N, 3) nm have another cis bond or handedness than the start, or are not finite."""
        bad = ~np.isfinite(positions).all((1, 2))
        if self.omega:
            natural, found = (np.abs(self._mdsim.dihedral(x, self.omega)) for x in (self.positions[None], positions))
            bad |= ((found > np.pi / 2) != (natural > np.pi / 2)).any(1)
        if self.chiral:
            natural = np.sign(self._mdsim.chirality(self.positions[None], self.chiral))
            bad |= (self._mdsim.chirality(positions, self.chiral) * natural < 0).any(1)
        return bad

    def mend(self, ladder: Any) -> None:
        """Copies of the nearest good replica in place of bad ones."""
        x, v = ladder.x(), ladder.v()
        bad = self.is_bad(x)
        good = np.flatnonzero(~bad)
        for lane in np.flatnonzero(bad):
            k = good[np.abs(good - lane).argmin()]
            x[lane], v[lane] = x[k], v[k] * np.sqrt(ladder.T[lane] / ladder.T[k])
        ladder.set(x.astype(np.float32), v.astype(np.float32))

    def heavy_pdb(self) -> str:
        """The heavy atoms as a PDB file."""
        from openmm import unit
        from openmm.app import Modeller, PDBFile, element

        modeller, text = Modeller(self.topology, self.positions * unit.nanometer), io.StringIO()
        modeller.delete([a for a in modeller.topology.atoms() if a.element is element.hydrogen])
        PDBFile.writeFile(modeller.topology, modeller.positions, text, keepIds=True)
        return text.getvalue()


def last_frames(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Last frame of each replica, hydrogens at rest, (R, N, 3) nm, and temperatures (R,) in K."""
    with open(folder / "temperatures.csv", encoding="utf-8", newline="") as handle:
        kelvin = {row["trajectory"]: float(row["temperature_K"]) for row in csv.DictReader(handle)}
    whole, heavy = Universe(str(folder / "allatom.pdb")), Universe(str(folder / "heavy.pdb"))
    names = [f"r{k:02d}.xtc" for k in range(REPLICAS)]
    last = []
    for name in names:
        heavy.load_new(str(folder / name))
        last.append(heavy.trajectory[-1].positions.copy())
    internal = []
    for universe in (whole, heavy):
        peptide = Peptide.from_structure(atomgroup_to_structure(universe.atoms))
        internal.append(InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms))
    geometry = internal[0].geometry(torch.as_tensor(whole.atoms.positions, dtype=torch.float64))
    values = internal[1].encode(torch.as_tensor(np.array(last), dtype=torch.float64))
    return internal[0].decode(values, geometry).numpy() / 10, np.array([kelvin[name] for name in names])


def started(molecule: Molecule, seed: int, folder: Path | None, folded: bool) -> Any:
    """Replicas at their temperatures, ready to be recorded."""
    from ladder import Ladder, geometric

    if folder is not None:
        positions, kelvin = last_frames(folder)
        ladder = Ladder(molecule.system, kelvin, seed=seed)
        ladder.set_x(positions)
        ladder.thermalise(30.0), ladder.run(1, T=30.0), ladder.cool(3, 30.0)
        molecule.mend(ladder)
        ladder.thermalise(), ladder.run(4)
        molecule.mend(ladder)
        return ladder
    ladder = Ladder(molecule.system, geometric(LOWEST, HIGHEST, REPLICAS), seed=seed)
    ladder.set_x(molecule.positions)
    if folded:
        ladder.thermalise(150.0), ladder.run(10, T=150.0), ladder.cool(10, 150.0), ladder.run(30)
        return ladder
    ladder.thermalise(600.0), ladder.run(50, T=600.0), ladder.cool(20, 600.0)
    for _ in range(2):
        molecule.mend(ladder)
        ladder.exchange(60)
    molecule.mend(ladder)
    ladder.thermalise(), ladder.run(5)
    return ladder


def write(out: Path, pdb: str, frames: np.ndarray, kelvin: np.ndarray) -> None:
    """The folder of a peptide: frames (F, R, N, 3) in Å."""
    from unpack import superpose

    unfinished = out.parent / f".{out.name}.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    (unfinished / "heavy.pdb").write_text(pdb, encoding="utf-8")
    names = [f"burst{k:02d}.xtc" for k in range(len(kelvin))]
    rows = "".join(f"{name},{k:.2f}\n" for name, k in zip(names, kelvin, strict=True))
    (unfinished / "temperatures.csv").write_text("trajectory,temperature_K\n" + rows, encoding="utf-8")
    universe = Universe(str(unfinished / "heavy.pdb"))
    universe.trajectory.ts.dimensions = None
    for replica, name in enumerate(names):
        with Writer(str(unfinished / name), n_atoms=len(universe.atoms), precision=4) as writer:
            for number, positions in enumerate(superpose(frames[:, replica].astype(float))):
                universe.atoms.positions = positions
                universe.trajectory.ts.time, universe.trajectory.ts.frame = (number + 1) * INTERVAL, number
                writer.write(universe.atoms)
    unfinished.rename(out)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1, required=True)
@click.option("--folder", type=click.Path(path_type=Path, exists=True), help="Start from the runs in its subfolders.")
@click.option("--pdb", type=click.Path(path_type=Path, exists=True), help="Start from this structure, as it is folded.")
@click.option("--ps", default=100.0, show_default=True, help="Length of each burst.")
@click.option("--shared", type=click.Path(path_type=Path), default=Path("../shared"), show_default=True)
def main(out: Path, names: tuple[str, ...], folder: Path | None, pdb: Path | None, ps: float, shared: Path) -> None:
    """Make bursts of NAMES; those that are there already are passed over."""
    warnings.filterwarnings("ignore")
    sys.path.insert(0, str(shared.resolve() / "mdsim"))
    from plan import digest

    for name in names:
        if (out / name).exists():
            continue
        began, molecule = time.perf_counter(), Molecule(name, pdb)
        seed = int(digest(f"{name} bursts")[:7], 16)
        ladder = started(molecule, seed, None if folder is None else folder / name, pdb is not None)
        frames = 10 * ladder.run(ps, every_ps=INTERVAL)[:, :, molecule.heavy]
        if molecule.is_bad(ladder.x()).any():
            raise click.ClickException(f"{name}: a bond turned cis or a centre flipped")
        write(out / name, molecule.heavy_pdb(), frames, ladder.T)
        click.echo(f"{name}: {len(ladder.T)} x {ps:g} ps in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

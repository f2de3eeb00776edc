"""One long chain of a surrogate: its geometry, native contacts over time, and its speed beside MD's, in one run.

    python benchmarks/molecule_long.py ../shared/proteins/chignolin300 run/model.safetensors --time 40

The folder has ``heavy.pdb`` and ``allatom.pdb``. MD is OpenMM's (ff14SB, OBC2, 4 fs) on the fastest platform present.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import click
import numpy as np
from MDAnalysis import Universe
from openmm import app
from speed import fastest_md

import openmm_mdgen
from openmm_mdgen.evaluation.fold import contact_share
from openmm_mdgen.evaluation.structure import check_structure
from openmm_mdgen.evaluation.topology import topology_of
from openmm_mdgen.forcefield.build import build_system

_PARTS = 8


def part(frames: np.ndarray, native: np.ndarray, alphas: np.ndarray, universe: Universe) -> list[str]:
    """Cells of some frames (F, N, 3) in Å: C-N bonds, broken bonds, clashes, native contacts."""
    checked = check_structure(frames, topology_of(universe.atoms, native))
    shares, bonds = checked.shares(), checked.cn_lengths
    contacts = contact_share(frames[:, alphas], native[alphas]).mean()
    return [
        f"{bonds.mean():.3f} +- {bonds.std():.3f}",
        f"{shares['broken_bond']:.2%}",
        f"{shares['clash']:.2%}",
        f"{contacts:.3f}",
    ]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("weights")
@click.option("--time", "length", default=40.0, show_default=True, help="ns.")
@click.option("--temperature", default=300.0, show_default=True)
@click.option("--md-seconds", default=20.0, show_default=True, help="Of MD on each platform; 0 for none.")
@click.option("--keep", type=click.Path(path_type=Path), help="File (.npy) for the frames.")
def main(folder: Path, weights: str, length: float, temperature: float, md_seconds: float, keep: Path | None) -> None:
    """Print two tables."""
    warnings.filterwarnings("ignore")
    whole, heavy = Universe(str(folder / "allatom.pdb")), Universe(str(folder / "heavy.pdb"))
    began = time.perf_counter()
    made = openmm_mdgen.simulate(whole, 1000 * length, 10.0, weights, 0, temperature=temperature)
    chosen = made.select_atoms("not element H")
    frames = np.array([chosen.positions.copy() for _ in made.trajectory])
    seconds = time.perf_counter() - began
    order = [list(zip(chosen.resindices, chosen.names, strict=True)).index(k) for k in zip(*keys(heavy), strict=True)]
    frames = frames[:, order]
    if keep is not None:
        np.save(keep, frames)
    native, alphas = heavy.atoms.positions, np.flatnonzero(heavy.atoms.names == "CA")
    click.echo("| ns | C-N bonds, Å | broken bonds | clashes | native contacts |\n|---|---|---|---|---|")
    for k, piece in enumerate(np.array_split(frames, _PARTS)):
        span = f"{k * length / _PARTS:g} to {(k + 1) * length / _PARTS:g}"
        click.echo("| " + " | ".join([span, *part(piece, native, alphas, heavy)]) + " |")
    click.echo(
        f"\nsurrogate: {length:g} ns in {seconds:.1f} s, {length / seconds:.3f} ns/s, start-up and hydrogens included"
    )
    if md_seconds:
        pdb = app.PDBFile(str(folder / "allatom.pdb"))
        platform, speed = fastest_md(pdb, build_system(pdb.topology, hydrogen_mass=3.0), md_seconds)
        click.echo(
            f"OpenMM, {platform}: {speed:.4f} ns/s; the surrogate is {length / seconds / speed:.0f} times as fast"
        )


def keys(universe: Universe) -> tuple[np.ndarray, np.ndarray]:
    """Residue and name of each atom."""
    return universe.atoms.resindices, universe.atoms.names


if __name__ == "__main__":
    main()

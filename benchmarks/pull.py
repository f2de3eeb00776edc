"""How well places repair a fold whose torsions are a little wrong, on frames of MD, as a markdown table.

python benchmarks/pull.py ../shared/proteins/chignolin300
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import torch
from molecule import load
from torch import Tensor

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.evaluation.fold import contact_share
from openmm_mdgen.geometry.internal import OMEGA, PHI, PSI, TORSIONS, InternalCoordinates
from openmm_mdgen.geometry.pull import pull_chain
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tokens.places import measure_places
from openmm_mdgen.tokens.tokens import sequence_to_indices


def turned(first: Tensor, second: Tensor) -> float:
    """Root mean square difference of phi and psi, degrees."""
    difference = torch.remainder(first - second + np.pi, 2 * np.pi) - np.pi
    return float(difference[..., PHI : PSI + 1].square().mean().sqrt() * 180 / np.pi)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--places", "error", default=0.25, show_default=True, help="Error of the places, of their spread.")
def main(folder: Path, error: float) -> None:
    """Print the table."""
    torch.manual_seed(0)
    universe, md = load(folder, list(range(8)))
    frames = torch.from_numpy(md[:, ::8]).flatten(0, 1).double()
    peptide = Peptide.from_structure(atomgroup_to_structure(universe.atoms))
    chain = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
    alphas = frames[:, [chain.backbone[k] for k in chain.anchors]]
    places = measure_places(alphas, sequence_to_indices(peptide.residue_types))
    native, true = alphas[0].numpy(), chain.encode(frames)
    wanted = places.to_tokens(alphas)
    wanted = places.to_atoms(wanted + error * torch.randn(wanted.shape, dtype=wanted.dtype))
    click.echo(f"native contacts of the MD: {contact_share(alphas.numpy(), native).mean():.3f}\n")
    click.echo("| torsions off by | C-alpha RMSD, Å | native contacts | phi, psi off by, degrees | ms a frame |")
    click.echo("|---|---|---|---|---|")
    for degrees in (5, 10, 15):
        shake = np.radians(degrees) * torch.randn(true.shape, dtype=true.dtype) * chain.exists
        shake[..., len(TORSIONS) :], shake[..., OMEGA] = 0, 0.4 * shake[..., OMEGA]
        began = time.perf_counter()
        pulled = pull_chain(true + shake, chain, wanted, places.uncertainty)
        cost = 1000 * (time.perf_counter() - began) / len(frames)
        cells = []
        for values in (true + shake, pulled):
            now = chain.decode_backbone(values)[:, chain.anchors]
            off = (superpose(now, alphas) - alphas).square().sum(-1).mean(-1).sqrt().mean()
            cells.append(
                (f"{off:.2f}", f"{contact_share(now.numpy(), native).mean():.3f}", f"{turned(values, true):.1f}")
            )
        columns = [f"{before} to {after}" for before, after in zip(*cells, strict=True)]
        click.echo(f"| {degrees} degrees | " + " | ".join(columns) + f" | {cost:.1f} |")


if __name__ == "__main__":
    main()

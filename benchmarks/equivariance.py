"""Does turning and moving the input turn and move the output? Largest difference in Å, one window, bundled networks.

    python benchmarks/equivariance.py tests/data/QGRE.pdb

Each input is turned and moved by 20 random motions in float64, then rounded to float32 as files and Universes hold it.
Atoms in another order: the largest difference after both are brought into one order.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from ensemble_tables import table
from scipy.spatial.transform import Rotation

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.peptide.peptide import Structure
from openmm_mdgen.weights.checkpoint import load_task
from openmm_mdgen.weights.roles import as_inpainter, as_interpolator, as_upsampler

SHIFT = 5.0  # Å


def rearranged(source: Structure, order: np.ndarray) -> Structure:
    """The same atoms in another order."""
    place = np.argsort(order)
    return Structure(
        names=tuple(source.names[i] for i in order),
        resnames=tuple(source.resnames[i] for i in order),
        residues=source.residues[order],
        chains=source.chains[order],
        elements=tuple(source.elements[i] for i in order),
        bonds=tuple((int(place[i]), int(place[j])) for i, j in source.bonds),
        positions=source.positions[order],
    )


def tasks(structure: Structure) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """A function of frames (T, N, 3) for every task that has a structure; each takes as many frames as it needs."""
    simulate = load_task("peptide").bind(structure, 10.0)
    paths = as_interpolator("peptide").bind_paths(structure, 10.0)
    inpaint = as_inpainter("peptide").bind_residues(structure, [1, 2], 10.0)
    gaps = as_upsampler("peptide-upsample").bind_gaps(structure, 10.0, 0.1)
    return {
        "simulate": lambda x: simulate.next_block(x[0], 1),
        "interpolate": lambda x: paths.sample({0: x[0], 63: x[-1]}, 64, [1])[0],
        "inpaint": lambda x: inpaint.sample(x, [1])[0],
        "upsample, internal motion": lambda x: _superposed(gaps.fill(x[:2], [1])[0]),
    }


def _superposed(frames: np.ndarray) -> np.ndarray:
    """Distances between atoms, which do not change when a molecule is placed."""
    return np.linalg.norm(frames[:, :, None] - frames[:, None, :8], axis=-1)[..., None].repeat(3, -1)


@click.command()
@click.argument("pdb", type=click.Path(exists=True, path_type=Path))
@click.option("--motions", default=20, show_default=True)
def main(pdb: Path, motions: int) -> None:
    """Print the table."""
    structure = load_structure(pdb)
    frames = np.concatenate(
        [structure.positions[None], load_task("peptide").bind(structure, 10.0).next_block(structure.positions, 0)]
    )
    frames -= frames.mean((0, 1))
    order = np.random.default_rng(0).permutation(len(structure.names))
    still, permuted = tasks(structure), tasks(rearranged(structure, order))
    rows = []
    for name, run in still.items():
        cells = []
        for precision in (np.float64, np.float32):
            given = frames.astype(precision).astype(float)
            expected = run(given)
            worst = []
            for k in range(motions):
                turn, shift = (
                    Rotation.random(random_state=k).as_matrix(),
                    np.random.default_rng(k).uniform(-SHIFT, SHIFT, 3),
                )
                moved = run((given @ turn + shift).astype(precision).astype(float))
                same = expected if name.startswith("upsample") else expected @ turn + shift
                worst.append(np.abs(moved - same).max())
            cells.append(f"{max(worst):.1e} ({np.median(worst):.1e})")
        if name.startswith("upsample"):
            cells.append("-")
        else:
            cells.append(f"{np.abs(permuted[name](frames[:, order]) - run(frames)[:, order]).max():.1e}")
        rows.append([name, *cells])
    click.echo(
        table(["task", "float64: largest (median)", "float32: largest (median)", "atoms in another order"], rows)
    )


if __name__ == "__main__":
    main()

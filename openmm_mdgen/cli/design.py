"""``openmm-mdgen design``: residues that fit the motion of the others."""

from __future__ import annotations

from pathlib import Path

import click

from openmm_mdgen.cli.messages import one_line_warnings
from openmm_mdgen.cli.quantities import Count
from openmm_mdgen.cli.residues import Residues
from openmm_mdgen.cli.universes import check_outputs, check_topology, write_topology, write_universes
from openmm_mdgen.convert.trajectories import open_trajectory, select_atoms


@click.command("design", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("trajectory", type=click.Path(path_type=Path))
@click.option("-t", "--topology", type=click.Path(path_type=Path), required=True, help="Any that MDAnalysis reads.")
@click.option("--residues", type=Residues(), required=True, help="Residue numbers to design, such as 2,3 or 2-4.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("designed.xtc"),
    show_default=True,
    help="Trajectory in any format that MDAnalysis writes; _SEQUENCE is added, and a PDB file lies beside each.",
)
@click.option("--sequences", type=Count(1), default=4, show_default=True, help="How many sequences.")
@click.option("--select", help="Take these atoms only, an MDAnalysis selection such as 'protein'.")
@click.option("--model", default="peptide", show_default=True, help="A bundled name, or a weights file.")
@click.option(
    "--identities",
    default="peptide-design",
    show_default=True,
    help="What guesses the residues: a bundled name, or weights of `openmm-mdgen train --task design`.",
)
@click.option("--seed", type=Count(0), default=0, show_default=True, help="The same seed gives the same frames.")
@click.option("--device", help="cpu, cuda, mps; default: CUDA where it is present.")
def command(
    trajectory: Path,
    topology: Path,
    residues: list[int | str],
    output: Path,
    sequences: int,
    select: str | None,
    model: str,
    identities: str,
    seed: int,
    device: str | None,
) -> None:
    """Find residues that fit the motion of the others in TRAJECTORY, with a trajectory for each of the best sequences.

    Prints the probabilities of every designed position by itself, then the most probable sequences. Runs of one or two
    residues between given ones can be guessed, single ones best, and the better the longer the trajectory is.
    """
    from openmm_mdgen.api.inpaint import design

    check_outputs(output, 1, [trajectory, topology])
    with one_line_warnings():
        atoms = select_atoms(open_trajectory(trajectory, topology), select, "--select")
        result = design(
            atoms,
            residues,
            n_sequences=sequences,
            model=model,
            seed=seed,
            device=device,
            identities=identities,
        )
        for residue, row in zip(result.residues, result.probabilities, strict=True):
            best = sorted(zip(row, result.letters, strict=True), reverse=True)[:6]
            click.echo(f"residue {residue}: " + "  ".join(f"{letter} {value:.2f}" for value, letter in best))
        paths = [output.with_stem(f"{output.stem}_{ranked.sequence}") for ranked in result.sequences]
        for path in paths:  # all of them before the first is written
            check_outputs(path, 1, [trajectory, topology])
            check_topology(path.with_suffix(".pdb"))
        for ranked, universe, path in zip(result.sequences, result.universes, paths, strict=True):
            click.echo(f"{ranked.sequence}  probability {ranked.probability:.3g}")
            write_topology(universe, path.with_suffix(".pdb"))
            write_universes([universe], [path])

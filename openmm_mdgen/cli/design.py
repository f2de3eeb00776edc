"""``openmm-mdgen design``: residues that fit the motion of the others."""

from __future__ import annotations

from pathlib import Path

import click

from openmm_mdgen.cli.options import (
    Sampling,
    output_option,
    residues_option,
    sampling_options,
    select_option,
    topology_option,
    trajectory_argument,
)
from openmm_mdgen.cli.quantities import Count
from openmm_mdgen.cli.universes import check_outputs, check_topology, write_topology, write_universes
from openmm_mdgen.convert.trajectories import open_trajectory, select_atoms


@click.command("design", context_settings={"help_option_names": ["-h", "--help"]})
@trajectory_argument
@topology_option
@residues_option("design")
@output_option("designed.xtc", "; _SEQUENCE is added, and a PDB file lies beside each.")
@click.option("--sequences", type=Count(1), default=4, show_default=True, help="How many sequences.")
@select_option
@click.option(
    "--identities",
    default="peptide-design",
    show_default=True,
    help="What guesses the residues: a bundled name, or weights of `openmm-mdgen train --task design`.",
)
@sampling_options
def command(
    trajectory: Path,
    topology: Path,
    residues: list[int | str],
    output: Path,
    sequences: int,
    select: str | None,
    identities: str,
    sampling: Sampling,
) -> None:
    """Find residues that fit the motion of the others in TRAJECTORY, with a trajectory for each of the best sequences.

    Prints the probabilities of every designed position by itself, then the most probable sequences. Runs of one or two
    residues between given ones can be guessed, single ones best, and the better the longer the trajectory is.
    """
    from openmm_mdgen.api.inpaint import design

    check_outputs(output, 1, [trajectory, topology])
    result = design(
        select_atoms(open_trajectory(trajectory, topology), select, "--select"),
        residues,
        n_sequences=sequences,
        identities=identities,
        **vars(sampling),
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

"""``openmm-mdgen inpaint``: some residues of a trajectory generated anew."""

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
from openmm_mdgen.cli.universes import check_outputs, write_universes
from openmm_mdgen.convert.locations import one_location
from openmm_mdgen.convert.trajectories import open_trajectory, select_atoms


@click.command("inpaint", context_settings={"help_option_names": ["-h", "--help"]})
@trajectory_argument
@topology_option
@residues_option("generate")
@output_option("inpainted.xtc", "; several get _00, _01, ...")
@click.option("--samples", type=Count(1), default=1, show_default=True, help="Number of trajectories.")
@select_option
@click.option("--untold", is_flag=True, help="Do not tell the network identities and torsions, as published.")
@sampling_options
def command(
    trajectory: Path,
    topology: Path,
    residues: list[int | str],
    output: Path,
    samples: int,
    select: str | None,
    untold: bool,
    sampling: Sampling,
) -> None:
    """Generate the motion of some residues of TRAJECTORY anew, to fit that of the others, which stay as they are."""
    from openmm_mdgen.api.inpaint import inpaint
    from openmm_mdgen.trajectory.writing import write_fitting_topology

    paths = check_outputs(output, samples, [trajectory, topology])
    whole = open_trajectory(trajectory, topology)
    atoms = one_location(select_atoms(whole, select, "--select"))
    fitting = write_fitting_topology(atoms, whole.atoms.n_atoms, output)
    universes = inpaint(
        atoms,
        residues,
        n_samples=samples,
        show_identities=not untold,
        **vars(sampling),
    )
    write_universes(universes, paths)
    if fitting is not None:
        click.echo(f"topology: {fitting}")

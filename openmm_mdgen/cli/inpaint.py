"""``openmm-mdgen inpaint``: some residues of a trajectory generated anew."""

from __future__ import annotations

from pathlib import Path

import click

from openmm_mdgen.cli.messages import one_line_warnings
from openmm_mdgen.cli.quantities import Count
from openmm_mdgen.cli.residues import Residues
from openmm_mdgen.cli.universes import check_outputs, write_universes
from openmm_mdgen.convert.locations import one_location
from openmm_mdgen.convert.trajectories import open_trajectory, select_atoms


@click.command("inpaint", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("trajectory", type=click.Path(path_type=Path))
@click.option("-t", "--topology", type=click.Path(path_type=Path), required=True, help="Any that MDAnalysis reads.")
@click.option("--residues", type=Residues(), required=True, help="Residue numbers to generate, such as 2,3 or 2-4.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("inpainted.xtc"),
    show_default=True,
    help="Trajectory in any format that MDAnalysis writes; several get _00, _01, ...",
)
@click.option("--samples", type=Count(1), default=1, show_default=True, help="Number of trajectories.")
@click.option("--select", help="Take these atoms only, an MDAnalysis selection such as 'protein'.")
@click.option("--untold", is_flag=True, help="Do not tell the network identities and torsions, as published.")
@click.option("--model", default="peptide", show_default=True, help="A bundled name, or a weights file.")
@click.option("--seed", type=Count(0), default=0, show_default=True, help="The same seed gives the same frames.")
@click.option("--device", help="cpu, cuda, mps; default: CUDA where it is present.")
def command(
    trajectory: Path,
    topology: Path,
    residues: list[int | str],
    output: Path,
    samples: int,
    select: str | None,
    untold: bool,
    model: str,
    seed: int,
    device: str | None,
) -> None:
    """Generate the motion of some residues of TRAJECTORY anew, to fit that of the others, which stay as they are."""
    from openmm_mdgen.api.inpaint import inpaint
    from openmm_mdgen.trajectory.writing import write_fitting_topology

    paths = check_outputs(output, samples, [trajectory, topology])
    with one_line_warnings():
        whole = open_trajectory(trajectory, topology)
        atoms = one_location(select_atoms(whole, select, "--select"))
        fitting = write_fitting_topology(atoms, whole.atoms.n_atoms, output)
        universes = inpaint(atoms, residues, n_samples=samples, model=model, seed=seed, device=device, told=not untold)
        write_universes(universes, paths)
        if fitting is not None:
            click.echo(f"topology: {fitting}")

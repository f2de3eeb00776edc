"""``openmm-mdgen upsample``: a trajectory made finer, in place or to a new file."""

from __future__ import annotations

from pathlib import Path

import click

from openmm_mdgen.cli.options import (
    device_option,
    quiet_option,
    seed_option,
    topology_option,
    trajectory_argument,
)
from openmm_mdgen.cli.quantities import Time
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.names import is_same_file


@click.command("upsample", context_settings={"help_option_names": ["-h", "--help"]})
@trajectory_argument
@topology_option
@click.option("--interval", type=Time(), default="0.1ps", show_default=True, help="Time between the new frames.")
@click.option("--in-place", is_flag=True, help="Replace a DCD file by the finer one; its frames stay byte for byte.")
@click.option("--backup", is_flag=True, help="With --in-place: keep the original as TRAJECTORY.bak.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="New file, in any format that MDAnalysis writes.")
@click.option("--select", help="With -o: write these atoms only, an MDAnalysis selection such as 'protein'.")
@click.option(
    "--others",
    type=click.Choice(["interpolate"]),
    help="What to do with atoms that are not protein: move each residue rigidly, on the straight and shortest way, "
    "between its places in the original frames. This is not their dynamics.",
)
@click.option("--dt", type=Time(), help="Time between the original frames, if the file does not say or is wrong.")
@click.option("--model", default="peptide", show_default=True, help="A model's name or file, or 'linear' for none.")
@click.option(
    "--temperature",
    type=float,
    help="K, of the simulation that the frames are from, for models that learned several; default: the model's.",
)
@seed_option
@device_option
@quiet_option
def command(
    trajectory: Path,
    topology: Path,
    interval: float,
    in_place: bool,
    backup: bool,
    output: Path | None,
    select: str | None,
    others: str | None,
    dt: float | None,
    model: str,
    temperature: float | None,
    seed: int,
    device: str | None,
    quiet: bool,
) -> None:
    """Make TRAJECTORY finer: its frames stay as they are, a model makes the frames between them."""
    from openmm_mdgen.upsampling.export import upsample_to_file
    from openmm_mdgen.upsampling.inplace import upsample_dcd
    from openmm_mdgen.upsampling.progress import Bar

    _check_options(trajectory, in_place, backup, output, select)
    with Bar(disable=quiet) as bar:
        if output is None or _is_raw_copy(trajectory, output, select):
            written = upsample_dcd(
                trajectory,
                topology,
                interval,
                model=model,
                seed=seed,
                temperature=temperature,
                device=device,
                dt=dt,
                others=others,
                output=output,
                backup=backup,
                progress=bar.update,
            )
        else:
            written = upsample_to_file(
                trajectory,
                topology,
                output,
                interval,
                select=select,
                model=model,
                seed=seed,
                temperature=temperature,
                device=device,
                dt=dt,
                others=others,
                progress=bar.update,
            )
    if bar.total:
        click.echo(f"{written}: {bar.total} frames, {interval:g} ps apart", err=True)
    else:
        click.echo(f"{written}: the frames are {interval:g} ps apart already, nothing to do", err=True)


def _check_options(trajectory: Path, in_place: bool, backup: bool, output: Path | None, select: str | None) -> None:
    if in_place == (output is not None):
        raise MDGenError("say where the finer trajectory goes: either --in-place or -o new.xtc")
    if in_place and trajectory.suffix.lower() != ".dcd":
        raise MDGenError(f"{trajectory.name} is not a .dcd file, the one format made finer in place; give -o new.xtc")
    if in_place and select:
        raise MDGenError("--select would drop atoms from the original; write the selection to a new file with -o")
    if backup and not in_place:
        raise MDGenError("--backup belongs to --in-place; with -o the original stays anyway")
    if output is not None and is_same_file(output, trajectory):
        raise MDGenError(f"-o {output} is the trajectory itself; give another name, or --in-place")


def _is_raw_copy(trajectory: Path, output: Path, select: str | None) -> bool:
    """DCD to DCD of all atoms: records are copied as they are, header and all."""
    return trajectory.suffix.lower() == output.suffix.lower() == ".dcd" and not select

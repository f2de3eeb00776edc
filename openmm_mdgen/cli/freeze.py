"""``openmm-mdgen freeze``: the frames of a recipe as an ordinary trajectory file."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import click

from openmm_mdgen.cli.output import check_output
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.trajectory.reader import recipe_to_universe

_BYTES_PER_ATOM = 100  # of a frame, in the most wasteful text format; some writers do not notice a full disk


def freeze(recipe: Path, output: Path, device: str | None = None, cache: Path | None = None) -> int:
    """Write every frame of a recipe, under a temporary name until the last one is on disk.

    Parameters
    ----------
    recipe
        A ``.mdgen`` file.
    output
        A file in any trajectory format that MDAnalysis writes.
    device, cache
        As for `openmm_mdgen.trajectory.reader.MDGenReader`.

    Returns
    -------
    int
        Number of frames.

    Raises
    ------
    MDGenError
        If the recipe or the model cannot be read, or the output cannot be written; no output is left then.

    Examples
    --------
    >>> freeze(Path("pep.mdgen"), Path("pep.xtc"))
    """
    check_output(output)
    universe = recipe_to_universe(recipe, device=device, cache=cache)
    trajectory = universe.trajectory
    with (
        replacing(output) as unfinished,
        trajectory.Writer(unfinished) as writer,
        click.progressbar(trajectory, label=output.name) as frames,
    ):
        for _ in frames:
            _check_space(output, universe.atoms.n_atoms)
            writer.write(universe.atoms)
    return len(trajectory)


def _check_space(output: Path, n_atoms: int) -> None:
    if shutil.disk_usage(output.absolute().parent).free < _BYTES_PER_ATOM * n_atoms:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@click.command("freeze", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Trajectory file to write.")
@click.option("--device", help="cpu, cuda, ...; default: that of the recipe.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of finished blocks, read and added to.")
def command(recipe: Path, output: Path, device: str | None, cache: Path | None) -> None:
    """Write the frames of RECIPE (a .mdgen file) into an ordinary trajectory file.

    A recipe makes the same frames on one machine; a frozen file is the same everywhere and needs no model.
    """
    n_frames = freeze(recipe, output, device, cache)
    click.echo(f"{n_frames} frames written to {output}")

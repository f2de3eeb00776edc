"""``openmm-mdgen interpolate``: transition paths through given frames."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from openmm_mdgen.cli.options import (
    Sampling,
    interval_option,
    output_option,
    sampling_options,
    select_option,
    time_option,
)
from openmm_mdgen.cli.quantities import Count, text_to_time
from openmm_mdgen.cli.universes import check_outputs, write_universes
from openmm_mdgen.convert.structures import Source, file_atoms_to_structure, file_to_atoms
from openmm_mdgen.convert.trajectories import select_atoms
from openmm_mdgen.errors import MDGenError


@click.command("interpolate", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("start", type=click.Path(path_type=Path))
@click.argument("end", type=click.Path(path_type=Path), required=False)
@output_option("paths.xtc", "; several get _00, _01, ...")
@click.option("--paths", "n_paths", type=Count(1), default=16, show_default=True, help="Number of paths.")
@time_option("1ns", "a path")
@interval_option
@click.option(
    "--through",
    multiple=True,
    metavar="TIME=FILE",
    help="A structure on the way, such as 300ps=middle.pdb; repeat for more.",
)
@select_option
@sampling_options
def command(
    start: Path,
    end: Path | None,
    output: Path,
    n_paths: int,
    time: float,
    interval: float,
    through: tuple[str, ...],
    select: str | None,
    sampling: Sampling,
) -> None:
    """Generate paths from structure START to structure END, two conformations of one peptide.

    The given structures are in every path exactly as they are. END may be left out where --through names a structure.
    """
    from openmm_mdgen.api.interpolate import interpolate
    from openmm_mdgen.trajectory.writing import write_fitting_topology

    keys = [_key(text) for text in through]
    times = [at for at, _ in keys]
    if len(set(times)) < len(times):
        raise MDGenError(f"--through names {max(times, key=times.count):g} ps twice; leave one out")
    files = [start, *([end] if end else []), *(path for _, path in keys)]
    paths = check_outputs(output, n_paths, files)
    universes = interpolate(
        _selected(start, select),
        None if end is None else _selected(end, select),
        n_paths=n_paths,
        time=time,
        interval=interval,
        through={at: _selected(path, select) for at, path in keys},
        **vars(sampling),
    )
    fitting = write_fitting_topology(universes[0].atoms, _n_atoms(start), output)
    write_universes(universes, paths)
    if fitting is not None:
        click.echo(f"topology: {fitting}")


def _selected(path: Path, select: str | None) -> Source:
    """The file, or some of its atoms."""
    if select is None:
        return path
    return file_atoms_to_structure(path, select_atoms(file_to_atoms(path), select, "--select"))


def _n_atoms(path: Path) -> int:
    """Atoms of a structure's file, all locations among them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return len(file_to_atoms(path).universe.atoms)


def _key(text: str) -> tuple[float, Path]:
    time, separator, path = text.partition("=")
    if not separator or not path:
        raise MDGenError(f"--through {text!r} is no time and file; write it as 300ps=middle.pdb")
    return text_to_time(time), Path(path)

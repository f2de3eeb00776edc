"""``openmm-mdgen show``: a trajectory on a page."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

import click
from MDAnalysis import AtomGroup, Universe

from openmm_mdgen.cli.messages import one_line_warnings
from openmm_mdgen.convert.trajectories import open_trajectory, select_atoms
from openmm_mdgen.errors import MDGenError

_RECIPE = ".mdgen"
_WHOLE = (".pdb", ".gro", ".cif", ".pdbx")  # files that hold atoms and frames
_GENERATED = "_generated"


@click.command("show", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("trajectory", type=click.Path(path_type=Path))
@click.option(
    "-t",
    "--topology",
    type=click.Path(path_type=Path),
    help="Any that MDAnalysis reads. Default: the file's own atoms, or the PDB file of its name.",
)
@click.option("--select", help="Show these atoms only. Default: the protein, where there is one.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Page to write. Default: TRAJECTORY's name, .html."
)
@click.option(
    "--open/--no-open", "opens", default=None, help="Open it in a browser. Default: where there is a desktop."
)
def command(
    trajectory: Path, topology: Path | None, select: str | None, output: Path | None, opens: bool | None
) -> None:
    """Write a page on which TRAJECTORY moves, beside its Ramachandran map and time series; a slider moves all three.

    The page is one file: it opens from disk and fetches nothing.
    """
    with one_line_warnings():
        atoms = find_atoms(trajectory, topology, select)
        page = write(atoms, output or trajectory.with_suffix(".html"), trajectory.name)
    if opens or (opens is None and _has_desktop()):
        _open(page)


def write(atoms: AtomGroup, page: Path, title: str) -> Path:
    """Write the page and say where it is.

    Raises
    ------
    MDGenError
        If it cannot be written, or what is to be shown is too large.
    """
    from openmm_mdgen.show.page import write_page

    if not page.absolute().parent.is_dir():
        raise MDGenError(f"folder {str(page.parent)!r} does not exist; make it or choose another output with -o")
    write_page(atoms, page, title)
    click.echo(f"page: {page}")
    return page


def find_atoms(trajectory: Path, topology: Path | None, select: str | None) -> AtomGroup:
    """The atoms to show, of a Universe with the trajectory.

    Raises
    ------
    MDGenError
        If a file is missing or cannot be read, no topology is found, or the selection finds nothing.
    """
    if not trajectory.is_file():
        raise MDGenError(f"file {str(trajectory)!r} does not exist; check the path")
    if topology is None and trajectory.suffix.lower() == _RECIPE:
        from openmm_mdgen.trajectory.reader import recipe_to_universe

        return _selected(recipe_to_universe(trajectory), select)
    return _selected(open_trajectory(trajectory, topology or _topology_of(trajectory)), select)


def _topology_of(trajectory: Path) -> Path:
    """The file itself, or one beside it."""
    if trajectory.suffix.lower() in _WHOLE:
        return trajectory
    names = [trajectory.with_suffix(".pdb")]
    if trajectory.stem.endswith(_GENERATED):
        names.append(trajectory.with_name(f"{trajectory.stem.removesuffix(_GENERATED)}.pdb"))
    found = next((name for name in names if name.is_file()), None)
    if found is None:
        tried = " and ".join(repr(str(name)) for name in names)
        raise MDGenError(f"{trajectory.name} holds no atoms, and {tried} does not exist; give a topology with -t")
    return found


def _selected(universe: Universe, select: str | None) -> AtomGroup:
    if select is None:
        protein = universe.select_atoms("protein or resname ACE NME NMA NH2")
        return protein if protein.n_atoms else universe.atoms
    return select_atoms(universe, select, "--select")


def _has_desktop() -> bool:
    """Whether a browser would open a window, and not take over the terminal or fail on a remote machine."""
    if not sys.stdout.isatty():
        return False
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(page: Path) -> None:
    """Open the page; where there is no browser, say what to do."""
    try:
        opened = webbrowser.open(page.absolute().as_uri())
    except webbrowser.Error:
        opened = False
    if not opened:
        click.echo(f"no browser was found; copy {page} to a machine that has one and open it there", err=True)

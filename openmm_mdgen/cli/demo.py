"""``openmm-mdgen demo``: alanine dipeptide, 10 ns, on a page, and what to try next."""

from __future__ import annotations

from pathlib import Path

import click

from openmm_mdgen.cli import show, simulate
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import reason

_NAME = "alanine_dipeptide"
_NEXT = {
    "another peptide": "openmm-mdgen simulate --sequence STHK --time 10ns",
    "this one in steps of 1 ps": (
        "openmm-mdgen upsample {folder}/{name}.xtc -t {folder}/{name}.pdb --interval 1ps -o {folder}/finer.xtc"
    ),
    "what happens between two conformations, here one that it comes back to": (
        "openmm-mdgen interpolate {folder}/{name}.pdb {folder}/{name}.pdb --time 500ps -o {folder}/paths.xtc"
    ),
}


def next_lines(folder: Path) -> dict[str, str]:
    """Commands to try after the demo, by what they do."""
    return {what: line.format(folder=folder.as_posix(), name=_NAME) for what, line in _NEXT.items()}


@click.command("demo", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("openmm-mdgen-demo"),
    show_default=True,
    help="Folder for the files.",
)
@click.option("--open/--no-open", "opens", default=None, help="Open the page. Default: where there is a desktop.")
def command(folder: Path, opens: bool | None) -> None:
    """Generate 10 ns of alanine dipeptide and show them on a page."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MDGenError(f"cannot make folder {str(folder)!r} ({reason(error)}); choose another with -o") from error
    output = folder / f"{_NAME}.xtc"
    simulate.command.main(["--sequence", "ACE-A-NME", "-o", str(output), "--quiet"], standalone_mode=False)
    ways = {None: [], True: ["--open"], False: ["--no-open"]}
    show.command.main([str(output), *ways[opens]], standalone_mode=False)
    click.echo("On the page, in any browser, the molecule moves beside its Ramachandran map.\n\nTry next:")
    for what, line in next_lines(folder).items():
        click.echo(f"  # {what}\n  {line}")

"""The command line: one file per subcommand, imported only when it is called.

May import everything.
"""

from __future__ import annotations

import importlib
import sys

import click

from openmm_mdgen.cli.messages import any_terminal, one_line_warnings
from openmm_mdgen.cli.stopping import tidy_termination
from openmm_mdgen.errors import MDGenError

_COMMANDS = {
    "simulate": "simulate",
    "interpolate": "interpolate",
    "upsample": "upsample",
    "inpaint": "inpaint",
    "design": "design",
    "unconditional": "unconditional",
    "evaluate": "evaluate",
    "correct": "correct",
    "atlas": "atlas",
    "train": "train",
    "distill": "distill",
    "show": "show",
    "demo": "demo",
    "models": "models",
    "freeze": "freeze",
    "import": "import_",
    "doctor": "doctor",
}


class _Lazy(click.Group):
    """Imports ``openmm_mdgen.cli.<module>`` and takes its ``command`` when a subcommand is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        out: click.Command | None = importlib.import_module(f"openmm_mdgen.cli.{_COMMANDS[cmd_name]}").command
        return out


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="openmm-mdgen")
def group() -> None:
    """Generative molecular dynamics for OpenMM and MDAnalysis."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line; bad input ends with one line on stderr and exit status 2."""
    with any_terminal(), tidy_termination(), one_line_warnings():
        try:
            group.main(args=argv, prog_name="openmm-mdgen")
        except MDGenError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)

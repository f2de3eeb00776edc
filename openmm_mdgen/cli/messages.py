"""Warnings as a user of the command line reads them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from openmm_mdgen.errors import MDGenWarning


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Our own warnings on one line each; those of libraries about formats are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", MDGenWarning)
        warnings.showwarning = lambda message, *_, **__: click.echo(f"warning: {message}", err=True)
        yield

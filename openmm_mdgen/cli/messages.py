"""What is printed, and warnings, as a user of the command line reads them."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from openmm_mdgen.errors import MDGenWarning


@contextmanager
def any_terminal() -> Iterator[None]:
    """Letters that the terminal's encoding lacks (Å on a code page, a name in Greek) become ?, and end nothing."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, io.TextIOWrapper)]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            stream.reconfigure(errors=errors)


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Our own warnings on one line each; those of libraries about formats are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", MDGenWarning)
        warnings.showwarning = lambda message, *_, **__: click.echo(f"warning: {message}", err=True)
        yield

"""``openmm-mdgen models``: what is installed, and what each model is good for."""

from __future__ import annotations

from importlib.metadata import entry_points

import click

from openmm_mdgen.convert.times import time_to_text
from openmm_mdgen.errors import MDGenError

_HEADER = ("model", "tasks", "residues", "intervals", "temperature", "content")


@click.command("models", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List the models known by name, with the ranges that they were trained on."""
    names = sorted({point.name for point in entry_points(group="openmm_mdgen.models")})
    rows = [_HEADER, *(_row(name) for name in names), _identities_row()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _identities_row() -> tuple[str, ...]:
    """The line of what guesses identities for design."""
    from openmm_mdgen.weights.identities import BUNDLED, load_identities

    try:
        model = load_identities(BUNDLED)
    except MDGenError as error:
        return (BUNDLED, "-", "-", "-", "-", f"does not load: {error}")
    lengths = f"{model.lengths[0]} to {model.lengths[1]}"
    return (BUNDLED, "--identities of design", lengths, "any", f"{model.temperature:g} K", model.content_hash[:12])


def _row(name: str) -> tuple[str, ...]:
    """One line of the table; a model that does not load says so."""
    from openmm_mdgen.weights.checkpoint import load_task

    try:
        task = load_task(name, device="cpu")
    except (MDGenError, ImportError, OSError) as error:
        return (name, "-", "-", "-", "-", f"does not load: {error}")
    lengths, intervals = getattr(task, "lengths", None), getattr(task, "intervals", None)
    temperature = getattr(task, "temperature", None)
    return (
        name,
        ", ".join(getattr(task, "tasks", ("upsample" if hasattr(task, "bind_gaps") else "simulate",))),
        "any" if lengths is None else f"{lengths[0]} to {lengths[1]}",
        "any" if intervals is None else " to ".join(time_to_text(time) for time in intervals),
        "-" if temperature is None else f"{temperature:g} K",
        getattr(task, "content_hash", "")[:12] or "-",
    )

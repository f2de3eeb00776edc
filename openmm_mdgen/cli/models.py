"""``openmm-mdgen models``: what is installed, and what each model is good for."""

from __future__ import annotations

from importlib.metadata import entry_points

import click

from openmm_mdgen.convert.times import time_to_text
from openmm_mdgen.errors import MDGenError

_HEADER = ("model", "tasks", "residues", "intervals", "temperature", "content")


@click.command("models", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--about", help="A sequence, such as AMMT or ACE-A-NME: how near the training set of the model it is.")
@click.option("--model", default="peptide", show_default=True, help="With --about: which model.")
def command(about: str | None, model: str) -> None:
    """List the models known by name, with the ranges that they were trained on."""
    if about is not None:
        for line in _about(about, model):
            click.echo(line)
        return
    names = sorted({point.name for point in entry_points(group="openmm_mdgen.models")})
    rows = [_HEADER, *(_row(name) for name in names), _identities_row()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _about(sequence: str, name: str) -> list[str]:
    """What a model knows of peptides like this one."""
    from openmm_mdgen.forcefield.build import sequence_to_residues
    from openmm_mdgen.tasks.protocols import model_info
    from openmm_mdgen.weights.checkpoint import load_task
    from openmm_mdgen.weights.familiarity import familiarity, measured_errors, residues_to_sequence, training_sequences

    training = training_sequences(name)
    if not training:
        raise MDGenError(f"model {name!r} does not say what it was trained on; choose a bundled one")
    found = familiarity(residues_to_sequence(sequence_to_residues(sequence)), training)
    lines = [
        f"{found.sequence}: " + ("a training peptide" if found.trained_on else "not a training peptide"),
        "nearest training peptides: " + ", ".join(f"{other} ({score:.2f})" for other, score in found.nearest),
        f"training peptides of its length: {found.n_length}, with its ends: {found.n_ends}, of {len(training)}",
        f"pairs of neighbours in no training peptide: {', '.join(found.unseen_pairs) or 'none'}",
    ]
    errors = measured_errors(name, model_info(load_task(name, device="cpu")).content_hash)
    near = familiarity(found.sequence, tuple(errors)).nearest if errors else ()
    if near:
        told = ", ".join(f"{other} {errors[other][0]:.3f} (MD's floor {errors[other][1]:.3f})" for other, _ in near)
        lines.append(f"backbone JSD measured on the nearest peptides that were not trained on: {told}")
    else:
        lines.append("no errors were measured with these weights")
    return [*lines, *([f"warning: {found.warning}"] if found.warning else [])]


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

"""``openmm-mdgen models``: what is installed, and what each model is good for."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import click

from openmm_mdgen.convert.times import time_to_text
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.protocols import ModelInfo, model_info
from openmm_mdgen.weights.header import bundled_path, file_info, registered_models

_HEADER = ("model", "tasks", "residues", "intervals", "temperature", "content")
_OWN = "openmm_mdgen."
_IDENTITIES = "peptide-design"


@click.command("models", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--about", help="A sequence, such as AMMT or ACE-A-NME: how near the training set of the model it is.")
@click.option("--model", default="peptide", show_default=True, help="With --about: which model.")
def command(about: str | None, model: str) -> None:
    """List the models known by name, with the ranges that they were trained on."""
    if about is not None:
        for line in _about(about, model):
            click.echo(line)
        return
    rows = [_HEADER, *(_row(point) for point in registered_models().values()), _identities_row()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _about(sequence: str, name: str) -> list[str]:
    """What a model knows of peptides like this one."""
    from openmm_mdgen.forcefield.build import sequence_to_residues
    from openmm_mdgen.tasks.protocols import model_info
    from openmm_mdgen.weights.checkpoint import load_task
    from openmm_mdgen.weights.familiarity import (
        calibration,
        familiarity,
        measured_errors,
        residues_to_sequence,
        training_sequences,
    )

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
    content_hash = model_info(load_task(name, device="cpu")).content_hash
    errors, calibrated = measured_errors(name, content_hash), calibration(name, content_hash)
    near = familiarity(found.sequence, tuple(errors)).nearest if errors else ()
    if near:
        told = ", ".join(f"{other} {errors[other][0]:.3f} (MD's floor {errors[other][1]:.3f})" for other, _ in near)
        lines.append(f"backbone JSD measured on the nearest peptides that were not trained on: {told}")
    else:
        lines.append("no errors were measured with these weights")
    lines += [calibrated] if calibrated else []
    return [*lines, *([f"warning: {found.warning}"] if found.warning else [])]


def _row(point: EntryPoint) -> tuple[str, ...]:
    """One line of the table; a model that does not load says so."""
    try:
        info = file_info(bundled_path(point.name)) if point.value.startswith(_OWN) else _loaded(point.name)
    except (MDGenError, ImportError, OSError) as error:
        return (point.name, "-", "-", "-", "-", f"does not load: {error}")
    return (point.name, ", ".join(info.tasks), *_ranges(info))


def _identities_row() -> tuple[str, ...]:
    """The line of what guesses identities for design."""
    try:
        info = file_info(bundled_path(_IDENTITIES))
    except MDGenError as error:
        return (_IDENTITIES, "-", "-", "-", "-", f"does not load: {error}")
    return (_IDENTITIES, "--identities of design", *_ranges(info))


def _loaded(name: str) -> ModelInfo:
    """What a model of another package says of itself."""
    from openmm_mdgen.weights.checkpoint import load_task

    return model_info(load_task(name, device="cpu"))


def _ranges(info: ModelInfo) -> tuple[str, str, str, str]:
    low, high = info.temperatures or (None, None)
    kelvin = "-" if low is None else f"{low:g} K" if low == high else f"{low:g} to {high:g} K"
    return (
        "any" if info.lengths is None else f"{info.lengths[0]} to {info.lengths[1]}",
        "any" if info.intervals is None else " to ".join(time_to_text(time) for time in info.intervals),
        kelvin,
        info.content_hash[:12] or "-",
    )

"""``openmm-mdgen import``: a published checkpoint to a safetensors file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("import")
@click.argument("checkpoint")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write, a .safetensors file."
)
@click.option("--interval", type=float, help="Time between frames in ps, where the checkpoint's own flags are wrong.")
@click.option("--solver", type=click.Choice(["dopri5", "euler", "midpoint", "heun"]), help="Default: as published.")
@click.option("--steps", default=20, show_default=True, help="Steps of the solvers other than dopri5.")
def command(checkpoint: str, output: Path, interval: float | None, solver: str | None, steps: int) -> None:
    """Import CHECKPOINT, a .ckpt of the published MDGen code: a path, or hf://owner/repository/file.

    Nothing in the file is run. The result works wherever a model name is asked for.
    """
    from openmm_mdgen.published.file import import_published, load_published
    from openmm_mdgen.weights.hub import SCHEME, fetch

    source = fetch(checkpoint) if checkpoint.startswith(SCHEME) else Path(checkpoint)
    written = import_published(source, output, interval=interval, solver=solver, n_steps=steps)
    task = load_published(written)
    low, high = task.lengths
    residues = f"{low}" if low == high else f"{low}-{high}"
    click.echo(f"{written}: {task.purpose}, {task.settings.interval:g} ps between frames, {residues} residues")

"""``openmm-mdgen atlas``: the table of ATLAS over a folder of targets."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("atlas")
@click.argument("reference", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("generated", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the tables to this markdown file.")
@click.option(
    "--exposure/--no-exposure", default=True, show_default=True, help="Exposed residues, which need mdtraj and time."
)
def command(reference: Path, generated: Path, output: Path | None, exposure: bool) -> None:
    """Compare ensembles of proteins with MD of them by the metrics of ATLAS, beside published numbers.

    REFERENCE holds a folder a target: NAME/NAME.pdb and its trajectories (NAME_R1.xtc ...). GENERATED holds NAME.pdb
    with a model a frame, or NAME.pdb and a trajectory NAME.xtc.
    """
    from openmm_mdgen.evaluation.atlas_table import score_folders, table

    text = table(score_folders(reference, generated, exposure=exposure))
    click.echo(text)
    if output is not None:
        from openmm_mdgen.files.replacing import replacing

        with replacing(output) as unfinished:
            unfinished.write_text(text + "\n", encoding="utf-8")

"""Generated Universes to files, for the tasks whose frames are in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from MDAnalysis import Universe

from openmm_mdgen.cli.output import TrajectoryFiles, check_output, output_names
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.convert.times import time_to_text
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.names import is_same_file
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.trajectory.writing import structure_to_pdb


def check_outputs(output: Path, count: int, inputs: Sequence[Path]) -> list[Path]:
    """Names of the files to write; fails before any frame is made.

    Raises
    ------
    MDGenError
        If one cannot be written, or is one of the inputs.
    """
    paths = output_names(output, count)
    for path in paths:
        check_output(path)
        if any(is_same_file(path, given) for given in inputs):
            raise MDGenError(f"output {str(path)!r} is one of the inputs; choose another name")
    return paths


def write_universes(universes: Sequence[Universe], paths: Sequence[Path]) -> None:
    """Write Universes of the same atoms, and say what was written."""
    trajectory = universes[0].trajectory
    frames = np.stack([u.trajectory.timeseries(order="fac") for u in universes])
    structure, first = load_structure(universes[0]), float(trajectory[0].time)
    with TrajectoryFiles(list(paths), structure, float(trajectory.dt), first_time=first) as files:
        files.write(frames)
    names = str(paths[0]) if len(paths) == 1 else f"{paths[0]} ... {paths[-1]}"
    click.echo(f"{len(paths)} x {frames.shape[1]} frames, {time_to_text(float(trajectory.dt))} apart: {names}")


def check_topology(path: Path) -> None:
    """Raise `MDGenError` where there is a file of that name already."""
    if path.exists():
        raise MDGenError(f"{str(path)!r} exists and would be overwritten by the output's topology; choose another -o")


def write_topology(universe: Universe, path: Path) -> None:
    """Write the atoms of the current frame as a PDB file, which gets its name when it is whole."""
    check_topology(path)
    with replacing(path) as unfinished:
        unfinished.write_text(structure_to_pdb(load_structure(universe))[1], encoding="utf-8")
    click.echo(f"topology: {path}")

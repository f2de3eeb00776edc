"""A finer trajectory written to a new file, in any format that MDAnalysis writes."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

from MDAnalysis import Universe

from openmm_mdgen.convert.trajectories import open_trajectory, select_atoms
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.tasks.gap import GapFiller, GapModel
from openmm_mdgen.trajectory.writing import frame_writer, frame_writer_class, write_fitting_topology
from openmm_mdgen.upsampling.inplace import Progress
from openmm_mdgen.upsampling.universe import upsample


def upsample_to_file(
    path: str | PathLike[str],
    topology: str | PathLike[str],
    output: str | PathLike[str],
    interval: float = 0.1,
    *,
    select: str | None = None,
    model: str | Path | GapModel | GapFiller = "peptide",
    seed: int = 0,
    temperature: float | None = None,
    device: str | None = None,
    dt: float | None = None,
    others: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Stream a finer trajectory to a new file, which gets its name when it is complete.

    Parameters
    ----------
    path, topology
        What MDAnalysis reads.
    output
        The new file; its extension says the format.
    interval
        Time between the new frames, ps.
    select
        Write these atoms only (MDAnalysis selection); they alone are upsampled. A PDB file of them is written beside.
    model, seed, temperature, device, dt, others
        See `openmm_mdgen.upsample`.
    progress
        Called with (frames done, frames in all).

    Returns
    -------
    pathlib.Path
        The new file.

    Raises
    ------
    MDGenError
        For bad input or a failed write; nothing is left under the final name then.

    Examples
    --------
    >>> upsample_to_file("md.nc", "md.prmtop", "fine.xtc", 0.1, select="protein")
    """
    target = Path(output).resolve()
    frame_writer_class(target)
    if not os.access(target.parent, os.W_OK):
        raise MDGenError(f"{target.parent} is not a folder you may write to; give another with -o")
    coarse = open_trajectory(path, topology)
    atoms = coarse if select is None else select_atoms(coarse, select)
    fine = upsample(atoms, interval, model, seed, temperature=temperature, device=device, dt=dt, others=others)
    write_fitting_topology(fine.atoms, len(coarse.atoms), target)
    with replacing(target) as unfinished:
        _write(fine, unfinished, progress)
    return target


def _write(fine: Universe, unfinished: Path, progress: Progress | None) -> None:
    trajectory = fine.trajectory
    total = trajectory.n_frames
    with frame_writer(unfinished, len(fine.atoms), trajectory.dt, float(trajectory[0].time)) as writer:
        for ts in trajectory:
            writer.write(fine.atoms)
            if progress is not None and (ts.frame % 1000 == 999 or ts.frame == total - 1):
                progress(ts.frame + 1, total)

"""``openmm-mdgen unconditional``: trajectories of a sequence, from no structure."""

from __future__ import annotations

from pathlib import Path

import click

from openmm_mdgen.cli.options import (
    Sampling,
    interval_option,
    output_option,
    replicas_option,
    sampling_options,
    time_option,
)
from openmm_mdgen.cli.universes import check_outputs, check_topology, write_topology, write_universes


@click.command("unconditional", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("sequence")
@time_option("10ns")
@interval_option
@replicas_option
@output_option(None, "; several get _00, _01, ... Default: SEQUENCE.xtc; the topology lies beside it as a PDB file.")
@sampling_options
def command(
    sequence: str,
    time: float,
    interval: float,
    replicas: int,
    output: Path | None,
    sampling: Sampling,
) -> None:
    """Generate trajectories of SEQUENCE (STHK, ACE-A-NME) whose first frame is drawn, not built or equilibrated."""
    from openmm_mdgen.api.interpolate import unconditional

    output = output or Path(f"{sequence}.xtc")
    paths, topology = check_outputs(output, replicas, []), output.with_suffix(".pdb")
    check_topology(topology)
    universes = unconditional(
        sequence,
        time=time,
        interval=interval,
        replicas=replicas,
        **vars(sampling),
    )
    assert isinstance(universes, list)
    write_topology(universes[0], topology)
    write_universes(universes, paths)

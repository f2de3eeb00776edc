"""``openmm-mdgen unconditional``: trajectories of a sequence, from no structure."""

from __future__ import annotations

from pathlib import Path

import click

from openmm_mdgen.cli.messages import one_line_warnings
from openmm_mdgen.cli.quantities import Count, Time
from openmm_mdgen.cli.universes import check_outputs, check_topology, write_topology, write_universes


@click.command("unconditional", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("sequence")
@click.option("--time", type=Time(), default="10ns", show_default=True, help="Length of each trajectory.")
@click.option("--interval", type=Time(), default="10ps", show_default=True, help="Time between frames.")
@click.option("--replicas", type=Count(1), default=1, show_default=True, help="Number of trajectories.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Trajectory in any format that MDAnalysis writes; several get _00, _01, ... Default: SEQUENCE.xtc; the "
    "topology lies beside it as a PDB file.",
)
@click.option("--model", default="peptide", show_default=True, help="A bundled name, or a weights file.")
@click.option("--seed", type=Count(0), default=0, show_default=True, help="The same seed gives the same frames.")
@click.option("--device", help="cpu, cuda, mps; default: CUDA where it is present.")
def command(
    sequence: str,
    time: float,
    interval: float,
    replicas: int,
    output: Path | None,
    model: str,
    seed: int,
    device: str | None,
) -> None:
    """Generate trajectories of SEQUENCE (STHK, ACE-A-NME) whose first frame is drawn, not built or equilibrated."""
    from openmm_mdgen.api.interpolate import unconditional

    output = output or Path(f"{sequence}.xtc")
    paths, topology = check_outputs(output, replicas, []), output.with_suffix(".pdb")
    check_topology(topology)
    with one_line_warnings():
        universes = unconditional(
            sequence, time=time, interval=interval, replicas=replicas, model=model, seed=seed, device=device
        )
        assert isinstance(universes, list)
        write_topology(universes[0], topology)
        write_universes(universes, paths)

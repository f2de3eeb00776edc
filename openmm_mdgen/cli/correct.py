"""``openmm-mdgen correct``: weights for generated frames from short runs of real dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from openmm_mdgen.cli.many import CorrectOneOrMany
from openmm_mdgen.cli.messages import one_line_warnings
from openmm_mdgen.cli.quantities import Count, Time
from openmm_mdgen.errors import MDGenError

if TYPE_CHECKING:
    from openmm import Integrator, System

_Serialised = TypeVar("_Serialised")


@click.command("correct", cls=CorrectOneOrMany)
@click.argument("generated", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--topology", "-t", type=click.Path(path_type=Path), help="Of the trajectories, such as a PDB file.")
@click.option("--select", default="all", show_default=True, help="MDAnalysis selection of the peptide.")
@click.option("--system", type=click.Path(path_type=Path), help="OpenMM System of these atoms, as XML.")
@click.option("--integrator", type=click.Path(path_type=Path), help="OpenMM Integrator, as XML.")
@click.option("--force-field", "--forcefield", multiple=True, help="A file for OpenMM's ForceField; may be repeated.")
@click.option("--water", help="Put every start into a box of tip3p, opc, ...")
@click.option("--temperature", type=float, help="Kelvin.")
@click.option("--seeds", type=Count(1), default=100, show_default=True, help="Short runs per round.")
@click.option("--time", type=Time(), default="50ps", show_default=True, help="Of each run.")
@click.option("--interval", type=Time(), default="1ps", show_default=True, help="Between its frames.")
@click.option("--equilibrate", type=Time(), default="20ps", show_default=True, help="With --water: the peptide held.")
@click.option("--lag", type=Time(), help="Between the ends of a segment; a fifth of --time by default.")
@click.option("--rounds", type=Count(1), default=1, show_default=True, help="At most so many.")
@click.option("--tolerance", type=float, default=0.0, help="Rounds end when intervals are within plus or minus this.")
@click.option("--method", type=click.Choice(["iterated", "markov"]), default="iterated", show_default=True)
@click.option("--platform", help="OpenMM's; the fastest by default.")
@click.option("--workers", type=Count(1), help="Processes; one a core by default, one on a GPU.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder; runs there are gone on with."
)
def command(
    generated: tuple[Path, ...],
    topology: Path | None,
    select: str,
    system: Path | None,
    integrator: Path | None,
    force_field: tuple[str, ...],
    water: str | None,
    temperature: float | None,
    seeds: int,
    time: float,
    interval: float,
    equilibrate: float,
    lag: float | None,
    rounds: int,
    tolerance: float,
    method: str,
    platform: str | None,
    workers: int | None,
    seed: int,
    quiet: bool,
    output: Path,
) -> None:
    """Weight GENERATED frames by many short runs in a force field of your own.

    openmm-mdgen correct gen.dcd --topology pep.pdb --temperature 300 -o correction

    Patterns with {name} correct many systems side by side, a folder for each:

    openmm-mdgen correct 'gen/{name}*.xtc' --topology 'gen/{name}.pdb' --temperature 300 -o corrected
    """
    from openmm_mdgen.correction.correct import correct
    from openmm_mdgen.evaluation.sample import open_sources

    with one_line_warnings():
        result = correct(
            open_sources([str(path) for path in generated], topology, select, "generated"),
            _system(system, integrator),
            folder=output,
            seeds=seeds,
            time=time,
            interval=interval,
            equilibrate=equilibrate,
            lag=lag,
            temperature=temperature,
            forcefield=list(force_field) or None,
            water=water,
            rounds=rounds,
            tolerance=tolerance,
            method=method,
            platform=platform,
            workers=workers,
            seed=seed,
            progress=not quiet,
        )
        page = result.write(output)
    click.echo(str(result))
    click.echo(f"page    {page}")


def _system(system: Path | None, integrator: Path | None) -> System | tuple[System, Integrator] | None:
    """A System, or the pair of it and an Integrator."""
    if system is None:
        if integrator is not None:
            raise MDGenError("--integrator was given without --system; give both")
        return None
    import openmm as mm

    own = _read(system, mm.System)
    return own if integrator is None else (own, _read(integrator, mm.Integrator))


def _read(path: Path, kind: type[_Serialised]) -> _Serialised:
    """What OpenMM serialised."""
    import openmm as mm

    try:
        found = mm.XmlSerializer.deserialize(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, mm.OpenMMException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MDGenError(
            f"{path} cannot be read as an OpenMM {kind.__name__} ({reason}); write it with XmlSerializer"
        ) from error
    if not isinstance(found, kind):
        raise MDGenError(f"{path} holds a {type(found).__name__}, not an OpenMM {kind.__name__}; give the right file")
    return found

"""``openmm-mdgen evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from openmm_mdgen.cli.many import EvaluateOneOrMany
from openmm_mdgen.cli.quantities import Time
from openmm_mdgen.errors import MDGenError

_LISTS = ("--reference", "--generated", "--replicate", "--paths")


class _Lists(EvaluateOneOrMany):
    """Lets ``--reference a.xtc b.xtc`` take several values, as a shell makes of ``md/*.xtc``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, repeat_lists(args))


def repeat_lists(args: list[str]) -> list[str]:
    """``--reference a b`` to ``--reference a --reference b``."""
    out: list[str] = []
    current: str | None = None
    for arg in args:
        if arg.startswith("-"):
            current = arg if arg in _LISTS else None
            out += [] if current else [arg]
        elif current:
            out += [current, arg]
        else:
            out.append(arg)
    return out


@click.command("evaluate", cls=_Lists)
@click.option("--reference", multiple=True, required=True, help="trajectories or patterns, replicas of one molecule")
@click.option("--generated", multiple=True, required=True, help="trajectories or patterns to be judged")
@click.option("--topology", type=click.Path(), help="for all of them, such as a PDB file")
@click.option("--generated-topology", type=click.Path(), help="where it differs from --topology")
@click.option("--replicate", multiple=True, help="an independent simulation of the reference: the floor")
@click.option("--paths", multiple=True, help="generated transition paths")
@click.option("--designed", type=click.Path(path_type=Path), help="text file with one designed sequence per line")
@click.option("--select", default="all", show_default=True, help="MDAnalysis selection, such as protein")
@click.option("--lag", type=Time(), default="100ps", show_default=True, help="of TICA and the Markov model")
@click.option("--discard", type=Time(zero=True), default="0ps", show_default=True, help="left out of generated starts")
@click.option("--reference-seconds", type=float, help="wall time that the reference took, for the speed-up")
@click.option("--generated-seconds", type=float, help="wall time that the generated trajectories took")
@click.option("--no-3d", is_flag=True, help="leave out the three-dimensional view")
@click.option("--no-energies", is_flag=True, help="leave out OpenMM energies")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("report"), show_default=True)
def command(
    reference: tuple[str, ...],
    generated: tuple[str, ...],
    topology: str | None,
    generated_topology: str | None,
    replicate: tuple[str, ...],
    paths: tuple[str, ...],
    designed: Path | None,
    select: str,
    lag: float,
    discard: float,
    reference_seconds: float | None,
    generated_seconds: float | None,
    no_3d: bool,
    no_energies: bool,
    output: Path,
) -> None:
    """Compare generated trajectories with reference ones: a report page, JSON and CSV.

    openmm-mdgen evaluate --reference md/*.xtc --generated gen/*.xtc --topology pep.pdb -o report

    Patterns with {name} judge many systems side by side, a folder for each and systems.csv with all scores:

    openmm-mdgen evaluate --reference 'md/{name}/r*.xtc' --generated 'gen/{name}*.xtc' --topology 'md/{name}.pdb'
    """
    from openmm_mdgen.evaluation import evaluate

    if (reference_seconds is None) != (generated_seconds is None):
        raise MDGenError("only one of --reference-seconds and --generated-seconds was given; give both")
    wall = None
    if reference_seconds is not None and generated_seconds is not None:
        wall = (reference_seconds, generated_seconds)
    result = evaluate(
        list(reference),
        list(generated),
        topology,
        replicate=list(replicate) or None,
        generated_topology=generated_topology,
        paths=list(paths) or None,
        designed=_sequences(designed),
        select=select,
        lag=lag,
        discard=discard,
        wall_seconds=wall,
        n_energies=0 if no_energies else 100,
        view=not no_3d,
    )
    page = result.write(output)
    for name, words in result.verdicts.items():
        click.echo(f"{name:10s} {words}")
    click.echo(f"report     {page}")


def _sequences(path: Path | None) -> list[str] | None:
    """Lines of a text file, FASTA headers left out."""
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise MDGenError(f"cannot read {path} ({error.strerror}); check the path") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith(">")]

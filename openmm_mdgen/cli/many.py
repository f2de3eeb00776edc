"""One system or many: options that a command has for many, and how they are told on the terminal."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from tqdm import tqdm

from openmm_mdgen.cli.messages import one_line_warnings
from openmm_mdgen.cli.quantities import Count
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.many.engine import Outcome, Progress, Report
from openmm_mdgen.many.results import ManyResult

_FOLDER = "generated"
_REPORTS = "reports"


def cluster_options() -> list[click.Option]:
    """Where the work is done."""
    return [
        click.Option(
            ["--scheduler"],
            default="local",
            show_default=True,
            help="Many systems: 'local' for processes of this machine, or the address of a Dask scheduler, tcp://...",
        ),
        click.Option(["--workers"], type=Count(1), help="Many systems: processes of this machine; default: its cores."),
        click.Option(
            ["--wait"],
            type=float,
            default=60.0,
            show_default=True,
            help="Many systems: seconds to wait for the scheduler's first worker.",
        ),
    ]


class _OneOrMany(click.Command):
    """A command that does one system itself, and hands several over."""

    def many_options(self) -> list[click.Option]:
        """Options that only several systems have."""
        overwrite = click.Option(["--overwrite"], is_flag=True, help="Many systems: make what is whole again.")
        return [*cluster_options(), overwrite]

    def is_many(self, ctx: click.Context) -> bool:
        """Whether several systems are given."""
        raise NotImplementedError

    def do_many(self, ctx: click.Context) -> None:
        """What to do with them."""
        raise NotImplementedError

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = {option.name for option in self.params}
        self._added = [option for option in self.many_options() if option.name not in own]
        self.params += self._added

    def invoke(self, ctx: click.Context) -> Any:
        """Take one way or the other."""
        if self.is_many(ctx):
            return self.do_many(ctx)
        names = [str(option.name) for option in self._added]
        given = next((name for name in names if _is_given(ctx, name)), None)
        if given:
            raise MDGenError(f"--{given} is for many systems, and one is given; {self.how_many}, or leave it out")
        for name in names:
            del ctx.params[name]
        return super().invoke(ctx)

    how_many = ""


class SimulateOneOrMany(_OneOrMany):
    """Several structures, or a list of sequences, go to `simulate_many`."""

    how_many = "give several structure files or --sequences"

    def many_options(self) -> list[click.Option]:
        """Those of every command, and a list, a format and the size of batches."""
        listed = click.Option(
            ["--sequences"],
            type=click.Path(path_type=Path),
            help="Many systems: a file with one sequence a line, or CSV with a column 'sequence' and perhaps 'name'; "
            "they are built.",
        )
        threads = click.Option(
            ["--threads"], type=Count(1), help="Many systems: torch's threads in each worker; default: 1 if local."
        )
        batch = click.Option(
            ["--batch"],
            type=Count(1),
            default=4,
            show_default=True,
            help="Many systems: at most so many of equal length share calls of the network.",
        )
        extension = click.Option(
            ["--format"], default="xtc", show_default=True, help="Many systems: format of the files."
        )
        return [listed, extension, *super().many_options(), threads, batch]

    def is_many(self, ctx: click.Context) -> bool:
        """Takes the one structure out of the tuple where there is one."""
        structures: tuple[Path, ...] = ctx.params["structure"]
        if len(structures) > 1 or ctx.params["sequences"]:
            return True
        ctx.params["structure"] = structures[0] if structures else None
        return False

    def do_many(self, ctx: click.Context) -> None:
        """Options of the command line to `simulate_many`, and its result to the terminal."""
        from openmm_mdgen.many.simulate import simulate_many

        thermalise = "run each system by itself, or read its frames through openmm_mdgen.trajectory.thermalise"
        sequence = "list several in a file and give --sequences"
        options = _without(ctx, {"sequence": sequence, "thermalise": thermalise})
        quiet, structures = options.pop("quiet"), options.pop("structure")
        output = options.pop("output") or Path(_FOLDER)
        if output.suffix and not output.is_dir():
            raise MDGenError(
                f"output {str(output)!r} of many systems must be a folder; give for example -o {_FOLDER} --format "
                f"{output.suffix.lstrip('.')}"
            )
        options["extension"] = options.pop("format")
        options["equilibrate"] = options["equilibrate"] or 0.0
        options["sequences"] = options["sequences"] or ()
        with one_line_warnings(), shown_progress(quiet) as report:
            result = simulate_many(structures, output=output, progress=report, **_known_to(simulate_many, ctx, options))
        tell(ctx, result, output)


class EvaluateOneOrMany(_OneOrMany):
    """Patterns with ``{name}`` go to `evaluate_many`."""

    how_many = "write {name} where names differ, as in --reference 'md/{name}/r*.xtc'"

    def is_many(self, ctx: click.Context) -> bool:
        """Whether a pattern names systems."""
        return any("{name}" in pattern for side in ("reference", "generated") for pattern in ctx.params[side])

    def do_many(self, ctx: click.Context) -> None:
        """Options of the command line to `evaluate_many`, and its result to the terminal."""
        from openmm_mdgen.many.evaluate import evaluate_many

        remedy = "leave it out, or judge each system by itself"
        only_one = "paths designed reference_seconds generated_seconds".split()
        options = _without(ctx, dict.fromkeys(only_one, remedy))
        if options["topology"] is None:
            raise MDGenError("many systems need --topology, one file or one for each, as in 'md/{name}.pdb'")
        options["energies"], options["view"] = not options.pop("no_energies"), not options.pop("no_3d")
        named = options.pop("output")
        output = named if _is_given(ctx, "output") else Path(_REPORTS)
        with one_line_warnings(), shown_progress(quiet=False) as report:
            result = evaluate_many(output=output, progress=report, **_known_to(evaluate_many, ctx, options))
        tell(ctx, result, output)


class CorrectOneOrMany(_OneOrMany):
    """Patterns with ``{name}`` go to `correct_many`."""

    how_many = "write {name} where names differ, as in 'generated/{name}*.xtc'"

    def is_many(self, ctx: click.Context) -> bool:
        """Whether a pattern names systems."""
        return any("{name}" in str(pattern) for pattern in ctx.params["generated"])

    def do_many(self, ctx: click.Context) -> None:
        """Options of the command line to `correct_many`, and its result to the terminal."""
        from openmm_mdgen.many.correct import correct_many

        remedy = "name the force field by --force-field, or correct each system by itself"
        options = _without(ctx, dict.fromkeys(("system", "integrator"), remedy))
        if options["topology"] is None:
            raise MDGenError("many systems need --topology, one file or one for each, as in 'generated/{name}.pdb'")
        options["topology"] = str(options["topology"])
        options["generated"] = [str(pattern) for pattern in options["generated"]]
        options["forcefield"] = options.pop("force_field")
        output, quiet = options.pop("output"), options.pop("quiet")
        with one_line_warnings(), shown_progress(quiet) as report:
            result = correct_many(output=output, progress=report, **_known_to(correct_many, ctx, options))
        tell(ctx, result, output)


def _without(ctx: click.Context, only_for_one: dict[str, str]) -> dict[str, Any]:
    """Parameters without those that many systems cannot have."""
    options = dict(ctx.params)
    for name, remedy in only_for_one.items():
        if options.pop(name, None):
            raise MDGenError(f"--{name.replace('_', '-')} is for one system; {remedy}")
    return options


def _known_to(function: Callable[..., ManyResult], ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Options that the function has; others must not have been given."""
    known = inspect.signature(function).parameters
    for name in options.keys() - known.keys():
        if _is_given(ctx, name):
            raise MDGenError(f"--{name.replace('_', '-')} is for one system; leave it out, or do each system by itself")
    return {name: value for name, value in options.items() if name in known}


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) not in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def tell(ctx: click.Context, result: ManyResult, output: Path) -> None:
    """The table and the summary; exit status 1 where a system failed."""
    click.echo(result.table())
    click.echo(f"{result.summary()} in {output}")
    if result.failed:
        ctx.exit(1)


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Report | None]:
    """A bar on a terminal; elsewhere one line for every system that is done."""
    if quiet:
        yield None
        return
    try:
        if sys.stderr.isatty():
            layout = "{percentage:3.0f}%|{bar}| {postfix}"
            with tqdm(total=1.0, bar_format=layout, dynamic_ncols=True) as bar:
                yield _on(bar)
        else:
            yield _in_lines
    except KeyboardInterrupt as error:
        raise MDGenError("interrupted; what is whole stays, run the same command again to go on") from error


def _on(bar: tqdm) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        bar.n = progress.share
        bar.set_postfix_str(_how_far(progress))

    return report


def _in_lines(progress: Progress) -> None:
    for number, outcome in enumerate(progress.outcomes, 1 + progress.n_done - len(progress.outcomes)):
        click.echo(f"{number} of {progress.n_systems}: {_what(outcome)}{_left(progress)}", err=True)


def _what(outcome: Outcome) -> str:
    return f"{outcome.name} failed" if outcome.error else outcome.name


def _how_far(progress: Progress) -> str:
    return f"{progress.n_done} of {progress.n_systems} systems{_left(progress)}"


def _left(progress: Progress) -> str:
    seconds = progress.seconds_left
    if seconds is None or progress.n_done == progress.n_systems:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f", {hours}:{minutes:02d}:{rest:02d} left"

"""What became of many systems: a table, and failed.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmm_mdgen.files.tables import write_csv
from openmm_mdgen.many.engine import Outcome
from openmm_mdgen.many.folder import OutputFolder
from openmm_mdgen.many.systems import Broken

FAILED = "failed.csv"
SYSTEMS = "systems.csv"
_SHOWN = 3  # numbers of a system in the table on the terminal


@dataclass(frozen=True)
class ManyResult:
    """What became of many systems.

    Attributes
    ----------
    made, whole, failed
        Systems made now, those that an earlier run had made, and those that failed.
    files
        Files by system, its topology first where one was written.
    output
        The folder.

    Examples
    --------
    >>> result = openmm_mdgen.simulate_many(["a.pdb", "b.pdb"], time=1_000)
    >>> result.failed
    ()
    """

    made: tuple[Outcome, ...]
    whole: tuple[Outcome, ...]
    failed: tuple[Outcome, ...]
    output: Path
    files: Mapping[str, tuple[Path, ...]]

    def table(self) -> str:
        """One line a system, failed ones last."""
        rows = [(o.name, state, _told(o)) for state, some in self._states() for o in sorted(some, key=lambda o: o.name)]
        width = max((len(name) for name, _, _ in rows), default=0)
        return "\n".join(f"{name:<{width}}  {state:<13}  {told}".rstrip() for name, state, told in rows)

    def _states(self) -> list[tuple[str, tuple[Outcome, ...]]]:
        return [("already whole", self.whole), ("made", self.made), ("failed", self.failed)]

    def summary(self) -> str:
        """One line."""
        parts = [f"{len(self.made)} made"]
        parts += [f"{len(self.whole)} already whole"] if self.whole else []
        parts += [f"{len(self.failed)} failed (see {FAILED})"] if self.failed else []
        return ", ".join(parts)


def _told(outcome: Outcome) -> str:
    if outcome.error:
        return outcome.error
    cells = [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in list(outcome.row.items())[:_SHOWN]
    ]
    return ", ".join([*cells, f"{outcome.seconds:.1f} s"])


def gathered(
    folder: OutputFolder, contents: Mapping[str, str], outcomes: Sequence[Outcome], broken: Sequence[Broken]
) -> ManyResult:
    """What became of all systems, by what is in the folder now.

    Parameters
    ----------
    folder
    contents
        What the result of each system depends on, by its name.
    outcomes
        Of this run.
    broken
        Inputs that could not be used.
    """
    new = {outcome.name: outcome for outcome in outcomes}
    records = {name: folder.record(name, content) for name, content in contents.items()}
    found = {name: record for name, record in records.items() if record is not None}
    whole = [Outcome(name, record.row, record.seconds) for name, record in found.items() if name not in new]
    failed = [Outcome(b.name, error=b.error) for b in broken] + [o for o in outcomes if o.error]
    made = [o for o in outcomes if not o.error]
    files = {name: tuple(folder.path / file for file in record.files) for name, record in found.items()}
    return ManyResult(tuple(made), tuple(whole), tuple(failed), folder.path, files)


def write_failed(folder: Path, failed: Sequence[Outcome], origins: Mapping[str, str]) -> None:
    """``failed.csv``: name, input and error of each; none is left where nothing failed."""
    rows = [[o.name, origins.get(o.name, ""), o.error] for o in failed]
    _write_table(folder / FAILED, ["name", "input", "error"], rows)


def write_rows(result: ManyResult) -> None:
    """``systems.csv``: all numbers of every system that did not fail."""
    outcomes = sorted((*result.made, *result.whole), key=lambda o: o.name)
    columns = list(dict.fromkeys(column for o in outcomes for column in o.row))
    rows = [[o.name, *(o.row.get(column, "") for column in columns)] for o in outcomes]
    _write_table(result.output / SYSTEMS, ["name", *columns], rows)


def _write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if not rows:
        path.unlink(missing_ok=True)
        return
    write_csv(path, [header, *rows])

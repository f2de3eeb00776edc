"""What became of many systems: a table, and failed.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.many.engine import Outcome

FAILED = "failed.csv"


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
    row = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in outcome.row.items()
    )
    return f"{row}, {outcome.seconds:.1f} s" if row else f"{outcome.seconds:.1f} s"


def write_failed(folder: Path, failed: Sequence[Outcome], origins: Mapping[str, str]) -> None:
    """``failed.csv``: name, input and error of each; none is left where nothing failed."""
    path = folder / FAILED
    if not failed:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "input", "error"])
    writer.writerows([o.name, origins.get(o.name, ""), o.error] for o in failed)
    with replacing(path) as file:
        file.write_text(text.getvalue(), encoding="utf-8")

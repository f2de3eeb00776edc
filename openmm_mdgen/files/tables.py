"""Tables as CSV: UTF-8, one line a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from openmm_mdgen.files.replacing import replacing


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """The text of a table, of which the first row names the columns."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """A table in a file, which is complete under its name or not there.

    Examples
    --------
    >>> write_csv(folder / "losses.csv", [("step", "loss"), (500, 1.47)])
    """
    with replacing(path) as unfinished, open(unfinished, "w", encoding="utf-8", newline="") as file:
        file.write(csv_text(rows))

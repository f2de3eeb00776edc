"""What `evaluate` returns: the numbers of an evaluation, with the report that they can be written as."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openmm_mdgen.evaluation.report import write_report
from openmm_mdgen.evaluation.results import Results


@dataclass(frozen=True)
class Evaluation(Results):
    """Everything that was computed, as in `Results`, and a way to write it down.

    Examples
    --------
    >>> result = openmm_mdgen.evaluate("md/*.xtc", "gen/*.xtc", topology="pep.pdb")
    >>> result.scores.ensemble.backbone.value
    >>> result.write("report")
    """

    def write(self, folder: str | Path) -> Path:
        """Write ``report.html``, ``evaluation.json`` and ``evaluation.csv``; returns the path of the report.

        Raises
        ------
        MDGenError
            When the folder cannot be written.
        """
        return write_report(self, Path(folder))

"""Controls, printed beside the figures: shuffled in time, replicate of the reference, prefixes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openmm_mdgen.evaluation.baseline import Baseline, Motion
from openmm_mdgen.evaluation.scores import Scores, score

FRACTIONS = (2, 5, 10, 100)
SHUFFLED = "generated, shuffled in time"
REPLICATE = "replicate of the reference"


def score_controls(
    baseline: Baseline,
    mixed: Motion,
    replicate: tuple[list[np.ndarray], float] | None,
) -> dict[str, Scores]:
    """Scores of every control by name.

    Parameters
    ----------
    mixed : Motion
        The generated trajectories, shuffled in time.
    replicate : (angles, dt), optional
        Another simulation of the reference. Without it prefixes are of the reference itself, whose frames they share.
    """
    rows = {SHUFFLED: score(baseline, mixed, 0)}
    if replicate is not None:
        rows[REPLICATE] = score(baseline, baseline.motion(*replicate), 0)
    source, step, name = (
        (baseline.own.angles, baseline.own.dt, "reference") if replicate is None else (*replicate, "replicate")
    )
    for part in FRACTIONS:
        units = prefix(source, 1 / part)
        if max(len(u) for u in units) > 2:
            rows[f"1/{part} of the {name}"] = score(baseline, baseline.motion(units, step), 0)
    return rows


def prefix(units: Sequence[np.ndarray], fraction: float) -> list[np.ndarray]:
    """The first frames of the trajectories, one after the other, that make up a fraction of all."""
    left = int(np.ceil(sum(len(u) for u in units) * fraction))
    kept = []
    for unit in units:
        if left <= 0:
            break
        kept.append(unit[:left])
        left -= len(unit)
    return kept

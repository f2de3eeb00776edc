"""What corrected populations rest on, in words."""

from __future__ import annotations

import numpy as np

from openmm_mdgen.correction.reweight import Reweighting

_ENOUGH_MOVES = 30
_FEW_MOVES = 10
_WIDE = 0.15
_NARROW = 0.05
_SHARE = 0.01
_MOST_TIMES = 30


def verdict(result: Reweighting, n_failed: int, n_runs: int) -> tuple[str, ...]:
    """Sentences, the most important first.

    Parameters
    ----------
    result : Reweighting
    n_failed, n_runs : int
        Runs left out, and all.
    """
    lines = [*_between_parts(result), _populations(result)]
    if result.uncovered > 5 * _SHARE:
        lines.append(
            f"{result.uncovered:.0%} of the equilibrium weight lies where no generated frame is: use the weighted "
            "frames of the runs, or generate more."
        )
    if n_failed:
        lines.append(f"{n_failed} of {n_runs} runs were left out.")
    return tuple(lines)


def _populations(result: Reweighting) -> str:
    """Trust in the populations, from the rarest move and the widest interval."""
    moves = result.transitions - np.diag(np.diag(result.transitions))
    weakest = int(min(min(moves.sum(0)), min(moves.sum(1))))
    state = int(np.argmin(np.minimum(moves.sum(0), moves.sum(1))))
    half = float(np.nanmax((result.after.high - result.after.low) / 2))
    basis = f"the rarest state ({state}) was entered or left {weakest} times, intervals are up to ±{half:.2f}"
    if weakest < _FEW_MOVES:
        factor = max(2, round(_ENOUGH_MOVES / max(weakest, 1)))
        return f"These populations rest on {weakest} transitions: run {min(factor, _MOST_TIMES)} x longer. ({basis})"
    if weakest < _ENOUGH_MOVES or half > _WIDE:
        return f"These populations are rough: {basis}. Run {max(2, round(_ENOUGH_MOVES / weakest))} x longer."
    if half > _NARROW:
        return f"These populations are sound within their intervals: {basis}."
    return f"These populations are sound: {basis}."


def _between_parts(result: Reweighting) -> list[str]:
    """Parts that moves of the runs do not connect in both directions."""
    parts = [p for p in result.parts if p.weight > _SHARE or p.generated > _SHARE]
    if len(parts) < 2:
        return []
    outside = 1.0 - max(p.weight for p in parts)
    crossed = sum(p.entered for p in parts)
    factor = int(np.clip(round(_FEW_MOVES * len(parts) / max(crossed, 1)), 2, _MOST_TIMES))
    one_way = f"{crossed} runs crossed between them" if crossed != 1 else "1 run crossed between them"
    return [
        f"Shares between {len(parts)} parts rest on the generated frames: the runs did not connect them in both "
        f"directions ({one_way}; {outside:.0%} of the weight lies outside the largest). "
        f"Run {factor} x longer, or from more seeds; within each part the runs decide."
    ]

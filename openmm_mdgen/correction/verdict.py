"""What corrected populations rest on, in words."""

from __future__ import annotations

import numpy as np

from openmm_mdgen.correction.reweight import Reweighting

_ENOUGH_MOVES = 30
_FEW_MOVES = 10
_WIDE = 0.15
_NARROW = 0.05
_SHARE = 0.01


def verdict(result: Reweighting, n_failed: int, n_runs: int) -> tuple[str, ...]:
    """Sentences, the most important first.

    Parameters
    ----------
    result : Reweighting
    n_failed, n_runs : int
        Runs left out, and all.
    """
    parted = _disconnected(result)
    lines = [*parted, f"Within the connected part: {_populations(result)}"] if parted else [_populations(result)]
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
        return f"These populations rest on {weakest} transitions: run {min(factor, 30)} x longer. ({basis})"
    if weakest < _ENOUGH_MOVES or half > _WIDE:
        return f"These populations are rough: {basis}. Run {max(2, round(_ENOUGH_MOVES / weakest))} x longer."
    if half > _NARROW:
        return f"These populations are sound within their intervals: {basis}."
    return f"These populations are sound: {basis}."


def _disconnected(result: Reweighting) -> list[str]:
    """Parts that runs or generated frames are in and that nothing connects."""
    others = [p for p in result.parts[1:] if p.generated > _SHARE or p.n_runs > 1]
    if not others:
        return []
    share = sum(p.generated for p in others if np.isfinite(p.generated))
    first = max(others, key=lambda p: (p.generated, p.n_runs))
    why = (
        f"the largest was entered by {first.entered} and left by {first.left} runs, and weights need both"
        if first.entered or first.left
        else "no run entered or left the largest"
    )
    are = "part with {} of the generated frames is not connected to the rest and has"
    are = are if len(others) == 1 else are.replace("part ", "parts ").replace(" is ", " are ").replace("has", "have")
    return [
        f"{len(others)} {are.format(f'{share:.0%}')} weight 0: {why}. "
        "What they weigh is unknown; run longer or from more seeds."
    ]

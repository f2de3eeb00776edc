"""Verdicts in words, by rules that the report prints beside them."""

from __future__ import annotations

import numpy as np

from openmm_mdgen.evaluation.chains import ChainScores
from openmm_mdgen.evaluation.controls import REPLICATE, SHUFFLED
from openmm_mdgen.evaluation.results import States, StructureComparison
from openmm_mdgen.evaluation.scores import Scores

RULES = (
    "Ensemble: as good as a repeat of the reference up to 1.3 times the replicate's distance, close up to 2 times; "
    "without a replicate, good below 0.1 and close below 0.2 (mean over torsions).",
    "Dynamics: kept when the autocorrelation differs by less than 0.1 on average, or less than 1.3 times what a "
    "replicate's does, and by less than half of what the shuffled copy's does.",
    "Structure: sound when broken bonds and wrong chirality are in fewer than 0.1 % of frames, and clashes and bent "
    "peptide planes in no more than 0.1 % above the reference's share (plus two standard errors of the count).",
    "Chains: flexibility alike when the mean RMSF is within 25 % and, from 10 C-alpha atoms on, its profile correlates "
    "above 0.8.",
)
_PROFILE = 10


def ensemble_verdict(scores: Scores, controls: dict[str, Scores]) -> str:
    """Against the replicate where there is one, and the prefix that scores alike."""
    value = scores.ensemble.all_torsions.value
    if REPLICATE in controls:
        floor = controls[REPLICATE].ensemble.all_torsions.value
        ratio = value / floor if floor > 0 else np.inf
        words = _grade(ratio, 1.3, 2.0, "As good as a repeat of the reference")
        start = f"{words}: torsions are {value:.3f} from the reference, {ratio:.1f} times a replicate's {floor:.3f}."
    else:
        words = _grade(value, 0.1, 0.2, "Hardly to be told from the reference")
        start = f"{words}: torsions are {value:.3f} from the reference (no replicate to compare with)."
    beaten = [n for n, c in controls.items() if n.startswith("1/") and c.ensemble.all_torsions.value >= value]
    end = f" It beats {beaten[0]}." if beaten else " It beats none of the prefixes."
    return start + end


def _grade(value: float, good: float, fair: float, best: str) -> str:
    if value <= good:
        return best
    return "Close to the reference" if value <= fair else "Differs from the reference"


def dynamics_verdict(scores: Scores, controls: dict[str, Scores]) -> str:
    """Autocorrelation against the reference's and the shuffled copy's."""
    own, lost = (np.array(list(s.autocorrelation.values()), float) for s in (scores, controls[SHUFFLED]))
    if not np.isfinite(own).any():
        return "Not judged: the trajectories are too short for autocorrelations."
    value, shuffled = float(np.nanmean(own)), float(np.nanmean(lost))
    limit = 0.1
    if REPLICATE in controls:
        limit = max(limit, 1.3 * float(np.nanmean(list(controls[REPLICATE].autocorrelation.values()))))
    kept = value < limit and value < shuffled / 2
    words = "Time order is kept" if kept else "Time order is not the reference's"
    return f"{words}: autocorrelations differ by {value:.3f} on average, those of a shuffled copy by {shuffled:.3f}."


def states_verdict(scores: Scores, states: States) -> str:
    """Populations, fluxes, states that were never generated."""
    n = len(states.populations_reference)
    start = f"State populations are {scores.states.value:.3f} from the reference"
    flux = "" if np.isnan(scores.flux.value) else f", fluxes correlate with rank {scores.flux.value:.2f}"
    if not states.unvisited:
        return f"{start}{flux}; all {n} states are visited."
    share = float(states.populations_reference[list(states.unvisited)].sum())
    return f"{start}{flux}; {len(states.unvisited)} of {n} states never visited ({share:.1%} of the reference)."


def structure_verdict(structure: StructureComparison) -> str:
    """Which errors exceed their limit."""
    g, r = structure.generated, structure.reference
    limits = {
        "broken bonds": (g.broken_bond, 0.001),
        "wrong chirality": (g.wrong_chirality, 0.001),
        "clashes": (g.clash, r.clash + 0.001),
        "bent peptide planes": (g.bent_plane, r.bent_plane + 0.001),
    }
    failed = [
        f"{name} in {value:.2%} of frames"
        for name, (value, limit) in limits.items()
        if value > limit + 2 * np.sqrt(limit / g.n_frames)
    ]
    if failed:
        return f"Not sound: {', '.join(failed)}."
    return f"Sound: broken bonds in {g.broken_bond:.2%} of frames, clashes in {g.clash:.2%} (reference {r.clash:.2%})."


def chain_verdict(chain: ChainScores) -> str:
    """Flexibility along the chain."""
    a, b = chain.rmsf_reference.mean(), chain.rmsf_generated.mean()
    ratio = b / a if a > 0 else np.inf
    size = abs(ratio - 1) < 0.25
    if len(chain.rmsf_reference) < _PROFILE:
        words = "Flexibility is alike" if size else "Flexibility differs"
        return f"{words}: mean RMSF is {ratio:.2f} times the reference's ({len(chain.rmsf_reference)} C-alpha atoms)."
    words = "Flexibility is alike" if size and chain.rmsf_r > 0.8 else "Flexibility differs"
    return f"{words}: RMSF correlates with r = {chain.rmsf_r:.2f}, its mean is {ratio:.2f} times the reference's."

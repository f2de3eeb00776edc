"""How alike two ensembles are: Jensen-Shannon distances of torsions and of slow components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_mdgen.evaluation.distances import (
    BINS,
    Estimate,
    blocks,
    histograms,
    joint_histograms,
    jsd,
    mean_jsd,
    resample,
    span_of,
)
from openmm_mdgen.evaluation.torsions import Torsion, backbone_pairs

_UNDEFINED = Estimate(float("nan"))


@dataclass(frozen=True)
class EnsembleScores:
    """Jensen-Shannon distances (square root, natural logarithm); NaN where a peptide has none of the kind.

    `backbone`, `side_chains` and `all_torsions` are means over torsions, `joint` over residues with phi and psi;
    `torsions` has each torsion's own distance by its label.
    """

    backbone: Estimate
    side_chains: Estimate
    all_torsions: Estimate
    joint: Estimate
    tica_0: Estimate
    tica_01: Estimate
    torsions: dict[str, float]

    def figures(self) -> dict[str, Estimate]:
        """The distances by name, without those of single torsions."""
        return {name: value for name, value in vars(self).items() if name != "torsions"}


def score_ensemble(
    reference: Sequence[np.ndarray],
    generated: Sequence[np.ndarray],
    torsions: Sequence[Torsion],
    slow: tuple[list[np.ndarray], list[np.ndarray]] | None = None,
    n_bootstrap: int = 200,
) -> EnsembleScores:
    """Compare torsion ensembles.

    Parameters
    ----------
    reference, generated : sequence of (T, K) ndarray
        Replicas, radians; a single one is cut into blocks for the bootstrap.
    torsions : sequence of Torsion, length K
    slow : two lists of (T, D) ndarray, optional
        The reference's slow components of both; without them the TICA scores are NaN.
    n_bootstrap : int
        Resamples for the intervals; 0 for none.

    Examples
    --------
    >>> tica = fit_tica(md, lag=10, dt=10.0)
    >>> scores = score_ensemble(md, generated, topology.torsions, (tica.project(md), tica.project(generated)))
    >>> scores.backbone.value
    """
    a, b = blocks(reference), blocks(generated)
    p, q = histograms(a), histograms(b)
    backbone = np.array([t.backbone for t in torsions], bool)
    pairs = backbone_pairs(torsions)
    everything = np.ones_like(backbone)

    def mean(columns: np.ndarray) -> Estimate:
        return _estimate(p[:, columns], q[:, columns], n_bootstrap)

    tica_0, tica_01 = (_UNDEFINED, _UNDEFINED) if slow is None else _slow_scores(*slow, n_bootstrap)
    single = jsd(p.sum(0), q.sum(0)) if len(torsions) else np.zeros(0)
    return EnsembleScores(
        backbone=mean(backbone),
        side_chains=mean(~backbone),
        all_torsions=mean(everything),
        joint=_estimate(joint_histograms(a, pairs), joint_histograms(b, pairs), n_bootstrap),
        tica_0=tica_0,
        tica_01=tica_01,
        torsions={t.label: float(v) for t, v in zip(torsions, single, strict=True)},
    )


def _slow_scores(
    reference: Sequence[np.ndarray], generated: Sequence[np.ndarray], n_bootstrap: int
) -> tuple[Estimate, Estimate]:
    """Distances on TICA-0 (100 bins) and TICA-0,1 (50 x 50) over the range that both cover."""
    a, b = ([x[:, :2] for x in blocks(units)] for units in (reference, generated))
    span = span_of(a, b)
    first = [histograms([x[:, :1] for x in units], BINS, span[0]) for units in (a, b)]
    if len(span) < 2:
        return _estimate(first[0], first[1], n_bootstrap), _UNDEFINED
    joint = [joint_histograms(units, [(0, 1)], span=span) for units in (a, b)]
    return _estimate(first[0], first[1], n_bootstrap), _estimate(joint[0], joint[1], n_bootstrap)


def _estimate(p: np.ndarray, q: np.ndarray, n_bootstrap: int) -> Estimate:
    if p.shape[1] == 0:
        return _UNDEFINED
    if n_bootstrap == 0:
        return Estimate(float(mean_jsd(p.sum(0), q.sum(0))))
    return resample(p, q, mean_jsd, n_bootstrap)


def equivalent_length(lengths: Sequence[float], scores: Sequence[float], score: float) -> float:
    """The length of a reference trajectory that would score the same, by interpolation in the logarithm of length.

    Parameters
    ----------
    lengths : sequence of float
        Ascending, any unit of time.
    scores : sequence of float
        Distance of a reference trajectory of each length; falls with length.
    score : float
        To be placed.

    Returns
    -------
    float
        Infinity when the score is better than the longest's, 0 when worse than the shortest's.
    """
    s = np.minimum.accumulate(np.asarray(scores, float))
    if np.isnan(score):
        return float("nan")
    if score < s[-1]:
        return float("inf")
    if score > s[0]:
        return 0.0
    return float(np.exp(np.interp(-score, -s, np.log(np.asarray(lengths, float)))))

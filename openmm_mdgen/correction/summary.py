"""From weighted runs to a `Correction`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_mdgen.correction.ensemble import Ensemble
from openmm_mdgen.correction.numbers import Surface
from openmm_mdgen.correction.result import Correction
from openmm_mdgen.correction.reweight import Reweighting
from openmm_mdgen.correction.running import Run
from openmm_mdgen.correction.verdict import verdict
from openmm_mdgen.evaluation.torsions import backbone_pairs
from openmm_mdgen.peptide.peptide import Peptide

_BINS = 36
_FLIPPED = "a residue changed hands or a peptide bond turned over"


@dataclass(frozen=True)
class Segment:
    """One run: the frame it started from (`Candidates`), its frames (T, N, 3) Å and features, why it is left out."""

    frame: int
    positions: np.ndarray
    features: np.ndarray
    failure: str
    ps: float

    @classmethod
    def from_run(cls, ensemble: Ensemble, frame: int, run: Run, ps: float) -> Segment:
        """A run that flips a centre or a peptide bond is left out: nothing would bring it back."""
        failure = run.failure
        if not failure and ensemble.flipped(run.positions).any():
            failure = _FLIPPED
        return cls(frame, run.positions, ensemble.features(run.positions), failure, ps)


def summarise(
    ensemble: Ensemble,
    segments: Sequence[Segment],
    weighted: Reweighting,
    temperature: float,
    interval: float,
    unusable: int,
    rounds: int,
    seconds: float,
) -> Correction:
    """Everything about a correction in the user's units."""
    alive = [s for s in segments if not s.failure]
    positions = np.concatenate([s.positions for s in alive])
    weights, states = np.concatenate(weighted.weights), np.concatenate(weighted.states)
    failures = {s.frame: s.failure for s in segments if s.failure}
    assert weighted.generated is not None and weighted.generated_states is not None and weighted.before is not None
    return Correction(
        sequence="-".join(Peptide.from_structure(ensemble.structure).residue_types),
        temperature=temperature,
        weights=weighted.generated,
        states=weighted.generated_states,
        times=ensemble.times,
        sources=ensemble.sources,
        seeds=np.array([s.frame for s in segments]),
        failures=failures,
        unusable=unusable,
        run_positions=positions,
        run_weights=weights,
        run_states=states,
        runs=np.repeat(np.arange(len(alive)), [len(s.positions) for s in alive]),
        run_interval=interval,
        replicates=weighted.replicates,
        before=weighted.before,
        after=weighted.after,
        markov=weighted.markov,
        torsions=tuple(t.label for t in ensemble.topology.torsions),
        centres=_centres(ensemble.angles(positions), states, weights, weighted.model.n_states),
        transitions=weighted.transitions,
        parts=weighted.parts,
        borrowed=weighted.borrowed,
        lag=weighted.model.lag * interval,
        lags=weighted.lags * interval,
        timescales=weighted.timescales * interval,
        passage_times=weighted.passage_times * interval,
        effective_runs=weighted.effective_runs,
        uncovered=weighted.uncovered,
        cost_ns=sum(s.ps for s in segments) / 1000,
        seconds=seconds,
        rounds=rounds,
        verdict=verdict(weighted, len(failures), len(segments)),
        surfaces=_surfaces(ensemble, positions, weights),
        structure=ensemble.structure,
    )


def _centres(angles: np.ndarray, states: np.ndarray, weights: np.ndarray, number: int) -> np.ndarray:
    """Circular means (S, K) of torsions (n, K) in each state."""
    direction = np.exp(1j * angles)
    return np.array([np.angle(weights[states == k] @ direction[states == k]) for k in range(number)])


def _surfaces(ensemble: Ensemble, positions: np.ndarray, weights: np.ndarray) -> tuple[Surface, ...]:
    """(phi, psi) of every residue that has both."""
    edges = np.linspace(-np.pi, np.pi, _BINS + 1)
    before, after = ensemble.angles(ensemble.positions), ensemble.angles(positions)
    torsions = ensemble.topology.torsions
    return tuple(
        Surface(
            f"{torsions[phi].resname}{torsions[phi].residue + 1}",
            edges,
            np.histogram2d(before[:, phi], before[:, psi], edges)[0],
            np.histogram2d(after[:, phi], after[:, psi], edges, weights=weights)[0],
        )
        for phi, psi in backbone_pairs(torsions)
    )

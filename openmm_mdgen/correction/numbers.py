"""The numbers of a correction: weights, populations with intervals, kinetics, what they rest on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from openmm_mdgen.correction.reweight import Interval, Part
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.structure import Structure

_GAS_CONSTANT = 8.314462618e-3  # kJ/mol/K


@dataclass(frozen=True)
class Surface:
    """Counts on (phi, psi) of one residue, (36, 36) each, generated and weighted; `edges` in radians."""

    label: str
    edges: np.ndarray
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class Numbers:
    """Generated frames weighted by short runs of the user's own System.

    Attributes
    ----------
    weights : (G,) ndarray
        Of the generated frames; they sum to 1. Zero where nothing connects a frame to the others.
    states : (G,) int ndarray
        State of every generated frame, 0 the most populated; -1 where it is not connected.
    times, sources : (G,) ndarray
        ps, and trajectory, of every generated frame.
    seeds : (S,) int ndarray
        Frames that were started from: number in the generated ones, or, from their number on, in `run_positions`.
    failures : dict of int to str
        Those of them whose run was left out, and why.
    unusable : int
        Generated frames that no run was started from: D-residues, or peptide bonds of the wrong kind.
    run_positions : (n, N, 3) float32 ndarray
        Å, the frames of all runs, one run after another.
    run_weights : (n,) ndarray
        They sum to 1: with `run_positions` the corrected ensemble.
    run_states, runs : (n,) int ndarray
        State and run of each of these frames.
    before : (S,) ndarray
        Populations of the states among the generated frames.
    after, markov : Interval
        Populations with 95 % intervals, by the method that was chosen and by a reversible Markov model.
    centres : (S, K) ndarray
        Radians, mean torsions of each state; `torsions` names them.
    transitions : (S, S) int ndarray
        Moves seen, looked at once a lag.
    parts : list of Part
        What moves of the runs connect. Within a part the runs decide on weights; shares of parts are the generated
        ones, but for what one-way moves change.
    borrowed : (S,) ndarray
        How far each state's population rests on the generated frames: 0, on moves of the runs alone, to 1.
    lag : float
        ps.
    lags, timescales : ndarray
        ps; implied timescales (len(lags), 3) of the Markov model.
    passage_times : (S, S) ndarray
        ps; NaN where no run leads from one to the other.
    effective_runs : float
        Runs of equal weight that would be as informative.
    uncovered : float
        Equilibrium weight where there is no generated frame.
    cost_ns, seconds : float
        Dynamics that were run, and wall time of this call.
    verdict : tuple of str
        What this rests on, in words.
    """

    sequence: str
    temperature: float
    weights: np.ndarray
    states: np.ndarray
    times: np.ndarray
    sources: np.ndarray
    seeds: np.ndarray
    failures: dict[int, str]
    unusable: int
    run_positions: np.ndarray = field(repr=False)
    run_weights: np.ndarray = field(repr=False)
    run_states: np.ndarray = field(repr=False)
    runs: np.ndarray = field(repr=False)
    run_interval: float
    replicates: np.ndarray = field(repr=False)
    before: np.ndarray
    after: Interval
    markov: Interval
    torsions: tuple[str, ...]
    centres: np.ndarray
    transitions: np.ndarray
    parts: list[Part]
    borrowed: np.ndarray
    lag: float
    lags: np.ndarray
    timescales: np.ndarray
    passage_times: np.ndarray
    effective_runs: float
    uncovered: float
    cost_ns: float
    seconds: float
    rounds: int
    verdict: tuple[str, ...]
    surfaces: tuple[Surface, ...] = field(repr=False)
    structure: Structure = field(repr=False)

    @property
    def n_states(self) -> int:
        return len(self.before)

    def free_energies(self, populations: np.ndarray) -> np.ndarray:
        """kJ/mol relative to state 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            out: np.ndarray = -_GAS_CONSTANT * self.temperature * np.log(populations / populations[0])
        return out

    def mean(self, values: np.ndarray) -> tuple[float, float]:
        """Equilibrium mean of a quantity of the runs' frames (n,), and half of its 95 % interval.

        Raises
        ------
        MDGenError
            When there is not one value per frame of `run_positions`.
        """
        values = np.asarray(values, float)
        if values.shape != self.run_weights.shape:
            raise MDGenError(f"{values.shape} values were given for {len(self.run_weights)} frames of the runs")
        return float(self.run_weights @ values), float(1.96 * (self.replicates @ values).std(ddof=1))

    def summary(self) -> dict[str, object]:
        """Numbers and words as plain Python, for JSON."""
        return {
            "sequence": self.sequence,
            "temperature_K": self.temperature,
            "generated_frames": len(self.weights),
            "seeds": self.seeds.tolist(),
            "failures": {str(k): v for k, v in self.failures.items()},
            "unusable": self.unusable,
            "rounds": self.rounds,
            "lag_ps": self.lag,
            "before": self.before.tolist(),
            "after": self.after.to_lists(),
            "markov": self.markov.to_lists(),
            "state_torsions_deg": np.rad2deg(self.centres).round(1).tolist(),
            "torsions": list(self.torsions),
            "transitions": self.transitions.tolist(),
            "passage_times_ps": [_numbers(row) for row in self.passage_times],
            "borrowed": self.borrowed.tolist(),
            "implied_timescales_ps": {
                f"{k:g}": _numbers(row) for k, row in zip(self.lags, self.timescales, strict=True)
            },
            "parts": [vars(part) for part in self.parts],
            "effective_runs": self.effective_runs,
            "uncovered": self.uncovered,
            "cost_ns": self.cost_ns,
            "seconds": self.seconds,
            "verdict": list(self.verdict),
        }

    def __str__(self) -> str:
        lines = ["state   before    after   95 % interval    from the generated frames"]
        for k in range(self.n_states):
            a = self.after
            interval = f"{a.low[k]:.3f} to {a.high[k]:.3f}"
            lines.append(f"{k:5d} {self.before[k]:8.3f} {a.value[k]:8.3f}   {interval}   {self.borrowed[k]:6.0%}")
        return "\n".join([*lines, *self.verdict])


def _numbers(row: np.ndarray) -> list[float | None]:
    return [float(x) if np.isfinite(x) else None for x in row]

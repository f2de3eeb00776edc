"""What a correction gives: weights, populations with intervals, kinetics, what they rest on, files."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from MDAnalysis import Universe

from openmm_mdgen.convert.mdanalysis import structure_to_mdanalysis
from openmm_mdgen.correction.reweight import Interval, Part
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.peptide.peptide import Structure
from openmm_mdgen.trajectory.writing import frame_writer

_GAS_CONSTANT = 8.314462618e-3  # kJ/mol/K


@dataclass(frozen=True)
class Surface:
    """Counts on (phi, psi) of one residue, (36, 36) each, generated and weighted; `edges` in radians."""

    label: str
    edges: np.ndarray
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class Correction:
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
        Generated frames that were started from.
    failures : dict of int to str
        Generated frames whose run was left out, and why.
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
        Connected parts; only the first one is weighted.
    lag : float
        ps.
    lags, timescales : ndarray
        ps; implied timescales (len(lags), 3) of the Markov model.
    passage_times : (S, S) ndarray
        ps.
    effective_runs : float
        Runs of equal weight that would be as informative.
    uncovered : float
        Equilibrium weight where there is no generated frame.
    cost_ns, seconds : float
        Dynamics that were run, and wall time of this call.
    verdict : tuple of str
        What this rests on, in words.

    Examples
    --------
    >>> result = openmm_mdgen.correct(universe, simulation, folder="correction")
    >>> print(result)
    >>> result.attach(universe)
    >>> universe.trajectory[0].aux.weight
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

    def attach(self, universe: Universe, trajectory: int = 0) -> None:
        """Give every frame of a generated Universe its ``ts.aux.weight``.

        Parameters
        ----------
        universe : Universe
            What was corrected.
        trajectory : int
            Its place where several were.

        Raises
        ------
        MDGenError
            When the Universe has another number of frames.
        """
        n_frames = int((self.sources == trajectory).sum())
        if len(universe.trajectory) != n_frames:
            raise MDGenError(
                f"{len(universe.trajectory)} frames cannot take {n_frames} weights; give what was corrected"
            )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _weights_name(None)
            path.write_text(self._xvg(trajectory))
            universe.trajectory.add_auxiliary(
                "weight", str(path), data_selector=1
            )  # read at once, so that the file may go

    def write(self, folder: str | Path) -> Path:
        """Write the page, tables, weights and weighted frames into a folder, made where absent; the page's path."""
        from openmm_mdgen.correction.page import render  # brings matplotlib and jinja2

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "weights.csv": self._table(),
            "populations.csv": self._populations(),
            "correction.json": json.dumps(self.summary(), indent=1),
            "correction.html": render(self),
        }
        n_sources = int(self.sources.max()) + 1
        texts |= {_weights_name(k if n_sources > 1 else None): self._xvg(k) for k in range(n_sources)}
        for name, text in texts.items():
            with replacing(folder / name) as path:
                path.write_text(text, encoding="utf-8")
        with replacing(folder / "runs.npz") as path:
            np.savez(path, weights=self.run_weights, states=self.run_states, runs=self.runs, interval=self.run_interval)
        self._write_runs(folder)
        return folder / "correction.html"

    def _write_runs(self, folder: Path) -> None:
        """``runs.pdb`` and ``runs.xtc``: the frames that ``runs.npz`` has the weights of."""
        positions = self.run_positions
        universe = Universe(structure_to_mdanalysis(self.structure), positions[:1], order="fac")
        with replacing(folder / "runs.pdb") as path:
            universe.atoms.write(str(path))
        with replacing(folder / "runs.xtc") as path, frame_writer(path, universe.atoms.n_atoms, 1.0, 0.0) as writer:
            timestep = universe.trajectory.ts
            for number, frame in enumerate(positions):
                timestep.frame, timestep.time, timestep.positions = number, float(number), frame
                writer.write(universe.atoms)

    def summary(self) -> dict[str, Any]:
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
            "after": {k: getattr(self.after, k).tolist() for k in ("value", "low", "high")},
            "markov": {k: getattr(self.markov, k).tolist() for k in ("value", "low", "high")},
            "state_torsions_deg": np.rad2deg(self.centres).round(1).tolist(),
            "torsions": list(self.torsions),
            "transitions": self.transitions.tolist(),
            "passage_times_ps": self.passage_times.tolist(),
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

    def _table(self) -> str:
        columns = (self.sources, self.times, self.states, self.weights)
        rows: list[tuple[Any, ...]] = [("frame", "trajectory", "time_ps", "state", "weight")]
        rows += zip(range(len(self.weights)), *(column.tolist() for column in columns), strict=True)
        return _csv(rows)

    def _xvg(self, trajectory: int) -> str:
        """Time and weight of every frame of one trajectory, as MDAnalysis' auxiliary reader takes them."""
        own = self.sources == trajectory
        pairs = zip(self.times[own].tolist(), self.weights[own].tolist(), strict=True)
        return "# time in ps, equilibrium weight\n" + "".join(f"{time!r} {weight!r}\n" for time, weight in pairs)

    def _populations(self) -> str:
        names = "state before after low high markov markov_low markov_high kJ_mol_before kJ_mol_after"
        energies = (self.free_energies(self.before), self.free_energies(self.after.value))
        columns = (self.before, *astuple(self.after), *astuple(self.markov), *energies)
        rows: list[tuple[Any, ...]] = [tuple(names.split())]
        rows += zip(range(self.n_states), *(column.tolist() for column in columns), strict=True)
        return _csv(rows)

    def __str__(self) -> str:
        lines = ["state   before    after   95 % interval"]
        for k in range(self.n_states):
            a = self.after
            lines.append(f"{k:5d} {self.before[k]:8.3f} {a.value[k]:8.3f}   {a.low[k]:.3f} to {a.high[k]:.3f}")
        return "\n".join([*lines, *self.verdict])


def _weights_name(trajectory: int | None) -> str:
    return "weights.xvg" if trajectory is None else f"weights_{trajectory:02d}.xvg"


def _csv(rows: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _numbers(row: np.ndarray) -> list[float | None]:
    return [float(x) if np.isfinite(x) else None for x in row]

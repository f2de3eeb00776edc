"""`correct`: seeds, runs in the user's System, weights, rounds."""

from __future__ import annotations

import tempfile
import time as clock
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import MDAnalysis as mda
import numpy as np
import openmm as mm
from openmm import app

from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.correction.ensemble import Ensemble, read_ensemble
from openmm_mdgen.correction.explicit import implicit_system, solvated
from openmm_mdgen.correction.plan import (
    Plan,
    check_system,
    choose_platform,
    default_workers,
    integrator_temperature,
    make_integrator,
)
from openmm_mdgen.correction.result import Correction
from openmm_mdgen.correction.reweight import METHODS, Reweighting, reweight
from openmm_mdgen.correction.running import has_plan, read_plan, write_plan
from openmm_mdgen.correction.seeds import Candidates, choose_seeds
from openmm_mdgen.correction.summary import Segment, summarise
from openmm_mdgen.correction.workers import make_runs
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.build import build_system

_ROUNDING = 1e-6

System: TypeAlias = "mm.System | app.Simulation | tuple[mm.System, mm.Integrator] | None"


def correct(
    universe: mda.Universe | mda.AtomGroup | Sequence[mda.Universe | mda.AtomGroup],
    system: System = None,
    *,
    folder: str | Path | None = None,
    seeds: int = 100,
    time: float = 50.0,
    interval: float = 1.0,
    settle: float = 2.0,
    equilibrate: float = 20.0,
    lag: float | None = None,
    temperature: float | None = None,
    forcefield: Sequence[str] | None = None,
    water: str | None = None,
    rounds: int = 1,
    tolerance: float = 0.0,
    method: str = "iterated",
    max_iterations: int = 100,
    n_bootstrap: int = 100,
    platform: str | None = None,
    workers: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Correction:
    """Weight generated frames by short runs of real dynamics, so that they stand for the System's equilibrium.

    Frames that cover the torsion states are minimised a little and run for a short time; the runs' segments are
    weighted to be stationary (random clusterings, arXiv 2401.05597, or a reversible Markov model), and the generated
    frames with them. Populations then are those of the System and temperature, wherever the runs were started, as far
    as runs move between states; between states that no run connects the generated shares are kept, and the verdict
    says so.

    Parameters
    ----------
    universe : Universe, AtomGroup, or a list of these
        Generated frames of one peptide with all atoms.
    system : openmm.System, openmm.app.Simulation, or (System, Integrator), optional
        Of the same atoms. A Simulation brings its integrator and platform. Default: made of `forcefield`.
    folder : path, optional
        Where runs are kept as they are made; a call with the same settings goes on after a kill, with the same
        result. Default: a temporary one.
    seeds : int
        Runs per round.
    time, interval, settle : float
        ps of each run, between its frames, and left out first.
    equilibrate : float
        ps that water gets before that, with the peptide held; nothing without `water`.
    lag : float, optional
        ps between the ends of a segment; default: a fifth of `time`.
    temperature : float, optional
        Kelvin; an integrator's own must agree.
    forcefield : sequence of str, optional
        Files for OpenMM's ForceField; default: ff14SB with OBC2.
    water : str, optional
        ``"tip3p"``, ``"opc"``, ...: every start is put into a box of it and equilibrated with the peptide held.
    rounds : int
        At most so many; each starts where weights are least certain, from generated frames or from frames of the
        runs before, which also lie where none was generated.
    tolerance : float
        Rounds end when no population's 95 % interval is wider than plus or minus this.
    method : str
        ``"iterated"`` or ``"markov"``.
    max_iterations : int
        Of the minimisation.
    n_bootstrap : int
        Resamples for intervals.
    platform : str, optional
        Default: the fastest, tried for a moment.
    workers : int, optional
        Processes; default: one a core, 1 on a GPU.
    seed : int
        Of seeds, velocities, noise and clusterings.
    progress : bool
        Show a bar on standard error.

    Returns
    -------
    Correction
        Weights, populations with intervals, and words on how far they can be trusted.

    Raises
    ------
    MDGenError
        For a System of other atoms, missing atoms, fewer frames than seeds, two temperatures, no run that survives,
        or a folder of other runs.

    Examples
    --------
    >>> result = openmm_mdgen.correct(universe, simulation, folder="correction")
    >>> result = openmm_mdgen.correct(universe, temperature=300, forcefield=["amber99sb.xml", "implicit/gbn2.xml"])
    """
    started = clock.monotonic()
    _check_numbers(time, interval, min(settle, equilibrate), rounds, method)
    ensemble = read_ensemble(universe)
    setup = _Setup(ensemble, system, forcefield, water, temperature, platform, equilibrate)
    lag_frames = max(1, round((time / 5 if lag is None else lag) / interval))
    generated = ensemble.features(ensemble.positions)
    candidates = Candidates(ensemble.positions, generated, ~ensemble.flipped(ensemble.positions))
    unusable, priority = int((~candidates.usable).sum()), None
    segments: list[Segment] = []
    with ExitStack() as stack:
        place = Path(folder or stack.enter_context(tempfile.TemporaryDirectory()))
        for number in range(rounds):
            chosen = choose_seeds(
                candidates.features, seeds, usable=candidates.usable, priority=priority, seed=seed + number
            ).frames
            candidates.usable[chosen] = False
            setup.keep_platform(place / f"round_{number}")
            plan, starts, boxes = setup.plan(
                candidates.positions[chosen], time, interval, settle, max_iterations, seed + number
            )
            write_plan(place / f"round_{number}", plan, starts, boxes)
            runs = make_runs(place / f"round_{number}", workers or default_workers(plan.platform), progress)
            made = [Segment.from_run(ensemble, int(f), run, plan.run_ps) for f, run in zip(chosen, runs, strict=True)]
            segments += made
            weighted = _weighted(segments, lag_frames, generated, ensemble.torsion_columns, method, n_bootstrap, seed)
            if _widest(weighted) <= tolerance:
                break
            candidates = candidates.and_those_of(made, lag_frames)
            priority = _uncertainty(weighted, candidates.features)
    seconds = clock.monotonic() - started
    return summarise(ensemble, segments, weighted, setup.temperature, interval, unusable, number + 1, seconds)


class _Setup:
    """System, integrator and platform of all runs."""

    def __init__(
        self,
        ensemble: Ensemble,
        system: System,
        forcefield: Sequence[str] | None,
        water: str | None,
        temperature: float | None,
        platform: str | None,
        equilibrate: float = 0.0,
    ) -> None:
        self._equilibrate = equilibrate
        self._forcefield, self._water, self._platform = forcefield, water, platform
        if system is not None and (forcefield or water):
            raise MDGenError("a System and a force field or water were given; give one of them")
        self._topology = None if system is not None else structure_to_topology(ensemble.structure)
        self._integrator: mm.Integrator | None = None
        if isinstance(system, app.Simulation):
            self._integrator, self._platform = system.integrator, platform or system.context.getPlatform().getName()
            system = system.system
        elif isinstance(system, tuple):
            system, self._integrator = system
        if self._integrator is not None and type(self._integrator).__module__ != "openmm.openmm":
            raise MDGenError(
                f"{type(self._integrator).__name__} is not one of OpenMM's own integrators; give a Simulation with "
                "real dynamics, such as LangevinMiddleIntegrator"
            )
        self._system = system if system is not None else self._made(ensemble)
        self.n_atoms = len(ensemble.elements)
        if self._system is not None:
            check_system(self._system, ensemble.elements)
            self._integrator = self._integrator or make_integrator(self._system, temperature)
            self.temperature = integrator_temperature(self._integrator, self._system, temperature)
        elif temperature is None:
            raise MDGenError("no temperature was given with the force field; give temperature=300 (--temperature 300)")
        else:
            self.temperature = temperature

    def _made(self, ensemble: Ensemble) -> mm.System | None:
        """The System in implicit solvent; None where every start gets its own water."""
        if self._water is not None:
            return None
        if "H" not in ensemble.elements:
            raise MDGenError("the trajectory has 0 hydrogens, which force fields need; write it with all atoms")
        assert self._topology is not None
        if self._forcefield is None:
            return build_system(self._topology, hydrogen_mass=3.0)
        return implicit_system(self._topology, self._forcefield)

    def keep_platform(self, folder: Path) -> None:
        """Go on with the platform that runs in a folder were begun on, where none was named."""
        if self._platform is None and has_plan(folder):
            self._platform = read_plan(folder)[0].platform

    def plan(
        self, starts: np.ndarray, time: float, interval: float, settle: float, max_iterations: int, seed: int
    ) -> tuple[Plan, np.ndarray, np.ndarray | None]:
        """Plan, starts (S, M, 3) Å and boxes (S, 3, 3) nm of a round."""
        system, boxes, starts = self._system, None, starts.astype(np.float64)
        if system is None:
            assert self._topology is not None and self._water is not None
            files = self._forcefield or ("amber14-all.xml", f"amber14/{self._water}.xml")
            system, starts, boxes = solvated(self._topology, starts, files, self._water, self.temperature)
        integrator = self._integrator or make_integrator(system, self.temperature)
        texts = str(mm.XmlSerializer.serialize(system)), str(mm.XmlSerializer.serialize(integrator))
        self._platform = choose_platform(*texts, starts[0], self._platform)
        step = integrator.getStepSize()._value
        plan = Plan(
            *texts,
            platform=self._platform,
            temperature=self.temperature,
            step_ps=step,
            interval_steps=_steps(interval, step),
            n_frames=round(time / interval),
            n_settling=round(settle / interval),
            max_iterations=max_iterations,
            seed=seed,
            solute=self.n_atoms,
            restrained_ps=self._equilibrate if boxes is not None else 0.0,
        )
        return plan, starts, boxes


def _steps(interval: float, step: float) -> int:
    steps = round(interval / step)
    if steps < 1 or abs(steps * step - interval) > _ROUNDING * interval:
        raise MDGenError(f"interval {interval:g} ps is no multiple of the integrator's step of {step:g} ps; change one")
    return steps


def _check_numbers(time: float, interval: float, settle: float, rounds: int, method: str) -> None:
    if not (0 < interval < time < float("inf")):
        raise MDGenError(f"runs of {time:g} ps with a frame every {interval:g} ps are not possible; 50 and 1 are usual")
    if settle < 0:
        raise MDGenError(f"settle and equilibrate must be 0 ps or more, not {settle:g}; 2 and 20 are usual")
    if rounds < 1:
        raise MDGenError(f"rounds {rounds} must be 1 or more")
    if method not in METHODS:
        raise MDGenError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")


def _weighted(
    segments: Sequence[Segment],
    lag: int,
    generated: np.ndarray,
    torsions: list[np.ndarray],
    method: str,
    n_bootstrap: int,
    seed: int,
) -> Reweighting:
    alive = [segment.features for segment in segments if not segment.failure]
    if not alive:
        reasons = sorted({segment.failure for segment in segments})
        raise MDGenError(
            f"all {len(segments)} runs were left out, the first for: {reasons[0]}; check the System and the frames"
        )
    return reweight(alive, lag, generated, method=method, n_bootstrap=n_bootstrap, seed=seed, groups=torsions)


def _widest(result: Reweighting) -> float:
    """Half of the widest 95 % interval of a population."""
    return float(np.nanmax(np.append((result.after.high - result.after.low) / 2, 0.0)))


def _uncertainty(result: Reweighting, features: np.ndarray) -> np.ndarray:
    """Spread of the weight of each frame's cluster over the resamples, which doubt what runs do not connect."""
    model = result.model
    path = np.concatenate(model.paths)
    mass = np.stack([np.bincount(path, row, len(model.centres)) for row in result.replicates])
    return np.asarray(mass.std(0)[model.assign(features)])

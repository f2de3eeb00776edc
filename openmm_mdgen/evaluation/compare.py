"""`evaluate`: reads both sides, scores, controls, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.baseline import Baseline, fit_baseline, lag_frames, require_frames
from openmm_mdgen.evaluation.chains import ChainScores, score_chains, superposed
from openmm_mdgen.evaluation.controls import score_controls
from openmm_mdgen.evaluation.dynamics import shuffled
from openmm_mdgen.evaluation.energies import energies, overlaps
from openmm_mdgen.evaluation.evaluation import Evaluation
from openmm_mdgen.evaluation.markov import transition_counts, transition_matrix
from openmm_mdgen.evaluation.paths import PathScores, score_paths
from openmm_mdgen.evaluation.results import EnergyPair, Results, View
from openmm_mdgen.evaluation.sample import SHOWN_FRAMES, Sample, Source, open_sources, read_sample, reference_topology
from openmm_mdgen.evaluation.scores import score
from openmm_mdgen.evaluation.sections import (
    decorrelation,
    settings,
    slowest,
    states,
    structure,
    surface,
    torsion_histograms,
)
from openmm_mdgen.evaluation.sequences import Recovery, sequence_recovery
from openmm_mdgen.evaluation.topology import Topology
from openmm_mdgen.evaluation.verdicts import (
    chain_verdict,
    dynamics_verdict,
    ensemble_verdict,
    states_verdict,
    structure_verdict,
)
from openmm_mdgen.evaluation.view import pdb_text
from openmm_mdgen.peptide.residues import ONE_LETTER

_FRAMES_PER_FEATURE = 5


def evaluate(
    reference: Source | Sequence[Source],
    generated: Source | Sequence[Source],
    topology: str | Path | None = None,
    *,
    replicate: Source | Sequence[Source] | None = None,
    generated_topology: str | Path | None = None,
    paths: Source | Sequence[Source] | None = None,
    designed: Sequence[str] | None = None,
    select: str = "all",
    lag: float = 100.0,
    discard: float = 0.0,
    wall_seconds: tuple[float, float] | None = None,
    n_clusters: int = 100,
    n_states: int = 10,
    n_bootstrap: int = 200,
    n_energies: int = 100,
    view: bool = True,
    seed: int = 0,
) -> Evaluation:
    """Judge generated trajectories against reference ones of the same molecule.

    Parameters
    ----------
    reference, generated : Universe, AtomGroup, path, pattern, or a list of these
        Anything that MDAnalysis reads; several are taken as replicas.
    topology : path, optional
        For trajectories given as files.
    replicate : like `reference`, optional
        An independent simulation of the same molecule; its scores are the floor.
    generated_topology : path, optional
        Where it differs from `topology` in atom order or hydrogens.
    paths : like `reference`, optional
        Generated transition paths, each from one state to another, at the reference's interval or a divisor of `lag`.
    designed : sequence of str, optional
        Designed sequences, one-letter codes, to be compared with the reference's.
    select : str
        MDAnalysis selection, such as ``protein``.
    lag : float
        ps, of TICA and the Markov model.
    discard : float
        ps left out at the start of every generated trajectory.
    wall_seconds : (float, float), optional
        What it took to make the reference and the generated trajectories, for the speed-up.
    n_clusters, n_states : int
        k-means clusters and metastable states, upper limits.
    n_bootstrap : int
        Resamples for intervals; 0 for none.
    n_energies : int
        Frames per side for OpenMM energies; 0 for none.
    view : bool
        Keep frames for the three-dimensional view.
    seed : int
        Of k-means.

    Returns
    -------
    Evaluation

    Raises
    ------
    MDGenError
        For wall times of zero, different topologies, too few frames for the lag, non-protein atoms, positions that
        are not numbers, a reference without moving torsions, or a missing optional package.

    Examples
    --------
    >>> result = openmm_mdgen.evaluate("md/*.xtc", "gen/*.xtc", topology="pep.pdb", replicate="md2/*.xtc")
    >>> print(result.verdicts["ensemble"])
    """
    groups = open_sources(reference, topology, select, "reference")
    layout = reference_topology(groups[0])
    first = read_sample(groups, layout)
    second = _read(generated, generated_topology or topology, select, "generated", layout, discard)
    lag = max(lag, first.dt, second.dt)
    baseline = fit_baseline(first.angles, layout.torsions, first.dt, lag, n_clusters, n_states, seed)
    require_frames(second.angles, lag_frames(lag, second.dt), second.dt, "generated")
    repeat = None if replicate is None else _read(replicate, topology, select, "replicate", layout, 0.0)
    motion, mixed = (baseline.motion(angles, second.dt) for angles in (second.angles, shuffled(second.angles)))
    controls = score_controls(baseline, mixed, None if repeat is None else (repeat.angles, repeat.dt))
    energy, energy_notes = _energies(first, second, n_energies, round(discard / second.dt))
    result = Evaluation(
        settings=settings(first, second, repeat, baseline, layout, n_bootstrap, discard),
        scores=score(baseline, motion, n_bootstrap),
        controls=controls,
        torsions=torsion_histograms(baseline, motion),
        surface=surface(baseline, motion),
        decorrelation=decorrelation(baseline, motion, mixed),
        states=states(baseline, motion),
        structure=structure(first.checks, second.checks),
        chain=_chain(first, second, layout),
        energies=energy,
        paths=_paths(paths, generated_topology or topology, select, layout, baseline),
        recovery=_recovery(designed, layout),
        decorrelation_time=slowest(baseline, motion, first, second, wall_seconds),
        notes=(*_notes(layout, baseline, repeat, n_states), *energy_notes),
        view=_view(first, second, layout) if view else None,
    )
    result.verdicts.update(_verdicts(result))
    return result


def _read(
    sources: Source | Sequence[Source],
    topology: str | Path | None,
    select: str,
    side: str,
    layout: Topology,
    discard: float,
) -> Sample:
    return read_sample(open_sources(sources, topology, select, side), layout, discard)


def _chain(first: Sample, second: Sample, layout: Topology) -> ChainScores | None:
    """C-alpha statistics where there are at least two C-alpha atoms and two frames."""
    if len(layout.alphas) < 2 or min(len(first.positions), len(second.positions)) < 2:
        return None
    return score_chains(first.positions[:, layout.alphas], second.positions[:, layout.alphas])


def _energies(first: Sample, second: Sample, n: int, start: int) -> tuple[EnergyPair | None, tuple[str, ...]]:
    """Energies of both sides, or the reason why there are none."""
    if n == 0:
        return None, ("Energies were not asked for.",)
    try:
        sides = energies(first.atoms, n), energies(second.atoms, n, start)
        return EnergyPair(*sides, overlaps(*sides)), ()
    except MDGenError as error:
        return None, (f"No energies: {error}.",)


def _paths(
    sources: Source | Sequence[Source] | None,
    topology: str | Path | None,
    select: str,
    layout: Topology,
    baseline: Baseline,
) -> PathScores | None:
    """Transition paths, thinned to the lag of the states."""
    if sources is None:
        return None
    sample = _read(sources, topology, select, "path", layout, 0.0)
    model, stride = baseline.states, lag_frames(baseline.lag, sample.dt)
    assigned = [a[::stride] for a in baseline.assign(sample.angles)]
    if min(len(a) for a in assigned) < 3:
        raise MDGenError(
            f"paths of {min(len(a) for a in sample.angles)} frames are too short at a lag of {baseline.lag:g} ps; "
            f"at least {2 * stride + 1} frames are needed, or choose a shorter lag"
        )
    counts = transition_counts(baseline.own.assigned, model.n_states, model.lag).sum(0)
    return score_paths(assigned, transition_matrix(counts))


def _recovery(designed: Sequence[str] | None, layout: Topology) -> Recovery | None:
    if designed is None:
        return None
    return sequence_recovery(designed, "".join(ONE_LETTER[n] for n in layout.sequence if n in ONE_LETTER))


def _notes(layout: Topology, baseline: Baseline, repeat: Sample | None, n_states: int) -> tuple[str, ...]:
    notes = []
    if all(t.backbone for t in layout.torsions):
        notes.append("The molecule has no chi angle (alanine, glycine), so there are no side-chain scores.")
    if not any(t.backbone for t in layout.torsions):
        notes.append("The molecule has no phi and no psi, so there are no backbone scores.")
    if repeat is None:
        notes.append("Prefixes are of the reference itself and share its frames, which flatters them.")
    n_frames, n_features = baseline.own.n_frames, 2 * len(baseline.torsions)
    if n_frames < _FRAMES_PER_FEATURE * n_features:
        notes.append(
            f"The reference has {n_frames} frames for {n_features} features: slow components and states are overfitted."
        )
    if baseline.states.n_states < n_states:
        notes.append(f"{baseline.states.n_states} metastable states were found, fewer than the {n_states} looked for.")
    return tuple(notes)


def _view(first: Sample, second: Sample, layout: Topology) -> View:
    """Evenly spaced frames of both sides, superposed on the reference's first."""
    target = first.positions[0]
    texts = []
    for sample in (first, second):
        frames = sample.positions[:: max(1, -(-len(sample.positions) // SHOWN_FRAMES))]
        texts.append(pdb_text(superposed(frames, target), layout))
    return View(texts[0], texts[1])


def _verdicts(result: Results) -> dict[str, str]:
    verdicts = {
        "ensemble": ensemble_verdict(result.scores, result.controls),
        "dynamics": dynamics_verdict(result.scores, result.controls),
        "states": states_verdict(result.scores, result.states),
        "structure": structure_verdict(result.structure),
    }
    return verdicts | ({"chain": chain_verdict(result.chain)} if result.chain else {})

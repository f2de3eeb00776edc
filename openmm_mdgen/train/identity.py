"""Fitting the model that guesses identities, and asking it of peptides that were left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.sidechains import TYPES
from openmm_mdgen.tasks.identity import N_EFFECTS, PLACES, IdentityModel, IdentityTable, Place
from openmm_mdgen.tokens.tokens import N_IDENTITIES
from openmm_mdgen.train.cache import Cache
from openmm_mdgen.train.identity_examples import Examples, inner_runs, run_examples, usable_segments, with_identity

_SHARPNESS = torch.logspace(-2, 0.2, 45, dtype=torch.float64)


@dataclass(frozen=True)
class IdentityConfig:
    """How much a fit trusts the data.

    Attributes
    ----------
    prior, neighbour_prior : float
        Examples that effects of residues, and of given residues beside them, are shrunk to 0 by.
    shrinkage : float
        Of the rest's correlations.
    dimensions : int
        At most; fewer where there are fewer than three examples for each.
    folds : int
        Parts of the peptides that are left out in turn to measure how far probabilities can be trusted.
    seed : int
        Which peptides are left out together.
    """

    prior: float = 1.0
    neighbour_prior: float = 10.0
    shrinkage: float = 0.02
    dimensions: int = 40
    folds: int = 16
    seed: int = 0


class Recovery(NamedTuple):
    """How well identities of peptides that were left out are guessed."""

    place: Place
    moving: bool
    duration: float  # ps
    n_examples: int
    first: float  # share of examples whose residue is the most probable one
    first_five: float
    log_probability: float
    probability: float


def fit_identities(
    cache: Cache, config: IdentityConfig, *, name: str = "model", temperature: float = 350.0
) -> tuple[IdentityModel, list[Recovery]]:
    """Fit to a cache of MD, and what cross validation by peptides says of it.

    Raises
    ------
    MDGenError
        If no trajectory has what is asked for, or fewer than two peptides do.

    Examples
    --------
    >>> model, recovered = fit_identities(build_cache([Path("md")], Path("cache")), IdentityConfig())
    """
    segments = usable_segments(cache)
    still: dict[Place, IdentityTable] = {}
    moving: dict[Place, IdentityTable] = {}
    recovered = []
    for length in sorted({p.length for p in PLACES}):
        runs = inner_runs(segments, length)
        if len({types for types, _ in runs}) < 2:
            continue
        for is_moving, tables in ((False, still), (True, moving)):
            examples = run_examples(cache, segments, runs, length, is_moving)
            for place in (p for p in PLACES if p.length == length):
                asked = with_identity(examples, runs, place)
                tables[place], scores = _fit_sharp(asked, config, place, is_moving)
                recovered += scores
    if not still:
        raise MDGenError(
            f"{len(segments)} peptides in the data are not enough to learn design from: two at least must have a "
            "residue between two others; add peptides"
        )
    counts = Counter(t for types in segments for t in types)
    frequency = torch.tensor([counts[t] + 1.0 for t in TYPES[:N_IDENTITIES]], dtype=torch.float64)
    used = {types for types, _ in inner_runs(segments, 1)}
    lengths = [segments[types][0].n_residues for types in used]
    about = {"peptides": len(used), "examples": {str(tuple(r.place)): r.n_examples for r in recovered}}
    return IdentityModel(
        still=still,
        moving=moving,
        frequencies=frequency / frequency.sum(),
        name=name,
        temperature=temperature,
        lengths=(min(lengths), max(lengths)),
        training=about,
    ), recovered


def fit_table(examples: Examples, config: IdentityConfig) -> IdentityTable:
    """The model of these examples, with a sharpness of 1."""
    mean, deviation = examples.whole.mean(0), examples.whole.std(0, correction=0) + 1e-9
    n = len(examples.whole)
    size = max(1, min(config.dimensions, n // 3))
    _, _, axes = torch.linalg.svd((examples.whole - mean) / deviation, full_matrices=False)
    basis = axes[:size].T / deviation.unsqueeze(-1)
    coordinates = (examples.whole - mean) @ basis
    rows = torch.cat((F.one_hot(examples.identity, N_IDENTITIES).double(), examples.context), -1)
    prior = torch.full((N_EFFECTS,), config.prior, dtype=torch.float64)
    prior[N_IDENTITIES : 3 * N_IDENTITIES], prior[-1] = config.neighbour_prior, 1e-3
    doubt = torch.linalg.inv(rows.T @ rows + prior.diag())
    effects = doubt @ rows.T @ coordinates
    error = coordinates - rows @ effects
    freedom = max(1.0, n - float(((rows @ doubt) * rows).sum()))
    rest = error.T @ error / freedom
    rest = (1 - config.shrinkage) * rest + config.shrinkage * rest.diagonal().diag()
    return IdentityTable(
        center=examples.center,
        scale=examples.scale,
        mean=mean,
        basis=basis,
        effects=effects,
        doubt=doubt,
        rest=rest + 1e-9 * torch.eye(size, dtype=rest.dtype),
        freedom=torch.tensor(max(3.0, freedom - size + 1), dtype=torch.float64),
        durations=torch.tensor([*examples.windows, examples.duration], dtype=torch.float64),
        noise=torch.stack([_noise(examples.whole, w, basis) for w in examples.windows.values()]),
        sharpness=torch.ones(len(examples.windows) + 1, dtype=torch.float64),
    )


def _noise(whole: Tensor, windows: Sequence[Tensor], basis: Tensor) -> Tensor:
    """Second moment (D, D) of how far windows are off the features (E, K) of all frames; examples weigh the same."""
    offsets = [(w - x) @ basis for w, x in zip(windows, whole, strict=True) if len(w)]
    if not offsets:  # the only peptides with windows so long are those that were left out
        return basis.new_zeros(basis.shape[1], basis.shape[1])
    return torch.stack([o.T @ o / len(o) for o in offsets]).mean(0)


def _fit_sharp(
    examples: Examples, config: IdentityConfig, place: Place, moving: bool
) -> tuple[IdentityTable, list[Recovery]]:
    """A table whose probabilities are right for peptides that are left out, and how well those are recovered."""
    sharpness, scores = [], []
    for duration, (found, native) in left_out(examples, config).items():
        best = best_sharpness(found, native)
        sharpness.append(best)
        scores.append(recovery((found * best).log_softmax(-1), native, place, moving, duration))
    table = replace(fit_table(examples, config), sharpness=torch.tensor(sharpness, dtype=torch.float64))
    return table, scores


def best_sharpness(logs: Tensor, native: Tensor) -> float:
    """What to multiply log-likelihoods (E, 20) by so that native residues (E,) are most probable on average."""
    each = (logs.unsqueeze(1) * _SHARPNESS[:, None]).log_softmax(-1)  # (E, S, 20)
    right = each.gather(-1, native[:, None, None].expand(-1, len(_SHARPNESS), 1)).squeeze(-1)
    return float(_SHARPNESS[int(right.mean(0).argmax())])


def measure_recovery(model: IdentityModel, cache: Cache) -> list[Recovery]:
    """How well the identities in a cache of other peptides are guessed."""
    segments, found = usable_segments(cache), []
    for moving, tables in ((False, model.still), (True, model.moving)):
        for place, table in tables.items():
            runs = inner_runs(segments, place.length)
            if not runs:
                continue
            scaling = (table.center, table.scale)
            examples = run_examples(cache, segments, runs, place.length, moving, scaling)
            asked = with_identity(examples, runs, place)
            for duration, (found_of, native) in _ask(table, asked).items():
                logs = (found_of * table.sharpness_at(duration)).log_softmax(-1)
                found.append(recovery(logs, native, place, moving, duration))
    return found


def left_out(examples: Examples, config: IdentityConfig) -> dict[float, tuple[Tensor, Tensor]]:
    """By duration, log-likelihoods (E', 20) of examples under the fit to the other peptides, and their identities."""
    peptides = examples.peptide.unique()
    order = torch.from_numpy(np.random.default_rng(config.seed).permutation(len(peptides)))
    fold = order[torch.searchsorted(peptides, examples.peptide)] % min(config.folds, len(peptides))
    found = defaultdict(list)
    for k in fold.unique():
        table = fit_table(examples.part(fold != k), config)
        for duration, pair in _ask(table, examples.part(fold == k)).items():
            found[duration].append(pair)
    return {d: (torch.cat([x for x, _ in pairs]), torch.cat([n for _, n in pairs])) for d, pairs in found.items()}


def _ask(table: IdentityTable, examples: Examples) -> dict[float, tuple[Tensor, Tensor]]:
    """By duration, log-likelihoods (E', 20) of all windows of these examples, and their identities (E',)."""
    found = {}
    for duration, windows in (*examples.windows.items(), (examples.duration, list(examples.whole.unsqueeze(1)))):
        counts = torch.tensor([len(w) for w in windows])
        context = examples.context.repeat_interleave(counts, 0)
        logs = table.log_likelihood(torch.cat(windows), context, duration)
        found[duration] = (logs, examples.identity.repeat_interleave(counts))
    return found


def recovery(logs: Tensor, native: Tensor, place: Place, moving: bool, duration: float) -> Recovery:
    """What log-probabilities (E, 20) are worth for native residues (E,)."""
    right = logs.gather(-1, native.unsqueeze(-1))
    rank = (logs > right).sum(-1)
    return Recovery(
        place=place,
        moving=moving,
        duration=duration,
        n_examples=len(native),
        first=float((rank == 0).double().mean()),
        first_five=float((rank < 5).double().mean()),
        log_probability=float(right.mean()),
        probability=float(right.exp().mean()),
    )

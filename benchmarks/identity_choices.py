"""What design can be guessed from: features and settings compared on peptides that are left out of the fit.

    python benchmarks/identity_choices.py run/cache/train --validation run/cache/validation

The caches are those of ``openmm-mdgen train --task design``. All frames are read; chance is 0.05, 0.25, and -3.00.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import torch
from ensemble_tables import table
from torch import Tensor

from openmm_mdgen.geometry.sidechains import CAPS, TYPES
from openmm_mdgen.tasks.identity import N_STILL, PLACES, Place
from openmm_mdgen.tokens.spans import N_SPAN, spans
from openmm_mdgen.train.cache import Cache
from openmm_mdgen.train.identity import IdentityConfig, Recovery, best_sharpness, fit_table, left_out, recovery
from openmm_mdgen.train.identity_examples import Examples, inner_runs, run_examples, usable_segments, with_identity

N_PRODUCTS = 54  # features that are means and products of distances
EDGES = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
Pick = Callable[[Examples], Tensor]


def span_waves(cache: Cache, length: int, n: int = 200) -> Tensor:
    """Random Fourier features (E, n) of spans, averaged over all frames."""
    segments = usable_segments(cache)
    generator = torch.Generator().manual_seed(0)
    waves = 2 * torch.randn(N_SPAN, n, generator=generator, dtype=torch.float64)
    phases = 2 * torch.pi * torch.rand(n, generator=generator, dtype=torch.float64)
    rows = []
    for types, first in inner_runs(segments, length):
        free = torch.zeros(len(types), dtype=torch.bool)
        free[first : first + length] = True
        means = []
        for segment in segments[types]:
            internal = torch.from_numpy(np.array(cache.frames(segment), dtype=np.float64))
            span = spans(internal, free, torch.tensor([t not in CAPS for t in types]))[:, first]
            means.append((span @ waves + phases).cos().mean(0))
        rows.append(torch.stack(means).mean(0))
    return torch.stack(rows)


def whole_only(examples: Examples, features: Tensor) -> Examples:
    """Examples of other features, of all frames and nothing else."""
    return replace(examples, whole=features, windows={examples.duration: list(features.unsqueeze(1))})


def cross_validated(examples: Examples, config: IdentityConfig, place: Place) -> tuple[Recovery, float]:
    """Recovery of peptides that were left out, and the sharpness that suits them best."""
    logs, native = left_out(examples, config)[examples.duration]
    best = best_sharpness(logs, native)
    return recovery((logs * best).log_softmax(-1), native, place, True, examples.duration), best


def validated(train: Examples, held_out: Examples, config: IdentityConfig, place: Place, sharpness: float) -> Recovery:
    """Recovery of other peptides."""
    fitted = fit_table(train, config)
    logs = fitted.log_likelihood(held_out.whole, held_out.context, held_out.duration) * sharpness
    return recovery(logs.log_softmax(-1), held_out.identity, place, True, held_out.duration)


def print_reliability(cache: Cache) -> None:
    """How often the most probable residue is right, by its probability, and every residue's recovery."""
    segments = usable_segments(cache)
    runs = inner_runs(segments, 1)
    examples = with_identity(run_examples(cache, segments, runs, 1, True), runs, Place(1, 0))
    cells = []
    for duration, (logs, native) in left_out(examples, IdentityConfig()).items():
        likely, guess = (logs * best_sharpness(logs, native)).softmax(-1).max(-1)
        for low, high in pairwise(EDGES):
            inside = (likely >= low) & (likely < high)
            if inside.any():
                right = (guess == native)[inside].double().mean()
                cells.append(
                    [
                        f"{duration:g}",
                        f"{low:g} to {high:g}",
                        f"{int(inside.sum())}",
                        f"{likely[inside].mean():.2f}",
                        f"{right:.2f}",
                    ]
                )
    click.echo("\n" + table(["ps", "probability of the guess", "guesses", "mean probability", "right"], cells))
    shares = [f"{TYPES[k]} {(guess == native)[native == k].double().mean():.2f}" for k in native.unique()]
    click.echo(f"\nsingle residues recovered from all frames, by residue: {', '.join(shares)}")


@click.command()
@click.argument("train", type=click.Path(exists=True, path_type=Path))
@click.option("--validation", type=click.Path(exists=True, path_type=Path), required=True)
def main(train: Path, validation: Path) -> None:
    """Compare features and settings on the caches TRAIN and --validation."""
    caches = [Cache(train), Cache(validation)]
    plain = IdentityConfig()
    pictures: dict[str, tuple[Pick, IdentityConfig]] = {
        "random Fourier features of spans": (lambda e: e.whole, plain),
        "means and products of distances": (lambda e: e.whole[:, :N_PRODUCTS], plain),
        "... with powers and harmonics": (lambda e: e.whole[:, :N_STILL], plain),
        "... with speeds and spreads (kept)": (lambda e: e.whole, plain),
        "the same, neighbours not told": (lambda e: e.whole, replace(plain, neighbour_prior=1e6)),
        "the same, 15 dimensions at most": (lambda e: e.whole, replace(plain, dimensions=15)),
        "the same, 30 dimensions at most": (lambda e: e.whole, replace(plain, dimensions=30)),
        "the same, prior of 0.3": (lambda e: e.whole, replace(plain, prior=0.3)),
        "the same, prior of 3": (lambda e: e.whole, replace(plain, prior=3.0)),
        "the same, parts by another seed": (lambda e: e.whole, replace(plain, seed=1)),
    }
    cells = []
    for place in PLACES:
        segments = [usable_segments(c) for c in caches]
        runs = [inner_runs(s, place.length) for s in segments]
        first = run_examples(caches[0], segments[0], runs[0], place.length, True)
        second = run_examples(caches[1], segments[1], runs[1], place.length, True, (first.center, first.scale))
        pair = [with_identity(e, r, place) for e, r in zip((first, second), runs, strict=True)]
        waves = [span_waves(c, place.length) for c in caches]
        for label, (pick, config) in pictures.items():
            features = waves if "Fourier" in label else [pick(e) for e in pair]
            known, new = (whole_only(e, f) for e, f in zip(pair, features, strict=True))
            left, sharpness = cross_validated(known, config, place)
            held = validated(known, new, config, place, sharpness)
            numbers = [f"{x:.3f}" if k < 2 else f"{x:.2f}" for r in (left, held) for k, x in enumerate(r[4:7])]
            cells.append([_name(place), label, *numbers])
    head = [
        "place",
        "read",
        *(f"{part}: {what}" for part in ("left out", "val") for what in ("first", "first 5", "log")),
    ]
    click.echo(table(head, cells))
    print_reliability(caches[0])


def _name(place: Place) -> str:
    return "single" if place.length == 1 else f"pair, {('first', 'second')[place.place]}"


if __name__ == "__main__":
    main()

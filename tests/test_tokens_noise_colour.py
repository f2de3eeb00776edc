"""Colouring white noise to motion inside gaps, and whitening motion."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openmm_mdgen.geometry.internal import PHI, PSI
from openmm_mdgen.tokens.noise_colour import (
    GapColour,
    GapSpectra,
    SpectraSums,
    band_edges,
    chain_colour,
    mode_frequencies,
    sine_transform,
    stack_colours,
)
from tests.helpers.tiny import upsample_task

SPECTRA = upsample_task().spectra
SEQUENCE = torch.tensor([3, 0, 7])


def chain(missing: tuple[int, ...] = ()) -> GapColour:
    """The colour of three residues for nine frames 1 ps apart, some channels of the second missing."""
    exists = torch.ones(3, 16, dtype=torch.bool)
    exists[1, list(missing)] = False
    pair = SPECTRA.nearest(10.0, 1.0)
    return GapColour.from_bands(chain_colour(SPECTRA, pair, SEQUENCE, exists, 1.0), 9, 10.0)


@pytest.mark.parametrize("n", [1, 2, 9, 99])
def test_sine_transform_is_its_own_inverse(n):
    transform = sine_transform(n, torch.float64)
    torch.testing.assert_close(transform @ transform, torch.eye(n, dtype=torch.float64), atol=1e-12, rtol=0)
    assert (transform[0] > 0).all()


@given(seed=st.integers(0, 2**32 - 1), missing=st.sets(st.integers(0, 15), max_size=5))
@settings(max_examples=20, deadline=None)
def test_whitening_undoes_colouring(seed, missing):
    colour, generator = chain(tuple(missing)), torch.Generator().manual_seed(seed)
    white = torch.randn(2, 9, 3, 16, generator=generator)
    torch.testing.assert_close(colour.whiten(colour.colour(white)), white, atol=2e-4, rtol=0)


def test_coloured_noise_has_the_moments_that_were_asked_for():
    colour = chain()
    white = torch.randn(4000, 9, 3, 16, generator=torch.Generator().manual_seed(0))
    modes = torch.einsum("kn,bnlc->bklc", sine_transform(9), colour.colour(white))
    torch.testing.assert_close(modes.std(0), colour.scale, rtol=0.06, atol=0)
    unit = modes / colour.scale
    coupled = (unit[:, :, 1:, PHI] * unit[:, :, :-1, PSI]).mean((0, 1))
    torch.testing.assert_close(coupled, torch.full((2,), -0.5), atol=0.03, rtol=0)
    assert (unit[:, :, 2, PHI] * unit[:, :, 0, PSI]).mean().abs() < 0.03


def test_a_missing_channel_keeps_to_itself():
    colour = chain((PSI,))
    assert (colour.carry[:, 2, PHI] == 0).all() and (colour.carry[:, 1, PHI] != 0).any()


def test_a_stack_of_chains_is_each_of_them():
    pair, exists = SPECTRA.nearest(10.0, 1.0), torch.ones(3, 16, dtype=torch.bool)
    bands = [chain_colour(SPECTRA, pair, s, exists, 1.0) for s in (SEQUENCE, SEQUENCE.flip(0))]
    both = GapColour.from_bands(stack_colours(bands), 9, 10.0)
    white = torch.randn(2, 9, 3, 16, generator=torch.Generator().manual_seed(1))
    for k, band in enumerate(bands):
        alone = GapColour.from_bands(band, 9, 10.0).colour(white[k : k + 1])
        torch.testing.assert_close(both.colour(white)[k : k + 1], alone, atol=1e-6, rtol=0)


def test_finer_frames_have_the_same_motion_in_more_modes():
    """Half the interval doubles the frames that share a mode's power: its coefficient grows by root two."""
    pair, exists = SPECTRA.nearest(10.0, 1.0), torch.ones(3, 16, dtype=torch.bool)
    coarse, fine = (chain_colour(SPECTRA, pair, SEQUENCE, exists, dt).scale for dt in (1.0, 0.5))
    torch.testing.assert_close(fine, coarse * math.sqrt(2))


def test_the_nearest_pair_has_the_interval_first():
    found = [tuple(SPECTRA.pairs[SPECTRA.nearest(*p)].tolist()) for p in ((9.0, 0.9), (1.2, 0.1), (30.0, 0.11))]
    assert found == [(10.0, 1.0), (1.0, pytest.approx(0.1)), (10.0, pytest.approx(0.1))]


@given(n=st.integers(1, 600))
@settings(deadline=None)
def test_bands_hold_every_mode_once(n):
    edges = band_edges(n)
    assert edges[0] == 0 and edges[-1] == n and all(a < b for a, b in pairwise(edges))
    assert len(mode_frequencies(n, 10.0)) == n


def test_moments_are_found_again():
    """Measured on coloured noise, spectra give back the scales and the coupling that made it."""
    colour, generator = chain(), torch.Generator().manual_seed(2)
    motion = colour.colour(torch.randn(4000, 9, 3, 16, generator=generator))
    sums, exists = SpectraSums(9, len(SPECTRA.mean), 16), torch.ones(3, 16, dtype=torch.bool)
    sums.add_sizes(motion, SEQUENCE, exists)
    scales = sums.scales(prior=0.0)
    sums.add_products(motion, SEQUENCE, exists, scales)
    own, before = sums.correlations()
    assert before[:, PHI, PSI].mean() == pytest.approx(-0.5, abs=0.03)
    assert (own.diagonal(dim1=1, dim2=2) == 1).all() and own[:, PHI, PSI].abs().max() < 0.08
    n = len(own)
    found = GapSpectra(
        torch.tensor([[10.0, 1.0]]), sums.frequencies(10.0).float()[None], scales.square().float()[None],
        own.float()[None], before.float()[None], SPECTRA.mean, SPECTRA.kept,
    )  # fmt: skip
    again = GapColour.from_bands(chain_colour(found, 0, SEQUENCE, exists, 1.0), 9, 10.0)
    assert found.own.shape == (1, n, 16, 16)
    torch.testing.assert_close(again.scale, colour.scale, rtol=0.15, atol=0)


def test_a_rare_jump_does_not_set_the_scale():
    motion = torch.randn(1000, 9, 1, 16, generator=torch.Generator().manual_seed(3))
    motion[:10] *= 50
    sums = SpectraSums(9, 22, 16)
    sums.add_sizes(motion, torch.tensor([0]), torch.ones(1, 16, dtype=torch.bool))
    assert 1 < float(sums.scales()[:, 0].mean()) < 2 < float(motion.std())


def test_variance_is_proportional_to_the_temperature_where_the_spectra_have_one():
    exists = torch.ones(3, 16, dtype=torch.bool)

    def scale(spectra: GapSpectra, kelvin: float | None) -> torch.Tensor:
        return chain_colour(spectra, 0, SEQUENCE, exists, 1.0, kelvin).scale

    measured = replace(SPECTRA, temperature=torch.tensor(350.0))
    torch.testing.assert_close(scale(measured, 280.0), scale(SPECTRA, None) * math.sqrt(280 / 350))
    torch.testing.assert_close(scale(measured, None), scale(SPECTRA, 280.0))

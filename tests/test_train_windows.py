"""Training windows whose residues are given in every frame, and networks that learn from them."""

import shutil
from dataclasses import replace

import MDAnalysis as mda
import numpy as np
import pytest
import torch

from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.tokens.spans import released_channels
from openmm_mdgen.tokens.tokens import N_CHANNELS, UNKNOWN, Normalization, sequence_to_indices
from openmm_mdgen.train.cache import build_cache
from openmm_mdgen.train.flow import flow_loss
from openmm_mdgen.train.windows import Batch, WindowBatches, WindowConfig, draw_free, is_whole
from tests.helpers.tiny import DATA, moving_universe

UNIT = Normalization(torch.zeros(N_CHANNELS), torch.ones(N_CHANNELS))
CONFIG = WindowConfig(
    n_frames=16, n_tokens=960, intervals=(10.0,), interval_weights=(1.0,), residues=1.0, untold=0.0, perturbed=0.0
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Frames of ITVLHC and QGRE."""
    folder = tmp_path_factory.mktemp("md")
    for name in ("ITVLHC", "QGRE"):
        (folder / name).mkdir()
        shutil.copy(DATA / f"{name}.pdb", folder / name / "topology.pdb")
        universe = moving_universe(name, 40)
        with mda.Writer(str(folder / name / "md.xtc"), universe.atoms.n_atoms) as writer:
            for _ in universe.trajectory:
                writer.write(universe.atoms)
    return build_cache([folder], tmp_path_factory.mktemp("cache"), temperature=350.0)


def batches(cache, config: WindowConfig = CONFIG, n: int = 8) -> list[Batch]:
    windows = WindowBatches(cache, UNIT, config)
    return [windows.draw(1, step) for step in range(n)]


def test_a_pure_function_of_seed_and_step(cache):
    for one, two in zip(batches(cache), batches(cache)[::-1][::-1], strict=True):
        assert torch.equal(one.tokens, two.tokens) and torch.equal(one.counts, two.counts)
        assert torch.equal(one.conditioning.given, two.conditioning.given)
        assert torch.equal(one.conditioning.span, two.conditioning.span)
    assert len({b.conditioning.given.sum().item() for b in batches(cache)}) > 1


def test_what_is_generated_is_not_told(cache):
    """Values are zero wherever a channel is to be generated, but in the first frame of windows that have a start."""
    started = []
    for batch in batches(cache):
        told = batch.conditioning
        for k, free in enumerate(~told.given[:, 1]):
            assert free.any() and not free.all()
            channels = released_channels(free)
            assert (told.values[k, 1:][:, channels] == 0).all()
            kept = ~channels & told.exists[k] & ~free.unsqueeze(-1)
            assert torch.equal(told.values[k][:, kept], batch.tokens[k][:, kept]) and kept.any()
            started.append(bool(told.given[k, 0].all()))
            if started[-1]:
                assert torch.equal(told.values[k, 0], batch.tokens[k, 0])
            else:
                assert (told.values[k, 0][channels] == 0).all()
    assert 0.2 < np.mean(started) < 0.8


def test_only_what_is_generated_counts(cache):
    for batch in batches(cache):
        told = batch.conditioning
        for k, free in enumerate(~told.given[:, 1]):
            expected = told.exists[k] & released_channels(free)
            assert torch.equal(batch.counts[k, 1:], expected.expand_as(batch.counts[k, 1:]))
            first = torch.zeros_like(expected) if told.given[k, 0].all() else expected
            assert torch.equal(batch.counts[k, 0], first)


def test_untold_windows_know_spans_alone(cache):
    for batch in batches(cache, replace(CONFIG, untold=1.0)):
        told = batch.conditioning
        assert (told.sequence == UNKNOWN).all() and (told.values == 0).all() and told.span.abs().sum() > 0


def test_shares(cache):
    """No such windows unless asked for; some where a share is."""
    assert all(b.conditioning.span is None for b in batches(cache, replace(CONFIG, residues=0.0)))
    kinds = [b.conditioning.span is not None for b in batches(cache, replace(CONFIG, residues=0.5), 20)]
    assert 3 < sum(kinds) < 17


@pytest.mark.parametrize("types", [("ALA",) * 4, ("ACE", "ALA", "GLY", "NME"), ("ACE", "ALA", "NME"), ("GLY", "ALA")])
def test_residues_that_are_drawn(types):
    """One at least, not all where there are two; a cap goes with its neighbour; every residue has its turn."""
    sequence, rng = sequence_to_indices(types), np.random.default_rng(0)
    whole, seen = is_whole(sequence), torch.zeros(len(types), dtype=torch.int)
    for _ in range(100):
        free = draw_free(sequence, rng)
        n = int((free & whole).sum())
        assert n >= 1 and (n < int(whole.sum()) or int(whole.sum()) == 1)
        if types[0] == "ACE":
            assert free[0] == free[1] and free[-1] == free[-2]
        seen += free
    assert (seen > 0).all()


def network(**changes) -> VelocityNetwork:
    torch.manual_seed(0)
    return VelocityNetwork(VelocityConfig(width=32, depth=1, heads=2, inpaints=True, **changes))


def test_the_loss_falls(cache):
    """A few steps on the same windows: a network learns some of how they move."""
    net, windows = network(), batches(cache, n=2)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    weight, history = torch.ones(N_CHANNELS), []
    for _ in range(40):
        loss = torch.stack([flow_loss(net, b, torch.Generator().manual_seed(0), weight) for b in windows]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.9 * history[0]

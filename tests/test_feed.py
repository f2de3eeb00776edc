"""Windows drawn on the device that trains, and inpainting ones drawn beside it."""

import numpy as np
import pytest
import torch

from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.tokens.tokens import N_CHANNELS, Normalization, tokens_to_internal
from openmm_mdgen.train.cache import build_cache
from openmm_mdgen.train.feed import draw_ahead, draw_resident, is_roomy
from openmm_mdgen.train.flow import compile_blocks, flow_loss
from openmm_mdgen.train.resident import ResidentWindows
from openmm_mdgen.train.windows import WindowBatches, WindowConfig, draw_given, measure_normalization
from tests.helpers.tiny import DATA

UNIT = Normalization(torch.zeros(N_CHANNELS), torch.ones(N_CHANNELS))
NONE = {"first": 0.0, "ends": 0.0, "scattered": 0.0, "none": 0.0}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return build_cache([DATA / "md"], tmp_path_factory.mktemp("cache"), temperature=350.0)


def resident(cache, **settings) -> ResidentWindows:
    config = WindowConfig(**({"n_frames": 16, "n_tokens": 384} | settings))
    return ResidentWindows(WindowBatches(cache, UNIT, config), "cpu")


def test_a_pure_function_of_seed_and_step(cache):
    one, two = resident(cache), resident(cache)
    first = [one.draw(3, k) for k in range(4)]
    torch.manual_seed(0), np.random.seed(0)
    again = [two.draw(3, k) for k in reversed(range(4))][::-1]
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.tokens, b.tokens) and torch.equal(a.counts, b.counts)
        assert torch.equal(a.conditioning.values, b.conditioning.values)
    assert not torch.equal(one.draw(4, 0).tokens[0, 0], first[0].tokens[0, 0])


def test_windows_are_cut_from_the_data(cache):
    batch = resident(cache, intervals=(5.0,), interval_weights=(1.0,)).draw(0, 0)
    told = batch.conditioning
    assert (
        batch.tokens.shape == (8, 16, 3, N_CHANNELS) and (told.interval == 5).all() and (told.temperature == 350).all()
    )
    coarse = torch.from_numpy(np.array(cache.frames(next(s for s in cache.segments if "coarse" in s.name))))
    backwards = 0
    for window in tokens_to_internal(batch.tokens, UNIT)[:, :, 1]:
        first, last = (int((coarse[:, 1] - window[k]).abs().amax(-1).argmin()) for k in (0, -1))
        assert abs(last - first) == 75
        in_order, backwards = (window, backwards) if first < last else (window.flip(0), backwards + 1)
        torch.testing.assert_close(in_order, coarse[min(first, last) : max(first, last) + 1 : 5, 1], atol=1e-5, rtol=0)
    assert 0 < backwards < 8
    assert torch.equal(batch.counts, told.exists.unsqueeze(1) & ~told.given.unsqueeze(-1))


def test_what_is_told_is_what_the_other_way_tells(cache):
    """Same chain, same channels, same temperature; torsions alone are disturbed; first and last starts are drawn."""
    settings = {"intervals": (10.0,), "interval_weights": (1.0,), "reversed": 0.0, "perturbed": 1.0}
    here = resident(cache, n_tokens=4800, **settings)
    batch, other = here.draw(0, 0), here.windows.draw(0, 0)
    for name in ("sequence", "exists", "interval", "temperature"):
        assert torch.equal(
            getattr(batch.conditioning, name),
            getattr(other.conditioning, name).to(torch.float32 if name == "temperature" else None),
        )
    difference = (batch.conditioning.values - batch.tokens).abs().amax((0, 1, 2))
    assert (difference[2:6] > 0.01).all() and (difference[14:] == 0).all()
    coarse = cache.frames(next(s for s in cache.segments if "coarse" in s.name))
    first = tokens_to_internal(batch.tokens, UNIT)[:, 0, 1].numpy()
    starts = {int(np.abs(coarse[:, 1] - f).max(-1).argmin()) for f in first}
    assert min(starts) == 0 and max(starts) == 9  # 160 frames hold windows of 16 frames, 10 ps apart, at starts 0 to 9
    assert here.coverage() == here.windows.coverage()


@pytest.mark.parametrize("kind", ["first", "ends", "scattered", "none", "history", "regular"])
def test_each_kind_of_window(kind):
    config, generator = WindowConfig(**(NONE | {kind: 1.0})), torch.Generator().manual_seed(1)
    kinds, order, sizes = (torch.rand(400, n, generator=generator) for n in (1, 64, 2))
    given = draw_given(config, kinds[:, 0], order, sizes)
    counts = given.sum(1)
    if kind in ("first", "ends", "none"):
        expected = {"first": [0], "ends": [0, 63], "none": []}[kind]
        assert all(row.nonzero().flatten().tolist() == expected for row in given)
    elif kind == "scattered":
        assert set(counts.tolist()) == set(range(1, 8)) and (given.float().mean(0) > 0).all()
    else:
        steps = {int(row.nonzero().flatten().diff().unique()) for row in given}
        assert steps == set(range(1 if kind == "history" else 2, 13)) and given[:, 0].all()
        assert not given[:, 33:].any() if kind == "history" else given[:, 52:].any(1).all()


def test_shares_of_kinds():
    generator = torch.Generator().manual_seed(0)
    config = WindowConfig(history=0.1, regular=0.1)
    kinds, order, sizes = (torch.rand(20000, n, generator=generator) for n in (1, 16, 2))
    given = draw_given(config, kinds[:, 0], order, sizes)
    only_first = (given.sum(1) == 1) & given[:, 0]
    total = 1.2
    assert float((given.sum(1) == 0).float().mean()) == pytest.approx(config.none / total, abs=0.01)
    assert float(only_first.float().mean()) == pytest.approx(config.first / total, abs=0.02)


def test_inpainting_batches_are_drawn_beside(cache):
    windows = resident(cache, residues=0.5)
    batches = list(draw_resident(windows, iter(range(12)), 7, 0))
    inpainting = [windows.is_inpainting(7, k) for k in range(12)]
    assert [b.conditioning.span is not None for b in batches] == inpainting and 2 < sum(inpainting) < 10
    for k, batch in enumerate(batches):
        direct = windows.inpainting().draw(7, k) if inpainting[k] else windows.draw(7, k)
        assert torch.equal(batch.tokens, direct.tokens)
    assert not any(resident(cache).is_inpainting(7, k) for k in range(50))


def test_workers_draw_what_one_process_draws(cache):
    windows = WindowBatches(cache, UNIT, WindowConfig(n_frames=16, n_tokens=192))
    here, beside = (list(draw_ahead(windows, iter(range(3, 7)), 5, workers)) for workers in (0, 1))
    for one, two in zip(here, beside, strict=True):
        assert torch.equal(one.tokens, two.tokens) and torch.equal(one.conditioning.values, two.conditioning.values)


def test_a_cache_that_a_card_has_no_room_for(cache, monkeypatch):
    windows, bytes_ = WindowBatches(cache, UNIT, WindowConfig(n_frames=16)), cache.data.size * 4
    card = torch.device("cuda", 0)
    for free, expected in ((3 * bytes_, True), (2 * bytes_, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 10 * free))
        assert is_roomy(windows, card) is expected
    assert not is_roomy(windows, torch.device("cpu"))


def test_compiled_blocks_keep_their_names():
    network = VelocityNetwork(VelocityConfig(width=32, depth=2, heads=2))
    names = list(network.state_dict())
    compile_blocks(network)
    assert list(network.state_dict()) == names
    assert all(block._compiled_call_impl is not None for block in network.blocks)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")
def test_windows_on_a_card(cache):
    """A card draws what its processor would, in kind; a compiled network has the loss of one that is not."""
    normalization = measure_normalization(cache)
    windows = WindowBatches(cache, normalization, WindowConfig(n_frames=16, n_tokens=4800, residues=0.2))
    batches = list(draw_ahead(windows, iter(range(20)), 0, 0, "cuda"))
    assert all(b.tokens.is_cuda and b.conditioning.given.is_cuda for b in batches)
    network = VelocityNetwork(VelocityConfig(width=32, depth=2, heads=2, inpaints=True)).cuda()
    torch.nn.init.normal_(network.token_out.weight, std=0.1)

    def losses():
        draws = (torch.Generator("cuda").manual_seed(k) for k in range(len(batches)))
        return [float(flow_loss(network, b, g, windows.channel_weight)) for b, g in zip(batches, draws, strict=True)]

    with torch.no_grad():
        before = losses()
        compile_blocks(network)
        assert losses() == pytest.approx(before, rel=1e-3)

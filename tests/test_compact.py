"""A cache in one small file: what comes back, what is thinned."""

from pathlib import Path

import numpy as np
import pytest

from openmm_mdgen.train.cache import Cache, build_cache
from openmm_mdgen.train.compact import pack_cache, unpack_caches

MD = Path(__file__).parent / "data" / "md"


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Cache:
    return build_cache([MD], tmp_path_factory.mktemp("cache"))


def test_round_trip(cache, tmp_path):
    pack_cache(cache, tmp_path / "a.mdc")
    again = unpack_caches([tmp_path / "a.mdc"], tmp_path / "cache")
    assert (tmp_path / "a.mdc").stat().st_size < 0.25 * (sum(cache.frames(s).nbytes for s in cache.segments))
    for old, new in zip(cache.segments, again.segments, strict=True):
        assert (old.residue_types, tuple(map(tuple, old.exists)), old.interval, old.n_frames, old.temperature) == (
            new.residue_types,
            tuple(map(tuple, new.exists)),
            new.interval,
            new.n_frames,
            new.temperature,
        )
        error = again.frames(new) - cache.frames(old)
        torsions = np.remainder(error[..., :7] + np.pi, 2 * np.pi) - np.pi
        assert 0.001 < np.abs(torsions).max() < 0.026
        spread = cache.frames(old)[..., 7:].std(0).max()
        assert np.abs(error[..., 7:]).max() < 0.1 * spread + 1e-3


def test_thinned(cache, tmp_path):
    pack_cache(cache, tmp_path / "a.mdc", shortest=1.0)
    again = unpack_caches([tmp_path / "a.mdc", tmp_path / "a.mdc"], tmp_path / "cache")
    assert len(again.segments) == 2 * len(cache.segments)
    assert min(s.interval for s in again.segments) == pytest.approx(1.0)
    fine = min(cache.segments, key=lambda s: s.interval)
    thin = next(s for s in again.segments if s.name == Path(fine.name).name)
    first = again.frames(thin)[3] - cache.frames(fine)[30]
    assert np.abs(np.remainder(first[:, :7] + np.pi, 2 * np.pi) - np.pi).max() < 0.026

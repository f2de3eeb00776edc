"""Upsampling of chains longer than the model learned."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from openmm_mdgen import upsample
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.tasks import model
from openmm_mdgen.tasks import upsample as upsample_module
from openmm_mdgen.tasks.upsample import ChainFiller, context_windows
from tests.helpers.tiny import structure, upsample_task
from tests.helpers.toys_protein import adk_structure, adk_universe


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: False)


@pytest.mark.parametrize(("n_residues", "longest"), [(9, 8), (10, 8), (16, 8), (17, 8), (214, 8), (5, 1), (30, 4)])
def test_every_residue_is_made_once_with_context_on_both_sides(n_residues, longest):
    windows = context_windows(n_residues, longest)
    assert windows.rows.min() == 0 and windows.rows.max() == n_residues - 1
    assert windows.rows.shape[1] == min(longest + 2, n_residues)
    made = windows.rows[windows.window, windows.place]
    assert torch.equal(made, torch.arange(n_residues))
    for residue, (window, place) in enumerate(zip(windows.window, windows.place, strict=True)):
        assert residue == 0 or place > 0
        assert residue == n_residues - 1 or place < windows.rows.shape[1] - 1
        assert windows.complete[window, place]


def filler(spacing: float = 10.0, interval: float = 1.0) -> ChainFiller:
    return upsample_task().bind_chain_gaps(adk_structure(), spacing, interval)


def keys(count: int = 2) -> np.ndarray:
    return np.array([ts.positions.copy() for ts in adk_universe().trajectory[:count]], dtype=np.float64)


def test_a_protein_is_filled_with_its_bonds_whole():
    fill, frames = filler(), keys()
    made = fill.fill(frames, [1])
    assert made.shape == (1, 9, len(adk_structure().names), 3) and np.isfinite(made).all()
    bonds = np.array(fill.internal.bonds)
    wanted = np.linalg.norm(frames[:1, bonds[:, 0]] - frames[:1, bonds[:, 1]], axis=-1)
    lengths = np.linalg.norm(made[0][:, bonds[:, 0]] - made[0][:, bonds[:, 1]], axis=-1)
    assert np.abs(lengths - wanted).mean() < 0.05
    backbone = made[0][:, fill.runs.atoms.numpy()]
    assert 0.7 < np.linalg.norm(np.diff(backbone, axis=1), axis=-1).min()


def test_each_gap_is_a_pure_function_of_its_ends_and_its_seed():
    fill, frames = filler(), keys(3)
    both = fill.fill(frames, [1, 2])
    np.testing.assert_allclose(fill.fill(frames[1:], [2])[0], both[1], atol=2e-3)
    assert np.abs(fill.fill(frames[:2], [7])[0] - both[0]).max() > 0.1


def test_windows_in_pieces_are_windows_at_once(monkeypatch):
    fill, frames = filler(), keys()
    whole = fill.fill(frames, [1])
    monkeypatch.setattr(upsample_module, "_MAX_BATCH", 200)
    np.testing.assert_allclose(fill.fill(frames, [1]), whole, atol=2e-3)


def test_the_bundled_model_fills_a_protein_and_travels():
    fine = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = adk_universe().copy()
        fine = upsample(short, 0.5)
    first = fine.trajectory[1].positions.copy()
    engine = pickle.loads(pickle.dumps(fine.trajectory.engine))
    filler = engine.groups[0].gaps.filler
    engine.groups[0] = replace(engine.groups[0])
    assert isinstance(filler._bound(), ChainFiller)
    assert np.array_equal(fine.trajectory[2].positions, short.trajectory[1].positions)
    assert np.isfinite(first).all()


def test_the_unit_cube_of_an_nmr_entry_is_no_box():
    from openmm_mdgen.convert.bonds import bonds_by_distance

    positions = np.array([[0.0, 0, 0], [1.5, 0, 0], [4.0, 0, 0]], dtype=np.float32)
    bonds = bonds_by_distance(positions, np.array(["C", "C", "C"]), np.array([1, 1, 1, 90, 90, 90], dtype=np.float32))
    assert bonds.tolist() == [[0, 1]]


def test_disulphides_of_a_long_chain_are_kept(monkeypatch):
    """The chain filler takes them; a peptide model does not."""
    from openmm_mdgen.errors import MDGenError
    from openmm_mdgen.peptide.peptide import Peptide
    from tests.helpers.tiny import structure

    source = structure("ITVLHC")
    sulphur = next(k for k, name in enumerate(source.names) if name == "SG")
    linked = replace(source, bonds=(*source.bonds, (sulphur, sulphur)))
    with pytest.raises(MDGenError, match="disulphide"):
        Peptide.from_structure(linked)
    assert Peptide.from_structure(linked, disulphides=True).n_residues == 6


def test_out_of_memory_fewer_windows_at_a_time_give_the_same_frames(monkeypatch):
    """A double of a device whose memory holds a few windows only."""
    from openmm_mdgen.errors import MDGenWarning
    from openmm_mdgen.tasks.upsample import UpsampleFiller

    fill, frames, velocity = filler(), keys(), UpsampleFiller._velocity
    whole = fill.fill(frames, [1])

    def short_of_memory(self, tokens, *rest):
        if len(tokens) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return velocity(self, tokens, *rest)

    monkeypatch.setattr(UpsampleFiller, "_velocity", short_of_memory)
    with pytest.warns(MDGenWarning, match="out of memory: .* windows at a time are tried"):
        np.testing.assert_allclose(fill.fill(frames, [1]), whole, atol=2e-3)


def test_peptides_of_more_than_eight_residues_are_built_in_runs():
    """Up to twelve are learned, but a backbone of twelve built at once swings too widely at its end."""
    chain = load_structure(build_peptide("STHKSTHKST"))
    task = replace(upsample_task(), lengths=(1, 12))
    fill = task.bind_gaps(chain, 10.0, 1.0)
    assert isinstance(fill, ChainFiller) and len(fill.runs.places) > 1
    made = fill.fill(np.stack([chain.positions] * 2), [1])
    bonds = np.array(fill.internal.bonds)
    lengths = np.linalg.norm(made[0][:, bonds[:, 0]] - made[0][:, bonds[:, 1]], axis=-1)
    assert 0.7 < lengths.min() and lengths.max() < 2.2
    assert not isinstance(task.bind_gaps(structure("ITVLHC"), 10.0, 1.0), ChainFiller)

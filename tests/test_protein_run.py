"""Training of the published network: windows, loss, run, and what becomes of the weights."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from MDAnalysis import Writer

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.file import load_published, save_published
from openmm_mdgen.published.task import PublishedSettings
from openmm_mdgen.published.tokens import PublishedTokens
from openmm_mdgen.train.protein_cache import open_protein_cache
from openmm_mdgen.train.protein_flow import ProteinLoss, initialize, split, window_seeds
from openmm_mdgen.train.protein_run import ProteinRun, ProteinTrainConfig, train_proteins
from openmm_mdgen.train.protein_windows import ProteinWindowConfig, ProteinWindows, pad
from tests.helpers.published_toys import make_network, write_checkpoint
from tests.helpers.tiny import moving_universe
from tests.helpers.toys_protein import adk_universe

SMALL = PublishedConfig(
    width=16, n_layers=1, n_heads=2, ipa_heads=2, ipa_channels=4, ipa_query_points=2, ipa_value_points=2, n_positions=0
)


def write(folder, universe, *names):
    folder.mkdir(parents=True)
    universe.trajectory[0]
    universe.atoms.write(str(folder / f"{folder.name}.pdb"))
    for name in names:
        with Writer(str(folder / name), universe.atoms.n_atoms, dt=10.0) as writer:
            for _ in universe.trajectory:
                writer.write(universe.atoms)


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    """A folder laid out as ATLAS, of two peptides of different lengths."""
    root = tmp_path_factory.mktemp("atlas")
    write(root / "QGRE", moving_universe("QGRE", 12), "QGRE_R1.xtc", "QGRE_R2.xtc")
    write(root / "NDKMF", moving_universe("NDKMF", 12), "NDKMF_R1.xtc")
    return root


@pytest.fixture(scope="module")
def cache(atlas, tmp_path_factory):
    return open_protein_cache([atlas], tmp_path_factory.mktemp("cache"))


CONFIG = ProteinWindowConfig(n_frames=5, interval=20.0, crop=256, batch=4)


def test_the_folder_layout_of_atlas_is_read(cache):
    assert sorted(len(segment.residues) for segment in cache.segments) == [4, 4, 5]
    assert {segment.interval for segment in cache.segments} == {10.0}
    frames = cache.frames(cache.segments[0])
    assert frames.shape == (12, len(cache.segments[0].residues), 14, 3)
    assert (np.linalg.norm(frames[:, 0, 0] - frames[:, 0, 1], axis=-1) < 1.7).all()


def test_windows_are_pure_functions_whoever_draws_them(cache):
    windows = ProteinWindows(cache, PublishedTokens(), CONFIG)
    whole = windows.draw(3, 7)
    shares = [windows.draw(3, 7, rank, 2) for rank in (0, 1)]
    assert len(whole.values) == 4 and len(shares[0].values) == 2
    for rank, share in enumerate(shares):
        n = share.values.shape[2]
        torch.testing.assert_close(share.values, whole.values[rank::2, :, :n])
    assert not torch.equal(windows.draw(3, 8).values[:1, :, :4], whole.values[:1, :, :4])


def test_padding_counts_nowhere_and_changes_nothing(cache):
    windows = ProteinWindows(cache, PublishedTokens(), CONFIG)
    drawn = [windows.window(0, step, 0) for step in range(12)]
    short = next(w for w in drawn if w.values.shape[2] == 4)
    long = next(w for w in drawn if w.values.shape[2] == 5)
    both = pad([short, long])
    assert both.values.shape[2] == 5 and not both.counts[0, :, 4].any() and not both.conditioning.mask[0, 4]
    loss = ProteinLoss(make_network(SMALL))
    apart = (loss(lambda: (short, [1])) + loss(lambda: (long, [2]))) / 2
    torch.testing.assert_close(loss(lambda: (both, [1, 2])), apart, atol=1e-5, rtol=1e-5)


def test_crop_cuts_the_chain(cache):
    windows = ProteinWindows(cache, PublishedTokens(), ProteinWindowConfig(5, 20.0, 3, 1))
    assert windows.lengths == (3, 3)
    assert all(windows.window(0, step, 0).values.shape[2] == 3 for step in range(5))


def test_a_window_does_not_depend_on_how_the_molecule_tumbles(cache):
    """Frames are superposed on the window's first: offsets stay short although the molecule turns about."""
    windows = ProteinWindows(cache, PublishedTokens(), CONFIG)
    translations = windows.draw(0, 0).values[..., 4:7]
    assert float(translations.norm(dim=-1).median()) < 4


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ProteinWindowConfig(5, 15.0, 256, 1), "15 ps apart .found: every 10 ps.; choose --interval"),
        (ProteinWindowConfig(50, 10.0, 256, 1), "has 12 frames 10 ps apart, a window needs 50; choose --frames 12"),
    ],
)
def test_windows_that_the_data_lack(cache, config, message):
    with pytest.raises(MDGenError, match=message):
        ProteinWindows(cache, PublishedTokens(), config)


def test_last_legal_start_is_drawn(cache):
    windows = ProteinWindows(cache, PublishedTokens(), ProteinWindowConfig(12, 10.0, 256, 1))
    assert windows.window(0, 0, 0).values.shape[1] == 12


def test_what_cannot_be_read_is_left_out(tmp_path, atlas):
    folder = tmp_path / "data"
    write(folder / "QGRE", moving_universe("QGRE", 4), "a.xtc")
    write(folder / "ACE-A-NME", moving_universe("ACE-A-NME", 4), "b.xtc")
    with pytest.warns(MDGenWarning, match="b.xtc left out: .*caps"):
        cache = open_protein_cache([folder], tmp_path / "cache")
    assert len(cache.segments) == 1
    with pytest.raises(MDGenError, match="no trajectories of proteins"), pytest.warns(MDGenWarning):
        open_protein_cache([folder / "ACE-A-NME"], tmp_path / "other")


def test_a_network_begins_by_doing_nothing():
    from openmm_mdgen.published.network import PublishedNetwork

    network = PublishedNetwork(SMALL)
    initialize(network, 0)
    assert not network.readout.linear.weight.any()
    assert network.embed_token.weight.std() > 0.05


def run_config(**changes) -> ProteinTrainConfig:
    defaults = {"network": SMALL, "windows": CONFIG, "n_steps": 30, "every": 15, "rate": 3e-3, "ema": 0.9}
    return ProteinTrainConfig(**defaults | {"precision": "32-true", "accelerator": "cpu", "devices": "1"} | changes)


def losses(folder) -> list[list[float]]:
    with open(folder / "losses.csv", encoding="utf-8") as handle:
        return [[float(x or "nan") for x in row] for row in list(csv.reader(handle))[1:]]


def test_trained_weights_load_and_the_loss_falls(atlas, tmp_path):
    weights = train_proteins([atlas], [], tmp_path, run_config(n_steps=60))
    rows = losses(tmp_path)
    assert rows[-1][2] < 0.9 * rows[0][2]
    task = load_published(weights)
    assert task.settings.n_frames == 5 and task.settings.interval == 20.0 and task.lengths[1] > 256
    structure_frames = moving_universe("QGRE", 2)
    from openmm_mdgen.convert.structures import atomgroup_to_structure

    made = task.bind(atomgroup_to_structure(structure_frames.atoms), 20.0).next_block(
        structure_frames.atoms.positions.astype(float), 1
    )
    assert made.shape[0] == 4 and np.isfinite(made).all()


def test_fine_tuning_from_imported_weights_changes_them_and_lowers_the_loss(atlas, tmp_path):
    settings = PublishedSettings(PublishedTokens(), n_frames=5, interval=20.0)
    start = save_published(make_network(SMALL), settings, tmp_path / "start.safetensors")
    tuned = train_proteins([atlas], [], tmp_path / "run", run_config(n_steps=45), init=start)
    rows = losses(tmp_path / "run")
    assert [row[0] for row in rows] == [0, 15, 30, 45] and np.isnan(rows[0][1])
    assert rows[-1][2] < rows[0][2]
    before, after = (load_published(path) for path in (start, tuned))
    assert before.content_hash != after.content_hash
    assert before.network.config == after.network.config


def test_a_checkpoint_of_the_published_code_is_tuned_and_what_is_exported_loads_again(atlas, tmp_path):
    checkpoint = write_checkpoint(tmp_path)
    before = load_published(checkpoint)
    tuned = train_proteins([atlas], [], tmp_path / "run", run_config(n_steps=45), init=checkpoint)
    rows = losses(tmp_path / "run")
    assert rows[-1][2] < rows[0][2]
    after = load_published(tuned)
    assert after.network.config == before.network.config and after.settings.tokens == before.settings.tokens
    moved = [
        float((a - b).abs().max())
        for a, b in zip(after.network.parameters(), before.network.parameters(), strict=True)
        if b.requires_grad or b.numel() > 1
    ]
    assert sum(x > 0 for x in moved) > 0.9 * len(moved)
    again = train_proteins([atlas], [], tmp_path / "again", run_config(n_steps=2, every=2), init=tuned)
    assert load_published(again).network.config == before.network.config


def test_killed_and_resumed_is_the_uninterrupted_run(atlas, tmp_path):
    whole = train_proteins([atlas], [], tmp_path / "whole", run_config())
    train_proteins([atlas], [], tmp_path / "parts", run_config(n_steps=15))
    parts = train_proteins([atlas], [], tmp_path / "parts", run_config())
    assert load_published(whole).content_hash == load_published(parts).content_hash


def test_bf16_and_a_limit_of_time(atlas, tmp_path):
    config = run_config(precision="bf16-mixed", n_steps=10_000, minutes=0.02, decay=0.5, every=5000)
    task = load_published(train_proteins([atlas], [], tmp_path, config))
    (row,) = losses(tmp_path)
    assert 0 < row[0] < 10_000 and np.isfinite(row[1:3]).all()
    assert next(task.network.parameters()).dtype == torch.float32


def test_a_run_ends_when_validation_rises(atlas, tmp_path):
    train_proteins([atlas], [], tmp_path, run_config(n_steps=200, every=2, rate=0.0, patience=3))
    assert len(losses(tmp_path)) < 20


def test_a_batch_in_pieces_is_the_batch(cache):
    windows = ProteinWindows(cache, PublishedTokens(), CONFIG)
    batch, seeds = windows.draw(0, 0), window_seeds(0, 0, range(4))
    loss = ProteinLoss(make_network(SMALL))
    pieces = split(batch, 1)
    apart = torch.stack([loss(lambda p=p, s=s: (p, [s])) for p, s in zip(pieces, seeds, strict=True)]).mean()
    torch.testing.assert_close(loss(lambda: (batch, seeds)), apart, atol=1e-5, rtol=1e-5)


OPTIONS = "--network mdgen --width 16 --depth 1 --heads 2 --frames 5 --interval 20 --batch 4 --steps 4 --every 2"


def by_command(atlas, out, *more):
    command = [sys.executable, "-m", "openmm_mdgen", "train", str(atlas), "-o", str(out), *OPTIONS.split()]
    command += ["--precision", "32-true", "--accelerator", "cpu", *more]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    return losses(out)


def test_a_limit_of_time_by_command(atlas, tmp_path):
    rows = by_command(atlas, tmp_path, "--devices", "1", "--steps", "100000", "--minutes", "0.001")
    assert 1 <= rows[-1][0] < 1000  # hours of steps are left, which only the limit ends


def test_two_processes_are_one_with_the_same_batch(atlas, tmp_path):
    alone = by_command(atlas, tmp_path / "one", "--devices", "1")
    together = by_command(atlas, tmp_path / "two", "--devices", "2")
    np.testing.assert_allclose([row[2] for row in together], [row[2] for row in alone], rtol=1e-4)


def test_a_protein_with_hydrogens_is_read(tmp_path):
    universe = adk_universe()
    folder = tmp_path / "adk"
    folder.mkdir()
    universe.trajectory[0]
    from MDAnalysisTests.datafiles import DCD, PSF

    (folder / "adk.psf").write_bytes(open(PSF, "rb").read())
    (folder / "adk.dcd").write_bytes(open(DCD, "rb").read())
    cache = open_protein_cache([folder], tmp_path / "cache", stride=10)
    (segment,) = cache.segments
    assert len(segment.residues) == 214 and segment.n_frames == 10
    windows = ProteinWindows(cache, PublishedTokens(), ProteinWindowConfig(4, segment.interval, 32, 2))
    assert windows.draw(0, 0).values.shape == (2, 4, 32, 21)


def test_trajectories_without_times_are_left_out_and_second_locations_too(tmp_path, data):
    from MDAnalysis import Universe
    from MDAnalysisTests.datafiles import PRM, TRJ

    (tmp_path / "timeless").mkdir()
    (tmp_path / "timeless" / "md.prmtop").symlink_to(PRM)
    (tmp_path / "timeless" / "md.mdcrd").symlink_to(TRJ)
    with (
        pytest.warns(MDGenWarning, match="left out: it does not say the time between its frames.*dt="),
        pytest.raises(MDGenError),
    ):
        open_protein_cache([tmp_path / "timeless"], tmp_path / "none")
    deposited = data / "deposited" / "locations.pdb"
    (tmp_path / "two").mkdir()
    universe = Universe(str(deposited))
    universe.load_new(universe.atoms.positions[None].repeat(3, 0), dt=10.0)
    (tmp_path / "two" / "md.pdb").write_bytes(deposited.read_bytes())
    with Writer(str(tmp_path / "two" / "md.dcd"), universe.atoms.n_atoms, dt=10.0) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    (segment,) = open_protein_cache([tmp_path / "two"], tmp_path / "cache").segments
    assert len(segment.residues) == 5 and segment.n_frames == 3


def test_out_of_memory_smaller_pieces_are_tried(atlas, tmp_path, monkeypatch, capsys):
    whole = train_proteins([atlas], [], tmp_path / "whole", run_config(n_steps=3, every=3))
    backward = ProteinRun._in_pieces

    def short_of_memory(self, batch, seeds):
        if self.size > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return backward(self, batch, seeds)

    monkeypatch.setattr(ProteinRun, "_in_pieces", short_of_memory)
    pieces = train_proteins([atlas], [], tmp_path / "pieces", run_config(n_steps=3, every=3))
    assert "out of memory: 1 windows at a time" in capsys.readouterr().out
    np.testing.assert_allclose(losses(tmp_path / "pieces")[0][1:3], losses(tmp_path / "whole")[0][1:3], rtol=1e-3)
    assert whole.exists() and pieces.exists()


def test_a_window_that_does_not_fit_at_all(atlas, tmp_path, monkeypatch):
    def no_memory(self, batch, seeds):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ProteinRun, "_in_pieces", no_memory)
    with pytest.raises(MDGenError, match=r"a window of 5 frames and . residues does not fit"):
        train_proteins([atlas], [], tmp_path, run_config(n_steps=3))

import multiprocessing
import pickle

import numpy as np
import pytest
import torch
from MDAnalysis import Universe
from MDAnalysis.analysis.base import AnalysisFromFunction
from MDAnalysis.transformations import translate
from MDAnalysisTests import datafiles

import openmm_mdgen.trajectory.reader
from openmm_mdgen.errors import MDGenWarning
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.upsampling import UpsampledReader, upsample
from openmm_mdgen.upsampling.gaps import LinearGapFiller
from tests.helpers.gap_fillers import Model, Shaking

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:MDAnalysis"),
]
FACTOR = 5


class ThroughTorch(LinearGapFiller):
    """Straight lines that pass through a torch layer large enough for several threads."""

    content_hash = "torch"

    def fill(self, key_frames, seeds):
        layer = torch.nn.Linear(300, 300)
        layer(torch.zeros(300, 300))
        return super().fill(key_frames, seeds)


@pytest.fixture(scope="module")
def coarse():
    """14 residues with hydrogens, 11 frames, 1 ps apart."""
    universe = Universe(datafiles.PRM, datafiles.TRJ)
    frames = np.array([ts.positions.copy() for ts in universe.trajectory])
    return Universe(datafiles.PRM, frames, dt=1.0)


def positions(universe):
    return np.array([ts.positions.copy() for ts in universe.trajectory])


def centre(atoms):
    return atoms.center_of_geometry()


def test_original_frames_come_back_exactly(coarse):
    fine = upsample(coarse, 0.2, model=Shaking(FACTOR))
    assert isinstance(fine.trajectory, UpsampledReader)
    assert (fine.trajectory.n_frames, fine.trajectory.dt) == (51, pytest.approx(0.2))
    np.testing.assert_array_equal(positions(fine)[::FACTOR], positions(coarse))
    assert fine.trajectory.totaltime == pytest.approx(10.0)
    np.testing.assert_allclose([ts.time for ts in fine.trajectory], 0.2 * np.arange(51))


def test_random_access_is_sequential_access(coarse):
    fine = upsample(coarse, 0.2, model=Shaking(FACTOR))
    sequential = positions(fine)
    for frame in np.random.default_rng(0).integers(-51, 51, 200):
        np.testing.assert_array_equal(fine.trajectory[int(frame)].positions, sequential[frame])
    np.testing.assert_array_equal([ts.positions.copy() for ts in fine.trajectory[40:3:-7]], sequential[40:3:-7])
    np.testing.assert_array_equal([ts.positions.copy() for ts in fine.trajectory[[3, 44, 3]]], sequential[[3, 44, 3]])


def test_seeds(coarse):
    first, again, other = (positions(upsample(coarse, 0.2, model=Shaking(FACTOR), seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_copies_and_pickles_are_independent(coarse):
    fine = upsample(coarse, 0.2, model=Shaking(FACTOR))
    fine.trajectory[7]
    before = fine.atoms.positions.copy()
    for twin in (fine.copy(), pickle.loads(pickle.dumps(fine))):
        np.testing.assert_array_equal(twin.atoms.positions, before)
        assert twin.trajectory.frame == 7
        twin.trajectory[33]
        np.testing.assert_array_equal(fine.atoms.positions, before)
        np.testing.assert_array_equal(twin.trajectory[12].positions, fine.trajectory[12].positions)
        fine.trajectory[7]
    assert fine.trajectory._chunks
    assert not pickle.loads(pickle.dumps(fine.trajectory))._chunks


def test_the_original_universe_is_left_alone(coarse):
    coarse.trajectory[3]
    positions(upsample(coarse, 0.2, model="linear"))
    assert coarse.trajectory.frame == 3


def test_transformations_and_memory(coarse):
    fine = upsample(coarse, 0.2, model="linear")
    plain = positions(fine)
    moved = upsample(coarse, 0.2, model="linear")
    moved.trajectory.add_transformations(translate([1, 2, 3]))
    np.testing.assert_allclose(positions(moved.copy()), plain + np.array([1, 2, 3]), atol=1e-4)
    fine.transfer_to_memory()
    np.testing.assert_array_equal(positions(fine), plain)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_forked_child_reads_on(tmp_path):
    """With a file behind it whose place parent and child would share, and torch used in both."""
    assert openmm_mdgen.trajectory.reader is not None
    fine = upsample(Universe(datafiles.PSF, datafiles.DCD), 0.5, model=ThroughTorch(2))
    expected = fine.trajectory[41].positions.copy()
    parent, child = multiprocessing.Pipe(duplex=False)

    def read():
        child.send([fine.trajectory[k].positions.copy() for k in (190, 41)])

    process = multiprocessing.get_context("fork").Process(target=read)
    process.start()
    assert parent.poll(600)
    received = parent.recv()
    process.join()
    np.testing.assert_array_equal(received[1], expected)
    np.testing.assert_array_equal(fine.trajectory[190].positions, received[0])


@pytest.mark.parametrize("backend", ["serial", "multiprocessing"])
def test_analysis_backends_agree(coarse, backend):
    fine = upsample(coarse, 0.2, model=Shaking(FACTOR))
    expected = np.array([centre(fine.atoms) for _ in fine.trajectory])
    analysis = AnalysisFromFunction(centre, fine.trajectory, fine.atoms)
    analysis.run(backend=backend, n_workers=2 if backend != "serial" else None)
    np.testing.assert_array_equal(analysis.results.timeseries, expected)


@pytest.mark.parametrize("extension", ["xtc", "trr", "dcd", "nc"])
def test_written_with_its_times(coarse, tmp_path, extension):
    fine = upsample(coarse, 0.2, model="linear")
    with fine.trajectory.Writer(str(tmp_path / f"a.{extension}")) as writer:
        for _ in fine.trajectory:
            writer.write(fine.atoms)
    written = Universe(datafiles.PRM, str(tmp_path / f"a.{extension}")).trajectory
    assert written.dt == pytest.approx(0.2, rel=1e-5)
    np.testing.assert_allclose([ts.time for ts in written], 0.2 * np.arange(51), atol=1e-4)


def test_some_atoms_alone(coarse):
    backbone = coarse.select_atoms("name N CA C")
    fine = upsample(backbone, 0.2, model="linear")
    assert list(fine.atoms.names) == list(backbone.names)
    coarse.trajectory[4]
    np.testing.assert_array_equal(fine.trajectory[4 * FACTOR].positions, backbone.positions)


def test_boxes_are_interpolated_and_molecules_cross_them(tmp_path):
    frames = np.zeros((3, 4, 3)) + np.array([[0, 0, 0], [1.5, 0, 0], [1.5, 1.5, 0], [0, 1.5, 0]])
    frames += np.array([[1.0, 5, 5], [28.0, 5, 5], [2.0, 5, 5]])[:, None]
    universe = Universe.empty(4, 1, atom_resindex=[0] * 4, trajectory=True)
    universe.add_TopologyAttr("names", ["C1", "C2", "C3", "C4"])
    universe.add_TopologyAttr("resnames", ["LIG"])
    boxes = np.array([[30.0, 30, 30, 90, 90, 90], [30, 30, 30, 90, 90, 90], [30, 30, 33, 90, 90, 90]])
    universe.load_new(frames.astype(np.float32), dimensions=boxes, dt=1.0)
    fine = upsample(universe, 0.25, model="linear")
    x = [ts.positions[0, 0] for ts in fine.trajectory]
    np.testing.assert_allclose(x, [1, 0.25, 29.5, 28.75, 28, 29, 0, 1, 2], atol=1e-5)
    np.testing.assert_allclose(
        [ts.dimensions[2] for ts in fine.trajectory], [30] * 5 + [30.75, 31.5, 32.25, 33], atol=1e-5
    )


def test_waters_move_whole(tmp_path):
    water = Universe(datafiles.PRMncdf, datafiles.NCDF)
    fine = upsample(water, 0.25, model="linear", dt=1.0, others="interpolate")
    oxygens, hydrogens = fine.select_atoms("name O and resname WAT"), fine.select_atoms("name H1 and resname WAT")
    for frame in (1, 2, 3):
        fine.trajectory[frame]
        np.testing.assert_allclose(np.linalg.norm(oxygens.positions - hydrogens.positions, axis=1), 0.957, atol=0.01)


def test_long_chains_go_through_windows(coarse):
    model = Model()
    with pytest.warns(MDGenWarning, match="14 residues, the model learned up to 4: .* experimental"):
        fine = upsample(coarse, 0.2, model=model)
    assert len(model.bound) == 6
    first, second = model.bound[:2]
    assert first.resnames[-1] == "NME" and first.names[0] == "N"
    assert second.resnames[0] == "ACE" and len(set(second.residues)) == 6
    for structure in model.bound:
        assert Peptide.from_structure(structure).n_residues == 4
    np.testing.assert_array_equal(positions(fine)[::FACTOR], positions(coarse))
    whole = upsample(coarse, 0.2, model="linear")
    heavy = coarse.bonds.indices[~np.isin(coarse.bonds.indices, coarse.select_atoms("name H*").indices).any(1)]
    for frame in (1, 2, 3):
        fine.trajectory[frame], whole.trajectory[frame]
        apart = np.diff(fine.atoms.positions[heavy], axis=1) - np.diff(whole.atoms.positions[heavy], axis=1)
        assert np.linalg.norm(apart, axis=-1).max() < 0.3
    steps = np.abs(np.diff(positions(fine), axis=0)).max((1, 2)).reshape(-1, FACTOR)
    assert (steps < 2.0 * steps.mean(1, keepdims=True)).all()

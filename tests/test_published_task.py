"""Imported checkpoints behind the interfaces of bundled models."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm as mm
import pytest
import torch
from openmm import app
from scipy.spatial.transform import Rotation

from openmm_mdgen.convert.structures import topology_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator import GenerativeIntegrator
from openmm_mdgen.peptide.peptide import Structure
from openmm_mdgen.published import atoms as atoms_module
from openmm_mdgen.published.atoms import PublishedAtoms
from openmm_mdgen.published.task import PublishedSettings, PublishedTask
from openmm_mdgen.published.tokens import PublishedTokens
from openmm_mdgen.tasks.propagator import Propagator
from tests.helpers.published_toys import CONFIG, make_network

SIMULATION = PublishedSettings(PublishedTokens(), n_frames=6, interval=10.0, solver="euler", n_steps=2)
UPSAMPLING = replace(SIMULATION, tokens=PublishedTokens(given_every=5), interval=0.1)


@pytest.fixture(scope="module")
def structure(data: Path) -> Structure:
    pdb = app.PDBFile(str(data / "QGRE.pdb"))
    return topology_to_structure(pdb.topology, pdb.positions)


def make_task(settings: PublishedSettings = SIMULATION, **config) -> PublishedTask:
    return PublishedTask(make_network(replace(CONFIG, **config)), settings, "toy", "0" * 64)


def test_propagator(structure: Structure) -> None:
    propagator = make_task().bind(structure, 10.0)
    assert isinstance(propagator, Propagator)
    block = propagator.next_block(structure.positions, 3)
    assert block.shape == (propagator.n_frames, len(structure.names), 3) == (5, 66, 3)
    assert block.dtype == np.float64
    assert np.isfinite(block).all()
    np.testing.assert_array_equal(block, propagator.next_block(structure.positions, 3))
    assert np.abs(block - propagator.next_block(structure.positions, 4)).max() > 0.1


@pytest.mark.parametrize("solver", ["euler", "dopri5"])
def test_replicas_do_not_see_each_other(structure: Structure, solver: str) -> None:
    propagator = make_task(replace(SIMULATION, solver=solver)).bind(structure, 10.0)
    starts = structure.positions + np.random.default_rng(0).normal(0, 0.02, (3, *structure.positions.shape))
    together = propagator.next_blocks(starts, [1, 2, 3])
    for start, seed, block in zip(starts, (1, 2, 3), together, strict=True):
        np.testing.assert_allclose(block, propagator.next_block(start, seed), atol=1e-4)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-3), (torch.float64, 1e-6)])
def test_equivariance(structure: Structure, dtype: torch.dtype, atol: float) -> None:
    task = make_task()
    task.network.to(dtype)
    propagator = task.bind(structure, 10.0)
    rotation, shift = Rotation.random(random_state=1).as_matrix(), np.array([3.0, -50.0, 7.0])
    moved = propagator.next_block(structure.positions @ rotation.T + shift, 5)
    np.testing.assert_allclose(
        moved, propagator.next_block(structure.positions, 5) @ rotation.T + shift, atol=atol, rtol=0
    )


def test_bfloat16_is_near(structure: Structure) -> None:
    exact, rough = (
        make_task(replace(SIMULATION, precision=precision)).bind(structure, 10.0).next_block(structure.positions, 5)
        for precision in ("float32", "bfloat16")
    )
    distance = np.linalg.norm(exact - rough, axis=-1)
    assert 0 < np.median(distance) < 0.3  # Å


def test_order_of_atoms(structure: Structure) -> None:
    order = np.concatenate(
        [np.random.default_rng(0).permutation(np.flatnonzero(structure.residues == k)) for k in range(4)]
    )
    place = np.argsort(order)
    shuffled = Structure(
        tuple(structure.names[k] for k in order),
        tuple(structure.resnames[k] for k in order),
        structure.residues[order],
        structure.chains[order],
        tuple(structure.elements[k] for k in order),
        tuple((int(place[a]), int(place[b])) for a, b in structure.bonds),
        structure.positions[order],
    )
    block = make_task().bind(structure, 10.0).next_block(structure.positions, 1)
    other = make_task().bind(shuffled, 10.0).next_block(shuffled.positions, 1)
    np.testing.assert_allclose(other, block[:, order], atol=1e-6)


def test_bonds_are_those_of_the_reference(structure: Structure) -> None:
    block = make_task().bind(structure, 10.0).next_block(structure.positions, 1)
    pairs = np.array([(a, b) for a, b in structure.bonds if "H" not in structure.elements[a] + structure.elements[b]])
    first, second = pairs.T

    def lengths(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[..., first, :] - x[..., second, :], axis=-1)

    np.testing.assert_allclose(
        lengths(block), np.broadcast_to(lengths(structure.positions), (5, len(pairs))), atol=0.01
    )


def test_slots_round_trip(structure: Structure) -> None:
    atoms = PublishedAtoms(structure)
    positions = torch.tensor(structure.positions)[None]
    torch.testing.assert_close(atoms.from_atom14(atoms.to_atom14(positions)), positions, atol=1e-9, rtol=0)


def test_long_peptides_are_placed_residue_by_residue(structure: Structure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atoms_module, "_LONGEST_CHAIN", 3)
    atoms = PublishedAtoms(structure)
    positions = torch.tensor(structure.positions)[None]
    torch.testing.assert_close(atoms.from_atom14(atoms.to_atom14(positions)), positions, atol=1e-9, rtol=0)


def test_a_simulation(data: Path) -> None:
    pdb = app.PDBFile(str(data / "QGRE.pdb"))
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=app.HBonds)
    integrator = GenerativeIntegrator(pdb.topology, temperature=350, stepSize="1ps", model=make_task(), seed=1)
    simulation = app.Simulation(pdb.topology, system, integrator, mm.Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(pdb.positions)
    frames = []
    for _ in range(7):  # one window and the start of the next
        simulation.step(10)
        state = simulation.context.getState(positions=True)
        frames.append(state.getPositions(asNumpy=True)._value)
    assert state.getTime()._value == pytest.approx(70.0)
    assert np.isfinite(frames).all()
    assert np.abs(np.diff(frames, axis=0)).max(axis=(1, 2)).min() > 1e-3


def test_gaps(structure: Structure) -> None:
    filler = make_task(UPSAMPLING).bind_gaps(structure, 0.5, 0.1)
    keys = structure.positions + np.random.default_rng(0).normal(0, 0.02, (3, *structure.positions.shape))
    frames = filler.fill(keys, [1, 2])
    assert frames.shape == (2, 4, 66, 3)
    np.testing.assert_allclose(filler.fill(keys[1:], [2])[0], frames[1], atol=1e-4)
    assert np.abs(filler.fill(keys[[1, 0]], [2])[0] - frames[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: make_task().bind(s, 1.0), "interval 1 ps does not fit toy, trained on 10 ps"),
        (lambda s: make_task(UPSAMPLING).bind(s, 0.1), "trained for upsampling, not for simulation"),
        (lambda s: make_task().bind_gaps(s, 100.0, 10.0), "trained for simulation, not for upsampling"),
        (lambda s: make_task(UPSAMPLING).bind_gaps(s, 10.0, 0.1), "key frames 10 ps apart do not fit toy.* 0.5 ps"),
        (lambda s: make_task(n_positions=5).bind(s, 10.0), "the peptide has 4 residues, toy takes 5;"),
    ],
)
def test_what_a_checkpoint_cannot_do(structure: Structure, call, message: str) -> None:
    with pytest.raises(MDGenError, match=message):
        call(structure)


def test_caps(alanine: app.PDBFile) -> None:
    with pytest.raises(MDGenError, match="caps ACE, NME"):
        make_task(n_positions=0).bind(topology_to_structure(alanine.topology, alanine.positions), 10.0)


def test_paths_between_two_structures(structure: Structure) -> None:
    settings = replace(SIMULATION, tokens=PublishedTokens(key_frames="ends", given="ends"))
    sampler = make_task(settings, n_given=28, key_frames="ends").bind_paths(structure, 10.0)
    end = structure.positions + np.random.default_rng(0).normal(0, 0.05, structure.positions.shape)
    paths = sampler.sample({0: structure.positions, 5: end}, 6, [1, 2])
    assert paths.shape == (2, 6, *end.shape) and np.isfinite(paths).all()
    assert (paths[:, 0] == structure.positions).all() and (paths[:, -1] == end).all()
    assert np.abs(paths[0, 2] - paths[1, 2]).max() > 0.1
    np.testing.assert_allclose(sampler.sample({0: structure.positions, 5: end}, 6, [2])[0], paths[1], atol=1e-4)
    with pytest.raises(MDGenError, match=r"paths of 6 frames \(50 ps\) with both ends given, and no others"):
        sampler.sample({0: structure.positions, 3: end}, 6, [1])
    with pytest.raises(MDGenError, match="was trained for simulation, not for interpolation"):
        make_task().bind_paths(structure, 10.0)

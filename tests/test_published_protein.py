"""A published network on a real protein with hydrogens: AdK, 214 residues, CHARMM names."""

import numpy as np
import pytest
import torch

import openmm_mdgen
from openmm_mdgen.published import atoms as atoms_module
from openmm_mdgen.published.atoms import PublishedAtoms
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.file import save_published
from openmm_mdgen.published.task import PublishedSettings
from openmm_mdgen.published.tokens import PublishedTokens
from openmm_mdgen.trajectory.memory import frames_to_universe
from tests.helpers.published_toys import make_network
from tests.helpers.toys_protein import adk_structure, adk_universe

SMALL = PublishedConfig(
    width=16, n_layers=1, n_heads=2, ipa_heads=2, ipa_channels=4, ipa_query_points=2, ipa_value_points=2, n_positions=0
)


def peptide_bonds() -> np.ndarray:
    names, residues = np.array(adk_structure().names), adk_structure().residues
    carbons, nitrogens = (np.flatnonzero(names == name) for name in ("C", "N"))
    assert (residues[carbons] == residues[nitrogens]).all()
    return np.stack([carbons[:-1], nitrogens[1:]], 1)


def lengths(frames: np.ndarray) -> np.ndarray:
    first, second = peptide_bonds().T
    return np.linalg.norm(frames[..., first, :] - frames[..., second, :], axis=-1)


def save(path, ends: bool = False):
    """Random weights whose velocity is small, so that what they make is a noisy protein."""
    tokens = PublishedTokens(key_frames="ends", given="ends") if ends else PublishedTokens()
    network = make_network(
        PublishedConfig(**vars(SMALL) | {"key_frames": tokens.key_frames, "n_given": tokens.n_given})
    )
    settings = PublishedSettings(tokens, n_frames=6, interval=400.0, solver="euler", n_steps=2)
    return save_published(network, settings, path)


def test_round_trip_keeps_the_fold_the_bonds_and_the_hydrogens():
    atoms = PublishedAtoms(adk_structure())
    frames = torch.from_numpy(np.array([ts.positions.copy() for ts in adk_universe().trajectory[:90:30]], dtype=float))
    made = atoms.from_atom14(atoms.to_atom14(frames))
    torch.testing.assert_close(made[0], frames[0], atol=1e-6, rtol=0)
    alphas = [k for k, name in enumerate(adk_structure().names) if name == "CA"]
    assert float((made - frames)[:, alphas].square().sum(-1).mean().sqrt()) < 0.3
    assert np.abs(lengths(made.numpy()) - lengths(frames[:1].numpy())).max() < 0.15
    hydrogens = torch.tensor(list(atoms._internal.hydrogens.items()))
    apart = (made[:, hydrogens[:, 0]] - made[:, hydrogens[:, 1]]).norm(dim=-1)
    assert 0.9 < float(apart.min()) and float(apart.max()) < 1.4


def test_rigids_that_disagree_break_no_peptide_bond():
    atoms = PublishedAtoms(adk_structure())
    frame = torch.from_numpy(adk_structure().positions.copy())[None]
    shaken = atoms.to_atom14(frame) + torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 214, 1, 3)))
    made = atoms.from_atom14(shaken * atoms.slot_mask.unsqueeze(-1))
    assert np.abs(lengths(made.numpy()) - 1.33).max() < 0.2


def test_frames_in_pieces_are_frames_at_once(monkeypatch):
    atoms = PublishedAtoms(adk_structure())
    slots = atoms.to_atom14(torch.from_numpy(np.array([ts.positions for ts in adk_universe().trajectory[:3]], float)))
    whole = atoms.from_atom14(slots)
    monkeypatch.setattr(atoms_module, "_AT_ONCE", 1)
    torch.testing.assert_close(atoms.from_atom14(slots), whole)


def test_simulate_and_interpolate(tmp_path):
    adk_universe().trajectory[0]
    start = frames_to_universe(adk_structure(), adk_structure().positions[None], 1.0, 0.0)
    made = openmm_mdgen.simulate(start, time=4000, interval=400, model=save(tmp_path / "first.safetensors"), seed=1)
    frames = np.array([ts.positions.copy() for ts in made.trajectory])
    assert len(frames) >= 10 and frames.shape[1] == len(adk_structure().names) and np.isfinite(frames).all()
    assert (np.abs(lengths(frames[1:]) - 1.33) > 0.3).mean() == 0
    (path,) = openmm_mdgen.interpolate(
        start, start, time=2000, interval=400, model=save(tmp_path / "ends.safetensors", ends=True), n_paths=1
    )
    assert len(path.trajectory) == 6


def test_a_chain_as_long_as_ubiquitin(tmp_path):
    """76 residues with their hydrogens, ten windows chained: no bond drifts, and pieces bound the memory."""
    from openmm_mdgen.convert.structures import atomgroup_to_structure

    adk_universe().trajectory[0]
    structure = atomgroup_to_structure(adk_universe().select_atoms("resid 139:214"))
    start = frames_to_universe(structure, structure.positions[None], 1.0, 0.0)
    made = openmm_mdgen.simulate(start, time=20_000, interval=400, model=save(tmp_path / "first.safetensors"), seed=1)
    frames = np.array([ts.positions.copy() for ts in made.trajectory])
    carbons, nitrogens = (np.flatnonzero(np.array(structure.names) == name) for name in ("C", "N"))
    bonds = np.linalg.norm(frames[:, carbons[:-1]] - frames[:, nitrogens[1:]], axis=-1)
    assert len(frames) == 50 and np.isfinite(frames).all()
    assert (np.abs(bonds - 1.33) > 0.2).mean() == 0
    assert bonds[-5:].std() < 1.5 * bonds[:5].std()
    (path,) = openmm_mdgen.interpolate(
        start, start, time=2000, interval=400, model=save(tmp_path / "ends.safetensors", ends=True), n_paths=1
    )
    assert np.isfinite(path.trajectory[3].positions).all()


def test_generative_integrator(tmp_path):
    openmm = pytest.importorskip("openmm")
    from openmm import app, unit

    from openmm_mdgen.convert.openmm import structure_to_topology

    structure = adk_structure()
    topology = structure_to_topology(structure)
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    integrator = openmm_mdgen.GenerativeIntegrator(
        topology,
        300 * unit.kelvin,
        4 * unit.femtosecond,
        frameInterval=400 * unit.picosecond,
        model=save(tmp_path / "first.safetensors"),
    )
    platform = openmm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(topology, system, integrator, platform)
    simulation.context.setPositions(structure.positions * 0.1)
    simulation.step(200_000)
    state = simulation.context.getState(getPositions=True)
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
    assert np.isfinite(positions).all() and np.abs(positions - structure.positions).max() > 0.1
    assert (np.abs(lengths(positions) - 1.33) > 0.3).mean() == 0

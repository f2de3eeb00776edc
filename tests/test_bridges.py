"""Disulphide bridges of long chains: closed by turning sulphurs, in upsampling and by the published network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from MDAnalysis import Merge, Universe
from MDAnalysisTests import datafiles

from openmm_mdgen import upsample
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.geometry.bridges import Bridges
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.published.atoms import PublishedAtoms
from openmm_mdgen.tasks import model

TINY = Path(__file__).parent / "data" / "tiny-upsample.safetensors"
FILE = Path(datafiles.__file__).parent / "data" / "nmr_neopetrosiamide.pdb"
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not FILE.is_file(), reason="MDAnalysisTests has no neopetrosiamide"),
]


def chain():
    """27 residues with three disulphide bridges, the first model of an NMR entry, its oxidised methionine reduced."""
    universe = Universe(str(FILE))
    kept = universe.select_atoms("not (resname SME and name OE)")
    methionine = universe.select_atoms("resname SME")
    methionine.select_atoms("name S").names = "SD"
    methionine.residues.resnames = "MET"
    return Merge(kept)


def three_bridges():
    """Structure, peptide and bridges."""
    structure = load_structure(chain().atoms)
    peptide = Peptide.from_structure(structure, disulphides=True)
    return structure, peptide, Bridges(peptide.residue_types, peptide.heavy, structure.positions)


def spans(frames, bridges):
    sulphurs = bridges.atoms[..., 2]
    return np.linalg.norm(frames[:, sulphurs[:, 0]] - frames[:, sulphurs[:, 1]], axis=-1)


def test_bridges_are_found_and_closed_by_turns_alone():
    structure, _, bridges = three_bridges()
    assert bridges.atoms.shape == (3, 2, 3)
    start = torch.from_numpy(structure.positions.copy())[None].repeat(20, 1, 1)
    frames = start.clone()
    alpha, beta, sulphur = (bridges.atoms[:, 0, k] for k in range(3))
    turns = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3)))
    axis = frames[:, beta] - frames[:, alpha]
    axis = axis / axis.norm(dim=-1, keepdim=True)
    arm = frames[:, sulphur] - frames[:, beta]
    turned = arm * turns.cos()[..., None] + torch.linalg.cross(axis, arm) * turns.sin()[..., None]
    turned += axis * (axis * arm).sum(-1, keepdim=True) * (1 - turns.cos())[..., None]
    frames[:, sulphur] = frames[:, beta] + turned
    opened = frames.clone()
    assert np.abs(spans(frames, bridges) - 2.04).max() > 0.3
    assert np.abs(spans(bridges.close(frames), bridges) - bridges.lengths.numpy()).max() < 0.02
    for k in range(2):
        a, b, s = (bridges.atoms[:, k, j] for j in range(3))
        for other in (a, b):
            torch.testing.assert_close(
                (frames[:, s] - frames[:, other]).norm(dim=-1), (start[:, s] - start[:, other]).norm(dim=-1)
            )
    rest = np.setdiff1d(np.arange(frames.shape[1]), bridges.atoms[..., 2].numpy())
    assert torch.equal(frames[:, rest], opened[:, rest])


def test_frames_without_bridges_stay_as_they_are():
    structure, peptide, _ = three_bridges()
    apart = Bridges(peptide.residue_types, peptide.heavy, structure.positions * 3)
    frames = torch.from_numpy(structure.positions.copy())[None]
    assert len(apart.atoms) == 0 and apart.close(frames) is frames


def test_an_upsampled_chain_keeps_its_bridges(monkeypatch):
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: False)
    structure, _, bridges = three_bridges()
    rng, universe = np.random.default_rng(0), chain()
    keys = structure.positions + rng.normal(0, 0.03, (3, *structure.positions.shape))
    universe.load_new(keys.astype(np.float32), dt=10.0)
    made = np.array([ts.positions.copy() for ts in upsample(universe, 1.0, TINY).trajectory])
    assert len(made) == 21 and np.abs(spans(made, bridges) - 2.04).max() < 0.3


def test_a_published_network_keeps_them():
    """Slots shaken by 0.15 Å, as an undertrained network leaves them."""
    structure, _, bridges = three_bridges()
    atoms = PublishedAtoms(structure)
    frames = torch.from_numpy(structure.positions.copy())[None]
    slots = atoms.to_atom14(frames).repeat(20, 1, 1, 1)
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.15, slots.shape))
    shaken = (slots + noise) * atoms.slot_mask.unsqueeze(-1)
    assert np.median(np.abs(spans(atoms.from_atom14(shaken).numpy(), bridges) - bridges.lengths.numpy())) < 0.1

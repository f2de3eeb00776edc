"""The small committed peptides and networks, loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from MDAnalysis import Universe
from scipy.spatial.transform import Rotation
from torch import Tensor

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.geometry.internal import OMEGA, TORSIONS, InternalCoordinates
from openmm_mdgen.peptide.peptide import Peptide, Structure
from openmm_mdgen.tasks.identity import (
    N_DISTANCES,
    N_EFFECTS,
    N_IDENTITIES,
    N_MOVING,
    N_STILL,
    PLACES,
    IdentityModel,
    IdentityTable,
)
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.tasks.upsample import Upsample
from openmm_mdgen.trajectory.memory import frames_to_universe
from openmm_mdgen.weights.checkpoint import load_task

DATA = Path(__file__).parents[1] / "data"
PEPTIDES = ("ACE-A-NME", "QGRE", "ITVLHC", "NDKMF", "PSWYP")  # every residue type, both caps, proline at both ends


@cache
def structure(name: str) -> Structure:
    """A committed peptide."""
    return load_structure(DATA / f"{name}.pdb")


def positions(name: str) -> Tensor:
    """(N, 3) Å, float64."""
    return torch.from_numpy(structure(name).positions.copy())


def coordinates(source: Structure) -> InternalCoordinates:
    """Internal coordinates of a structure's atoms."""
    peptide = Peptide.from_structure(source)
    return InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)


@cache
def internal(name: str) -> InternalCoordinates:
    """Internal coordinates of a committed peptide."""
    return coordinates(structure(name))


def rearranged(source: Structure, order: np.ndarray) -> Structure:
    """The same atoms, listed in another order."""
    return source.take(order)


def random_motion(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A rotation (3, 3), to be multiplied from the right, and a shift (3,) in Å."""
    rotation = Rotation.random(random_state=seed).as_matrix()
    return rotation, np.random.default_rng(seed).normal(0, 20, 3)


def center_volumes(
    frames: Tensor, name: str, center: str, others: tuple[str, str, str], skip: tuple[str, ...]
) -> Tensor:
    """Signed volumes (F, K) of three neighbours about an atom, for every residue that has them all."""
    peptide = Peptide.from_structure(structure(name))
    found = []
    for residue, kind in enumerate(peptide.residue_types):
        keys = [(residue, atom) for atom in (center, *others)]
        if kind not in skip and all(key in peptide.heavy for key in keys):
            c, *rest = (frames[:, peptide.heavy[key]] for key in keys)
            found.append(torch.linalg.det(torch.stack([x - c for x in rest], -2)))
    return torch.stack(found, -1)


@cache
def moving(name: str, n_frames: int = 8, seed: int = 0) -> np.ndarray:
    """Frames (T, N, 3) in Å of a committed peptide whose torsions wander and which turns and moves as a whole."""
    coordinates, start, rng = internal(name), positions(name), np.random.default_rng(seed)
    steps = torch.from_numpy(rng.normal(0, 0.15, (n_frames, len(coordinates.residue_types), len(TORSIONS))))
    values = coordinates.encode(start).repeat(n_frames, 1, 1)
    values[..., OMEGA + 1 : len(TORSIONS)] += steps.cumsum(0)[..., OMEGA + 1 :]
    values[..., len(TORSIONS) :] += torch.from_numpy(rng.normal(0, 0.02, values[..., len(TORSIONS) :].shape))
    frames = coordinates.decode(values, coordinates.geometry(start)).numpy()
    motions = [random_motion(1000 * seed + k) for k in range(n_frames)]
    return np.stack([x @ rotation + shift for x, (rotation, shift) in zip(frames, motions, strict=True)])


def moving_universe(name: str, n_frames: int = 8, seed: int = 0, first_time: float = 10.0) -> Universe:
    """The same as a Universe, a frame every 10 ps."""
    return frames_to_universe(structure(name), moving(name, n_frames, seed), 10.0, first_time)


def c_n_lengths(frames: np.ndarray, source: Structure) -> np.ndarray:
    """Lengths (..., L - 1) in Å of the bonds between residues in frames (..., N, 3)."""
    peptide = Peptide.from_structure(source)
    pairs = [(peptide.heavy[k, "C"], peptide.heavy[k + 1, "N"]) for k in range(len(peptide.residue_types) - 1)]
    c, n = np.array(pairs).T
    return np.linalg.norm(frames[..., c, :] - frames[..., n, :], axis=-1)


@cache
def simulate_task() -> Simulate:
    """The tiny network that simulates."""
    return load_task(DATA / "tiny.safetensors", "cpu")


@cache
def upsample_task() -> Upsample:
    """The tiny network that upsamples."""
    return load_task(DATA / "tiny-upsample.safetensors", "cpu")


@cache
def inpaint_task() -> Simulate:
    """The tiny network that has what inpainting and design need."""
    return load_task(DATA / "tiny-inpaint.safetensors", "cpu")


@cache
def identities() -> IdentityModel:
    """An untrained guess of identities."""
    still = {place: _random_table(k, N_STILL, (10.0, 100.0)) for k, place in enumerate(PLACES)}
    moving = {place: _random_table(10 + k, N_MOVING, (600.0,)) for k, place in enumerate(PLACES)}
    frequencies = torch.arange(1.0, N_IDENTITIES + 1, dtype=torch.float64)
    return IdentityModel(still, moving, frequencies / frequencies.sum(), name="tiny-design", lengths=(3, 6))


def _random_table(seed: int, n_features: int, durations: tuple[float, ...], size: int = 3) -> IdentityTable:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    one = torch.eye(size, dtype=torch.float64)
    return IdentityTable(
        center=torch.full((N_DISTANCES,), 5.0, dtype=torch.float64),
        scale=torch.ones(N_DISTANCES, dtype=torch.float64),
        mean=torch.zeros(n_features, dtype=torch.float64),
        basis=normal(n_features, size) / n_features,
        effects=normal(N_EFFECTS, size),
        doubt=0.1 * torch.eye(N_EFFECTS, dtype=torch.float64),
        rest=one,
        freedom=torch.tensor(9.0, dtype=torch.float64),
        durations=torch.tensor([*durations, 1e4], dtype=torch.float64),
        noise=torch.stack([one / k for k in range(1, len(durations) + 1)]),
        sharpness=torch.ones(len(durations) + 1, dtype=torch.float64),
    )

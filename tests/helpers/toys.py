"""Propagators without a network, importable by the worker processes of the tests."""

from __future__ import annotations

import numpy as np
import torch

from openmm_mdgen.peptide.peptide import Structure


def small_structure(n_atoms: int = 5) -> Structure:
    """Atoms in a row that no peptide resembles; (i, 2 i, 3 i) Å."""
    return Structure(
        names=tuple(f"C{index}" for index in range(n_atoms)),
        resnames=("TOY",) * n_atoms,
        residues=np.arange(n_atoms) // 3,
        chains=np.zeros(n_atoms, dtype=int),
        elements=("C",) * n_atoms,
        bonds=((0, 1), (1, 2)),
        positions=np.arange(n_atoms)[:, None] * np.array([1.0, 2.0, 3.0]),
    )


class Doubling:
    """Frame after frame, twice the positions: what MDAnalysis' own reader suite expects."""

    n_frames = 2

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """(N, 3) Å -> (2, N, 3) Å."""
        return np.stack([2 * start, 4 * start])


class TorchWalk:
    """A random walk through a torch layer, so that torch's threads are really used; counts its calls.

    Parameters
    ----------
    n_atoms, n_frames
        Shape of a block.
    """

    def __init__(self, n_atoms: int, n_frames: int = 7) -> None:
        self.n_frames = n_frames
        generator = torch.Generator().manual_seed(1)
        self.mix = torch.randn(2048, 3 * n_atoms, generator=generator, dtype=torch.float64)
        self.calls = 0

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """(N, 3) Å -> (n_frames, N, 3) Å."""
        self.calls += 1
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(self.n_frames, len(self.mix), generator=generator, dtype=torch.float64)
        steps = (noise @ torch.sin(self.mix) * 0.005).numpy().reshape(self.n_frames, *start.shape)
        return start + steps.cumsum(axis=0)


class Drift(TorchWalk):
    """Another machine: the same walk with other last bits."""

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """(N, 3) Å -> (n_frames, N, 3) Å."""
        return super().next_block(start, seed) * (1 + 1e-6)


class BindableTask:
    """A task in the sense of `load_task`: it must be bound first.

    Parameters
    ----------
    content_hash
        Compared with the recipe's.
    """

    name = "toy"
    device = "cpu"
    precision = "float64"
    temperature = 350.0
    intervals = (0.1, 100.0)

    def __init__(self, content_hash: str = "0" * 64) -> None:
        self.content_hash = content_hash
        self.bound: list[tuple[Structure, float]] = []

    def bind(self, structure: Structure, interval: float, *, reference: np.ndarray | None = None) -> TorchWalk:
        """A walk over the structure's atoms."""
        self.bound.append((structure, interval))
        return TorchWalk(len(structure.names))
